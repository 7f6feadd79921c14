package io.github.cursorstream.examples;

import io.github.cursorstream.examples.Example.Result;
import io.github.cursorstream.examples.Example.Stopwatch;
import io.github.cursorstream.r2dbc.backfill.Backfill;
import io.github.cursorstream.r2dbc.keyset.CursorBasedRepository;
import io.github.cursorstream.r2dbc.keyset.Keyset;
import io.github.cursorstream.r2dbc.store.PostgresRunStore;
import io.github.cursorstream.run.Run;
import io.github.cursorstream.run.RunEvent;
import io.github.cursorstream.run.RunHandle;
import io.github.cursorstream.run.RunKind;
import io.github.cursorstream.run.RunState;
import io.github.cursorstream.run.Runner;
import io.github.cursorstream.testing.TestDatabase;
import io.r2dbc.spi.ConnectionFactory;
import java.io.IOException;
import java.time.Duration;

/**
 * A backfill whose process is killed with kill -9 in the middle. The same program is started again,
 * finds its run, and goes on; in the end every row was done exactly once.
 */
public final class KilledAndResumed {

  private static final Duration LEASE = Duration.ofSeconds(2);

  private KilledAndResumed() {}

  /** Arguments: rows. With a name as well, it is the program that is killed and started again. */
  public static void main(String[] args) throws IOException {
    int rows = args.length > 0 ? Integer.parseInt(args[0]) : 500_000;
    if (args.length == 2) {
      work(Example.connections(), rows, args[1]);
    }
    Example.main("KilledAndResumed", database -> run(database, rows));
  }

  private static void work(ConnectionFactory connections, int rows, String name)
      throws IOException {
    PostgresRunStore store = PostgresRunStore.create(connections);
    Runner runner = Runner.create(store, o -> o.owner(name).lease(LEASE));
    runner.start(kind(connections, rows, name)).block();
    Example.node(runner);
  }

  /** Each row tells how often it was done, and by whom. */
  private static RunKind kind(ConnectionFactory connections, int rows, String process) {
    return Backfill.over(
            "count-up",
            CursorBasedRepository.create(
                connections, Keyset.table("numbers"), row -> row.get(0, Long.class)))
        .batchSize(Math.max(1, rows / 500))
        .consumers(2)
        .execute(
            range ->
                "UPDATE numbers SET n = n + 1, done_by = done_by || '%s ' WHERE %s"
                    .formatted(process, range));
  }

  static Result run(TestDatabase database, int rows) throws IOException {
    System.out.printf("%,d rows are counted up; the process that does it is killed.%n%n", rows);
    database.execute(
        "CREATE TABLE numbers (id bigint PRIMARY KEY, n int NOT NULL DEFAULT 0,"
            + " done_by text NOT NULL DEFAULT '')",
        "INSERT INTO numbers (id) SELECT generate_series(1, %d)".formatted(rows),
        "VACUUM ANALYZE numbers");
    ConnectionFactory pool = Example.pool(database, 3);
    PostgresRunStore store = PostgresRunStore.create(pool);
    store.migrate().block();
    RunHandle run = Example.created(store, kind(pool, rows, "nobody"));

    Stopwatch time = Stopwatch.start();
    Run atKill;
    Run ended;
    double ready;
    double takeover;
    Process first = Example.start(KilledAndResumed.class, database, "" + rows, "first");
    Process second = first;
    try (RunWatch watch = new RunWatch(run, rows)) {
      watch.say("The first process:");
      atKill = watch.until(now -> now.rows() >= rows * 2L / 5);
      first.destroyForcibly();
      Stopwatch killed = Stopwatch.start();
      watch.say("It is killed with kill -9, and the program is started again:");
      second = Example.start(KilledAndResumed.class, database, "" + rows, "second");
      second.inputReader().readLine();
      ready = killed.seconds();
      run.events().filter(event -> event.type() == RunEvent.Type.TAKEN_OVER).blockFirst();
      takeover = killed.seconds();
      ended = watch.end();
    } finally {
      first.destroyForcibly();
      second.destroyForcibly();
    }
    System.out.printf("The log of the run:%n");
    RunWatch.print(run.events());

    long once = database.count("SELECT count(*) FROM numbers WHERE n = 1");
    long before = database.count("SELECT count(*) FROM numbers WHERE done_by = 'first '");
    long after = database.count("SELECT count(*) FROM numbers WHERE done_by = 'second '");
    System.out.printf(
        "%nWhen it was killed %,d rows were done, and %d batches in flight.%n",
        atKill.rows(), atKill.inFlight());
    System.out.printf(
        "After %.1f s the second process was there, after %.1f s it had taken one over; the lease"
            + " is %d s.%n",
        ready, takeover, LEASE.toSeconds());
    System.out.printf(
        "Done by the first process: %,d rows, by the second: %,d; by both: %,d, by none: %,d.%n",
        before, after, database.count("SELECT count(*) FROM numbers WHERE n > 1"), rows - once);
    return new Result(
        "KilledAndResumed",
        "rows=%d once=%d before=%d after=%d takeover=%.1fs seconds=%.1f"
            .formatted(ended.rows(), once, before, after, takeover, time.seconds()),
        ended.state() == RunState.SUCCEEDED
            && ended.rows() == rows
            && once == rows
            && before >= atKill.rows()
            && after > 0
            && before + after == rows);
  }
}
