package io.github.cursorstream.r2dbc.backfill;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.github.cursorstream.r2dbc.keyset.CleanDatabase;
import io.github.cursorstream.run.RunEvent;
import io.github.cursorstream.run.RunHandle;
import io.github.cursorstream.run.RunState;
import io.github.cursorstream.run.Runner;
import java.time.Duration;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.BooleanSupplier;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import reactor.core.publisher.Mono;

/** How long it takes until something is felt. */
@Timeout(60)
class ReactionIT extends Nodes {

  @RegisterExtension static final CleanDatabase clean = new CleanDatabase();

  private static final Duration BATCH = Duration.ofMillis(100);

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
                            .then(Mono.never())));
    await().atMost(SOON).until(() -> now(run).inFlight() == 1);
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
