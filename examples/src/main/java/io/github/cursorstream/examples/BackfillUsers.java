package io.github.cursorstream.examples;

import io.github.cursorstream.examples.Example.Result;
import io.github.cursorstream.examples.Example.Stopwatch;
import io.github.cursorstream.r2dbc.backfill.Backfill;
import io.github.cursorstream.r2dbc.keyset.CursorBasedRepository;
import io.github.cursorstream.r2dbc.keyset.Keyset;
import io.github.cursorstream.r2dbc.store.PostgresRunStore;
import io.github.cursorstream.run.Run;
import io.github.cursorstream.run.RunHandle;
import io.github.cursorstream.run.RunKind;
import io.github.cursorstream.run.RunState;
import io.github.cursorstream.run.Runner;
import io.github.cursorstream.testing.TestDatabase;
import io.r2dbc.pool.ConnectionPool;
import java.time.Duration;
import java.util.Objects;

/**
 * A column is filled while the table is in use: consumers are added and taken away, the run is
 * paused and resumed, and in the end every row was done exactly once.
 */
public final class BackfillUsers {

  private final TestDatabase database;
  private final RunHandle run;

  private BackfillUsers(TestDatabase database, RunHandle run) {
    this.database = database;
    this.run = run;
  }

  /** Arguments: rows. */
  public static void main(String[] args) {
    int rows = args.length > 0 ? Integer.parseInt(args[0]) : 1_000_000;
    Example.main("BackfillUsers", database -> run(database, rows));
  }

  static Result run(TestDatabase database, int rows) {
    System.out.printf("A column of %,d users is filled, and the work steered meanwhile.%n%n", rows);
    Tables.createUsers(database, rows);
    database.execute(
        "ALTER TABLE users ADD COLUMN domain text, ADD COLUMN times int NOT NULL DEFAULT 0");
    ConnectionPool pool = Example.pool(database, 6);
    PostgresRunStore store = PostgresRunStore.create(pool);
    store.migrate().block();

    RunKind kind =
        Backfill.over(
                "fill-domain",
                CursorBasedRepository.create(pool, Keyset.table("users"), User.class))
            .batchSize(1000)
            .consumers(1)
            .execute(
                range ->
                    "UPDATE users SET domain = split_part(email, '@', 2), times = times + 1 WHERE "
                        + range);

    Runner runner = Runner.create(store);
    RunHandle run = Objects.requireNonNull(runner.start(kind).block());
    Result result = new BackfillUsers(database, run).steer(rows);
    runner.shutdown(Duration.ofSeconds(5)).block();
    return result;
  }

  private Result steer(int rows) {
    Stopwatch time = Stopwatch.start();
    boolean paused;
    Run ended;
    try (RunWatch watch = new RunWatch(run, rows)) {
      watch.say("One consumer:");
      watch.until(now -> now.rows() >= rows / 5);
      run.consumers(4).block();
      watch.say("Four consumers:");
      watch.until(now -> now.rows() >= rows * 2L / 5);
      run.pause().block();
      Run at = watch.until(now -> now.state() == RunState.PAUSED);
      watch.say("Paused; nothing is held, nothing is written:");
      paused = database.idleInTransaction().isEmpty() && watch.now().rows() == at.rows();
      run.consumers(2).block();
      run.resume().block();
      watch.say("Resumed with two:");
      ended = watch.end();
    }
    long once = database.count("SELECT count(*) FROM users WHERE times = 1 AND domain IS NOT NULL");
    System.out.printf("The log of the run:%n");
    RunWatch.print(run.events());
    System.out.printf("%nRows that were done exactly once: %,d of %,d.%n", once, rows);
    System.out.printf("Rows that the run counted: %,d.%n", ended.rows());
    return new Result(
        "BackfillUsers",
        "rows=%d once=%d batches=%d seconds=%.1f"
            .formatted(ended.rows(), once, ended.batches(), time.seconds()),
        paused && ended.state() == RunState.SUCCEEDED && once == rows && ended.rows() == rows);
  }
}
