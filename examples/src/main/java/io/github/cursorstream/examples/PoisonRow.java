package io.github.cursorstream.examples;

import io.github.cursorstream.examples.Example.Result;
import io.github.cursorstream.r2dbc.backfill.Backfill;
import io.github.cursorstream.r2dbc.keyset.CursorBasedRepository;
import io.github.cursorstream.r2dbc.keyset.Keyset;
import io.github.cursorstream.r2dbc.store.PostgresRunStore;
import io.github.cursorstream.run.DeadLetter;
import io.github.cursorstream.run.Run;
import io.github.cursorstream.run.RunHandle;
import io.github.cursorstream.run.RunState;
import io.github.cursorstream.run.Runner;
import io.github.cursorstream.testing.TestDatabase;
import io.r2dbc.pool.ConnectionPool;
import java.time.Duration;
import java.util.List;
import java.util.Objects;

/** One row cannot be converted: it is found by halving and put aside, and all others are done. */
public final class PoisonRow {

  private PoisonRow() {}

  public static void main(String[] args) {
    Example.main("PoisonRow", database -> run(database, 10_000));
  }

  static Result run(TestDatabase database, int rows) {
    System.out.printf("%,d prices are converted; one of them is no number.%n%n", rows);
    database.execute(
        "CREATE TABLE prices (id bigint PRIMARY KEY, text text NOT NULL, cents bigint)",
        "INSERT INTO prices SELECT i, (i / 100.0)::numeric(12, 2)::text FROM generate_series(1, "
            + rows
            + ") i",
        "UPDATE prices SET text = 'free of charge' WHERE id = " + rows / 3,
        "VACUUM ANALYZE prices");
    ConnectionPool pool = Example.pool(database, 3);
    PostgresRunStore store = PostgresRunStore.create(pool);
    store.migrate().block();
    Runner runner = Runner.create(store);
    RunHandle run =
        Objects.requireNonNull(
            runner
                .start(
                    Backfill.over(
                            "prices-to-cents",
                            CursorBasedRepository.create(
                                pool, Keyset.table("prices"), row -> row.get(0, Long.class)))
                        .attempts(2)
                        .backoff(Duration.ofMillis(50), Duration.ofSeconds(1))
                        .deadLetters(5)
                        .execute(
                            range ->
                                "UPDATE prices SET cents = text::numeric * 100 WHERE " + range))
                .block());
    Run ended = Objects.requireNonNull(run.onFinish().block());
    List<DeadLetter> aside = Objects.requireNonNull(run.deadLetters().collectList().block());
    System.out.printf(
        "%s: %,d rows done, %d attempts failed, %d row put aside:%n",
        ended.state(), ended.rows(), ended.failures(), aside.size());
    aside.forEach(
        letter ->
            System.out.printf(
                "  %s%n  %s%n", letter.row(), letter.error().lines().findFirst().orElse("")));

    System.out.printf("%nSomebody corrects it, and it is tried again.%n");
    database.execute("UPDATE prices SET text = '0.00' WHERE id = " + rows / 3);
    long open = database.count("SELECT count(*) FROM prices WHERE cents IS NULL");
    long again = Objects.requireNonNull(run.retryDeadLetters().block());
    Run whole = Objects.requireNonNull(run.onFinish().block());
    System.out.printf("%s: %,d rows done.%n", whole.state(), whole.rows());
    runner.shutdown(Duration.ofSeconds(5)).block();
    return new Result(
        "PoisonRow",
        "rows=%d failures=%d aside=%d".formatted(ended.rows(), ended.failures(), aside.size()),
        ended.state() == RunState.SUCCEEDED
            && ended.rows() == rows - 1
            && aside.size() == 1
            && open == 1
            && again == 1
            && whole.state() == RunState.SUCCEEDED
            && whole.rows() == rows
            && database.count("SELECT count(*) FROM prices WHERE cents IS NULL") == 0);
  }
}
