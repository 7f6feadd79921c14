package io.github.cursorstream.examples;

import io.github.cursorstream.examples.Example.Result;
import io.github.cursorstream.r2dbc.backfill.Backfill;
import io.github.cursorstream.r2dbc.keyset.CursorBasedRepository;
import io.github.cursorstream.r2dbc.keyset.Keyset;
import io.github.cursorstream.r2dbc.store.PostgresRunStore;
import io.github.cursorstream.run.RunHandle;
import io.github.cursorstream.run.RunKind;
import io.github.cursorstream.run.RunState;
import io.github.cursorstream.run.Runner;
import io.github.cursorstream.testing.TestDatabase;
import io.r2dbc.spi.ConnectionFactory;
import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.function.BooleanSupplier;
import reactor.core.publisher.Flux;
import reactor.core.scheduler.Schedulers;

/**
 * How soon a run reacts: to a pause, a resume, a consumer more, and to the kill -9 of the node that
 * works on it.
 */
public final class ReactionTimes {

  private static final Duration LEASE = Duration.ofSeconds(2);
  private static final Duration BATCH = Duration.ofMillis(50);
  private static final int ROUNDS = 5;

  private final TestDatabase database;
  private final RunHandle run;

  private ReactionTimes(TestDatabase database, RunHandle run) {
    this.database = database;
    this.run = run;
  }

  /** Without arguments; with a name it is a node that works until it is killed. */
  public static void main(String[] args) throws IOException {
    if (args.length == 1) {
      Example.node(node(Example.connections(), args[0]));
    }
    Example.main("ReactionTimes", database -> run(database));
  }

  /** A batch takes 50 ms in the database. */
  private static RunKind kind(ConnectionFactory connections) {
    return Backfill.over(
            "reaction-times",
            CursorBasedRepository.create(
                connections, Keyset.table("numbers"), row -> row.get(0, Long.class)))
        .batchSize(10)
        .execute(
            range ->
                "UPDATE numbers SET n = n + 1 FROM pg_sleep(%s) WHERE "
                        .formatted(BATCH.toMillis() / 1000.0)
                    + range);
  }

  private static Runner node(ConnectionFactory connections, String name) {
    PostgresRunStore store = PostgresRunStore.create(connections);
    return Runner.create(store, o -> o.owner(name).lease(LEASE)).register(kind(connections));
  }

  static Result run(TestDatabase database) throws IOException {
    database.execute(
        "CREATE TABLE numbers (id bigint PRIMARY KEY, n int NOT NULL DEFAULT 0)",
        "INSERT INTO numbers SELECT i FROM generate_series(1, 100000) i",
        "VACUUM ANALYZE numbers");
    ConnectionFactory pool = Example.pool(database, 4);
    PostgresRunStore store = PostgresRunStore.create(pool);
    store.migrate().block();
    Runner operator = Runner.create(store, o -> o.owner("operator").lease(LEASE));
    RunHandle run = Objects.requireNonNull(operator.start(kind(pool)).block());
    return new ReactionTimes(database, run).measure(operator);
  }

  private Result measure(Runner operator) throws IOException {
    List<Double> pauses = new ArrayList<>();
    List<Double> resumes = new ArrayList<>();
    for (int i = 0; i < ROUNDS; i++) {
      await(() -> inFlight() > 0);
      long asked = System.nanoTime();
      run.pause().block();
      await(() -> state() == RunState.PAUSED);
      pauses.add(since(asked));
      asked = System.nanoTime();
      run.resume().block();
      await(() -> inFlight() > 0);
      resumes.add(since(asked));
    }
    double pause = worst(pauses);
    double resume = worst(resumes);
    System.out.printf(
        "A batch takes %d ms, the lease is %d ms.%n%n", BATCH.toMillis(), LEASE.toMillis());
    System.out.printf("Paused, with no batch in flight, at the latest after  %5.0f ms%n", pause);
    System.out.printf("Working again after a resume, at the latest after     %5.0f ms%n", resume);

    operator.shutdown(Duration.ofSeconds(5)).block();
    List<Double> takeovers = new ArrayList<>();
    for (int i = 0; i < 3; i++) {
      takeovers.add(takeover());
    }
    double takeover = worst(takeovers);
    System.out.printf("Its batch elsewhere after a kill -9, at the latest    %5.0f ms%n", takeover);
    run.cancel().block();
    return new Result(
        "ReactionTimes",
        "pause=%.0fms resume=%.0fms takeover=%.0fms".formatted(pause, resume, takeover),
        pause <= 200 + BATCH.toMillis() && takeover <= LEASE.toMillis() + 1000);
  }

  /** From the kill of the only node until another one has taken the slot over. */
  private double takeover() throws IOException {
    Process victim = Example.start(ReactionTimes.class, database, "victim");
    await(() -> "victim".equals(owner()) && inFlight() > 0);
    long events = takeovers();
    Runner heir = node(Example.pool(database, 4), "heir");
    victim.destroyForcibly();
    long killed = System.nanoTime();
    await(() -> takeovers() > events || (inFlight() > 0 && "heir".equals(owner())));
    double taken = since(killed);
    heir.shutdown(Duration.ofSeconds(5)).block();
    return taken;
  }

  private long takeovers() {
    return database.count("SELECT count(*) FROM cursorstream.event WHERE type = 'TAKEN_OVER'");
  }

  private Object owner() {
    return database.query("SELECT owner FROM cursorstream.consumer WHERE number = 1").get(0).get(0);
  }

  private int inFlight() {
    return Objects.requireNonNull(run.run().block()).inFlight();
  }

  private RunState state() {
    return Objects.requireNonNull(run.run().block()).state();
  }

  private static void await(BooleanSupplier condition) {
    Flux.interval(Duration.ofMillis(5))
        .onBackpressureDrop()
        .publishOn(Schedulers.boundedElastic())
        .takeUntil(tick -> condition.getAsBoolean())
        .blockLast(Duration.ofSeconds(60));
  }

  private static double since(long nanoTime) {
    return (System.nanoTime() - nanoTime) / 1e6;
  }

  private static double worst(List<Double> milliseconds) {
    return milliseconds.stream().mapToDouble(Double::doubleValue).max().orElseThrow();
  }
}
