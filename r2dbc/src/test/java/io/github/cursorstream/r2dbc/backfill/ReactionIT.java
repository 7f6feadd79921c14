package io.github.cursorstream.r2dbc.backfill;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.github.cursorstream.r2dbc.keyset.CleanDatabase;
import io.github.cursorstream.run.Run;
import io.github.cursorstream.run.RunEvent;
import io.github.cursorstream.run.RunHandle;
import io.github.cursorstream.run.RunState;
import io.github.cursorstream.run.Runner;
import io.github.cursorstream.run.Verb;
import io.r2dbc.postgresql.PostgresqlConnectionFactory;
import java.time.Duration;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.BooleanSupplier;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import reactor.core.publisher.Flux;
import reactor.core.publisher.Mono;

/** How long it takes until something is felt. */
@Timeout(60)
class ReactionIT extends Nodes {

  @RegisterExtension static final CleanDatabase clean = new CleanDatabase();

  private static final Duration BATCH = Duration.ofMillis(100);

  /** 100 ms where nothing else runs; a machine that is busy with other tests may be late. */
  private static final Duration FELT = Duration.ofSeconds(2);

  ReactionIT() {
    super(clean);
  }

  private static Duration until(long since, BooleanSupplier there) {
    await().atMost(SOON).pollInterval(Duration.ofMillis(5)).until(there::getAsBoolean);
    return Duration.ofNanos(System.nanoTime() - since);
  }

  private static void report(String what, Duration took) {
    System.out.printf("%s: %d ms%n", what, took.toMillis());
  }

  private Backfill<Long> backfill() {
    return over("t").batchSize(1);
  }

  @Test
  void pauseIsFeltBehindTheBatchInFlight() {
    table("t", 1_000);
    RunHandle run = start(backfill().consumers(3).process(batch -> Mono.delay(BATCH)));
    awaitBatches(run, 6);
    long said = System.nanoTime();
    run.pause().block(SOON);
    Duration took = until(said, () -> now(run).state() == RunState.PAUSED);
    report("pause felt, with batches of 100 ms", took);
    assertThat(took).isLessThan(BATCH.plusMillis(200));
    run.change(p -> p.pause(Duration.ofMinutes(1))).then(run.resume()).block(SOON);
    long resumed = now(run).batches();
    await().atMost(SOON).until(() -> now(run).batches() >= resumed + 3);
    // They all rest now, for a minute.
    said = System.nanoTime();
    run.pause().block(SOON);
    took = until(said, () -> now(run).state() == RunState.PAUSED);
    report("pause felt, in the rest between batches", took);
    assertThat(took).isLessThan(Duration.ofMillis(300));
  }

  /** Says or changes something, and reports how long it takes until a batch is done. */
  private void felt(String what, RunHandle run, Mono<?> said) {
    long before = now(run).batches();
    long since = System.nanoTime();
    said.block(SOON);
    Duration took = until(since, () -> now(run).batches() > before);
    report(what + " felt", took);
    assertThat(took).as(what).isLessThan(FELT);
  }

  @Test
  void whatIsSaidIsFeltAtOnceWithoutLooking() {
    table("t", 10_000);
    Runner node = runner(pool, options -> options.poll(Duration.ofMinutes(1)));
    RunHandle run = start(node, backfill().process(batch -> Mono.delay(Duration.ofMillis(5))));
    awaitBatches(run, 1);
    run.pause().block(SOON);
    awaitState(run, RunState.PAUSED);
    felt("resume", run, run.resume());
    run.consumers(0).block(SOON);
    await().atMost(SOON).until(() -> now(run).inFlight() == 0);
    felt("consumers(2)", run, run.consumers(2));
    run.change(p -> p.pause(Duration.ofMinutes(1))).block(SOON);
    AtomicLong batches = new AtomicLong(-1);
    // They rest once those that were in flight when it was said are done.
    await()
        .atMost(SOON)
        .pollInterval(Duration.ofMillis(100))
        .until(() -> batches.getAndSet(now(run).batches()) == batches.get());
    felt("another pace", run, run.change(p -> p.pause(Duration.ZERO)));
    Mono<Run> end = run.onFinish().cache();
    end.subscribe();
    long said = System.nanoTime();
    run.cancel().block(SOON);
    assertThat(end.block(SOON).state()).isEqualTo(RunState.CANCELLED);
    Duration took = Duration.ofNanos(System.nanoTime() - said);
    report("its end felt", took);
    assertThat(took).isLessThan(FELT);
  }

  @Test
  void forcedPauseStopsTheBatchInFlight() {
    table("t", 2);
    AtomicBoolean begun = new AtomicBoolean();
    AtomicBoolean stopped = new AtomicBoolean();
    Runner node = runner(pool, options -> options.poll(Duration.ofMinutes(1)));
    RunHandle run =
        start(
            node,
            backfill()
                .process(
                    batch ->
                        Mono.never()
                            .doOnSubscribe(s -> begun.set(true))
                            .doOnCancel(() -> stopped.set(true))));
    await().atMost(SOON).untilTrue(begun);
    long said = System.nanoTime();
    run.say(Verb.FORCE_PAUSE, null).block(SOON);
    Duration took = until(said, stopped::get);
    report("forced pause felt by the batch in flight", took);
    assertThat(took).isLessThan(FELT);
  }

  @ParameterizedTest
  @ValueSource(booleans = {true, false})
  void forcedCancelEndsTheStatementOnTheServer(boolean inTransaction) {
    table("t", 2);
    String sleep = "SELECT 1 FROM pg_sleep(30)";
    RunHandle run =
        start(
            inTransaction
                ? backfill()
                    .processInTransaction(
                        (connection, batch) ->
                            Flux.from(connection.createStatement(sleep).execute())
                                .concatMap(result -> result.getRowsUpdated()))
                : backfill().execute(range -> "UPDATE t SET n = (" + sleep + ") WHERE " + range));
    await().atMost(SOON).until(() -> sleeping() == 1);
    long said = System.nanoTime();
    assertThat(run.say(Verb.FORCE_CANCEL, "too slow").block(SOON).state())
        .isEqualTo(RunState.CANCELLED);
    Duration took = until(said, () -> sleeping() == 0);
    report("forced cancel felt by the statement in flight", took);
    assertThat(took).isLessThan(FELT);
    assertThat(now(run).inFlight()).isZero();
    assertThat(count("SELECT sum(n) FROM t")).isZero();
  }

  private long sleeping() {
    return count(
        "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND wait_event = 'PgSleep'"
            + " AND datname = current_database()");
  }

  @Test
  void nodeThatHearsNothingLooks() {
    table("t", 50);
    PostgresqlConnectionFactory deaf =
        new PostgresqlConnectionFactory(
            clean.database().configuration().database("postgres").build());
    Runner node = runner(store.listenOn(deaf), options -> options.poll(Duration.ofMillis(200)));
    RunHandle run = start(node, backfill().consumers(2).process(TableBatch::rows));
    assertThat(end(run).state()).isEqualTo(RunState.SUCCEEDED);
  }

  @Test
  void slotOfANodeThatVanishedIsTakenOver() { // M14
    table("t", 50);
    Duration lease = Duration.ofMillis(600);
    var mortal = clean.pool(4);
    AtomicBoolean hangs = new AtomicBoolean();
    Runner first = runner(mortal, options -> options.owner("mortal").lease(lease));
    RunHandle handle =
        start(
            first,
            backfill()
                .processInTransaction(
                    (connection, batch) -> {
                      hangs.set(true);
                      return batch.rows().then(Mono.never());
                    }));
    await().atMost(SOON).untilTrue(hangs);
    Queue<Integer> attempts = new ConcurrentLinkedQueue<>();
    Runner second = runner(pool, options -> options.owner("heir").lease(lease));
    RunHandle run =
        start(
            second,
            backfill()
                .process(
                    batch -> {
                      attempts.add(batch.attempt());
                      return batch.rows();
                    }));
    assertThat(run.id()).isEqualTo(handle.id());
    long vanished = System.nanoTime();
    mortal.dispose();
    Duration took = until(vanished, () -> !attempts.isEmpty());
    report("taken over, with a lease of 600 ms", took);
    assertThat(took).isLessThan(lease.plusSeconds(1));
    assertThat(end(run).state()).isEqualTo(RunState.SUCCEEDED);
    assertThat(attempts.peek()).isEqualTo(2);
    assertThat(
            run.events()
                .filter(e -> e.type() == RunEvent.Type.TAKEN_OVER)
                .map(e -> e.who() + " from " + e.detail())
                .collectList()
                .block(SOON))
        .containsExactly("heir from consumer 1 of mortal");
  }

  @Test
  void shutdownFinishesTheBatchInFlight() {
    table("t", 100);
    Runner runner = runner();
    RunHandle run = start(runner, backfill().consumers(2).process(batch -> Mono.delay(BATCH)));
    awaitBatches(run, 4);
    long said = System.nanoTime();
    runner.shutdown(Duration.ofSeconds(5)).block(SOON);
    Duration took = Duration.ofNanos(System.nanoTime() - said);
    report("shutdown, with batches of 100 ms", took);
    assertThat(took).isLessThan(Duration.ofSeconds(1));
    assertThat(now(run).inFlight()).isZero();
    assertThat(now(run).state()).isEqualTo(RunState.RUNNING);
    long batches = now(run).batches();
    // What was claimed is handed out again at once, and nothing is lost.
    RunHandle again = start(backfill().consumers(2).process(TableBatch::rows));
    assertThat(end(again).batches()).isEqualTo(100).isGreaterThan(batches);
    assertThat(end(again).failures()).isZero();
  }

  @Test
  void shutdownHandsBackWhatTakesTooLong() {
    table("t", 3);
    AtomicBoolean hangs = new AtomicBoolean();
    Runner runner = runner();
    RunHandle run =
        start(
            runner,
            backfill()
                .processInTransaction(
                    (connection, batch) ->
                        batch
                            .rows()
                            .collectList()
                            .flatMapMany(ids -> BackfillIT.Way.update(connection, "t", ids))
                            .then(Mono.never().doOnSubscribe(s -> hangs.set(true)))));
    await().atMost(SOON).untilTrue(hangs);
    long said = System.nanoTime();
    runner.shutdown(Duration.ofMillis(200)).block(SOON);
    Duration took = Duration.ofNanos(System.nanoTime() - said);
    report("shutdown, with a batch that never ends and a patience of 200 ms", took);
    assertThat(took).isBetween(Duration.ofMillis(190), Duration.ofMillis(1_200));
    assertThat(now(run).inFlight()).isZero();
    assertThat(now(run).waiting()).isEqualTo(1);
    RunHandle again = start(backfill().execute(increment("t")));
    assertThat(end(again).state()).isEqualTo(RunState.SUCCEEDED);
    assertThat(notOnce("t")).isZero();
    assertThat(again.events().map(RunEvent::type).collectList().block(SOON))
        .doesNotContain(RunEvent.Type.TAKEN_OVER, RunEvent.Type.BATCH_FAILED);
  }
}
