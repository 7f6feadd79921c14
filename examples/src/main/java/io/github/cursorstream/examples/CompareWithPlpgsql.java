package io.github.cursorstream.examples;

import io.github.cursorstream.examples.Example.Result;
import io.github.cursorstream.examples.Example.Stopwatch;
import io.github.cursorstream.r2dbc.backfill.Backfill;
import io.github.cursorstream.r2dbc.keyset.CursorBasedRepository;
import io.github.cursorstream.r2dbc.keyset.Keyset;
import io.github.cursorstream.r2dbc.store.PostgresRunStore;
import io.github.cursorstream.run.Run;
import io.github.cursorstream.run.Runner;
import io.github.cursorstream.testing.TestDatabase;
import io.r2dbc.pool.ConnectionPool;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * What a backfill costs that can be stopped, killed and shared: copying a column, against a
 * procedure that loops with COMMIT and can do nothing of the kind.
 */
public final class CompareWithPlpgsql {

  private static final int BATCH = 1000;

  private static final int WARM_UP_BATCH = 5;

  /** How to run it: how big, how long, and what is too slow. */
  record Settings(int rows, int rounds, double boundOfOne, double boundOfTwo) {}

  private final TestDatabase database;
  private final Settings settings;
  private final ConnectionPool pool;
  private final Map<String, List<Double>> seconds = new LinkedHashMap<>();
  private int filled;
  private int runs;
  private boolean correct = true;

  private CompareWithPlpgsql(TestDatabase database, Settings settings) {
    this.database = database;
    this.settings = settings;
    this.pool = Example.pool(database, 5);
  }

  /** Arguments: rows. */
  public static void main(String[] args) {
    int rows = args.length > 0 ? Integer.parseInt(args[0]) : 1_000_000;
    Settings settings = new Settings(rows, 3, 1.25, 0.90);
    Example.main(
        "CompareWithPlpgsql",
        database -> run(database, settings),
        "fsync=on",
        "synchronous_commit=on",
        "max_wal_size=8GB",
        "checkpoint_timeout=1h");
  }

  static Result run(TestDatabase database, Settings settings) {
    System.out.printf("fsync = %s,", database.query("SHOW fsync").get(0).get(0));
    System.out.printf(
        " synchronous_commit = %s%n", database.query("SHOW synchronous_commit").get(0).get(0));
    System.out.printf(
        "A column of %,d rows is copied, %d rows at a time.%n%n", settings.rows, BATCH);
    return new CompareWithPlpgsql(database, settings).compare();
  }

  private Result compare() {
    database.execute(
        """
        CREATE PROCEDURE copy_email() LANGUAGE plpgsql AS $$
        DECLARE
          last bigint := 0;
          next bigint;
        BEGIN
          LOOP
            SELECT id INTO next FROM accounts WHERE id > last ORDER BY id OFFSET %d LIMIT 1;
            UPDATE accounts SET email_new = email
              WHERE id > last AND id <= coalesce(next, 9223372036854775807);
            COMMIT;
            EXIT WHEN next IS NULL;
            last := next;
          END LOOP;
        END $$"""
            .formatted(BATCH - 1));
    PostgresRunStore store = PostgresRunStore.create(pool);
    store.migrate().block();
    Runner runner = Runner.create(store);
    // The code of a batch runs a thousand times less often than that of a row: so many small ones
    // first, lest the compiler takes one of the cores while time is taken.
    fill(settings.rows / 20);
    copy(runner, 2, WARM_UP_BATCH);
    System.out.printf("%8s %12s %12s %12s%n", "run", "procedure", "1 consumer", "2 consumers");
    for (int round = 0; round <= settings.rounds; round++) {
      double procedure = timed("procedure", round, () -> database.execute("CALL copy_email()"));
      double one = timed("1", round, () -> copy(runner, 1, BATCH));
      double two = timed("2", round, () -> copy(runner, 2, BATCH));
      String name = round == 0 ? "warm-up" : String.valueOf(round);
      System.out.printf("%8s %10.2f s %10.2f s %10.2f s%n", name, procedure, one, two);
    }
    runner.shutdown(Duration.ofSeconds(5)).block();
    return verdict();
  }

  /** Warm-up is round 0, which does not count. */
  private double timed(String name, int round, Runnable copy) {
    fill(settings.rows);
    Stopwatch time = Stopwatch.start();
    copy.run();
    double taken = time.seconds();
    long wrong =
        database.count("SELECT count(*) FROM accounts WHERE email_new IS DISTINCT FROM email");
    correct &= wrong == 0;
    if (round > 0) {
      seconds.computeIfAbsent(name, n -> new ArrayList<>()).add(taken);
    }
    return taken;
  }

  private void fill(int rows) {
    filled = rows;
    database.execute("DROP TABLE IF EXISTS accounts");
    database.execute(
        "CREATE TABLE accounts (id bigint PRIMARY KEY, email text NOT NULL, email_new text)",
        "INSERT INTO accounts SELECT i, 'user' || i || '@example.com' FROM generate_series(1, "
            + rows
            + ") i",
        "VACUUM ANALYZE accounts",
        "CHECKPOINT");
  }

  private void copy(Runner runner, int consumers, int batchSize) {
    Run done =
        runner
            .runToEnd(
                Backfill.over(
                        "copy-email-" + ++runs,
                        CursorBasedRepository.create(
                            pool, Keyset.table("accounts"), row -> row.get(0, Long.class)))
                    .batchSize(batchSize)
                    .consumers(consumers)
                    .execute(range -> "UPDATE accounts SET email_new = email WHERE " + range))
            .block();
    correct &= done != null && done.rows() == filled;
  }

  private Result verdict() {
    double procedure = median("procedure");
    double one = median("1");
    double two = median("2");
    System.out.printf("%8s %10.2f s %10.2f s %10.2f s%n%n", "median", procedure, one, two);
    System.out.printf(
        "Every row was copied, and counted once by its run: %s%n", Example.yes(correct));
    System.out.printf(
        "1 consumer takes %.2f times as long as the procedure, at most %.2f is claimed;%n",
        one / procedure, settings.boundOfOne);
    System.out.printf(
        "2 consumers %.2f times, at most %.2f is claimed.%n", two / procedure, settings.boundOfTwo);
    return new Result(
        "CompareWithPlpgsql",
        "procedure=%.2fs one=%.2fs two=%.2fs ratio1=%.2f ratio2=%.2f"
            .formatted(procedure, one, two, one / procedure, two / procedure),
        correct
            && one / procedure <= settings.boundOfOne
            && two / procedure <= settings.boundOfTwo);
  }

  private double median(String name) {
    List<Double> sorted = seconds.getOrDefault(name, List.of()).stream().sorted().toList();
    return sorted.get((sorted.size() - 1) / 2);
  }
}
