package io.github.cursorstream.backfill;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.cursorstream.run.InMemoryRunStore;
import io.github.cursorstream.run.Run;
import io.github.cursorstream.run.RunHandle;
import io.github.cursorstream.run.RunKind;
import io.github.cursorstream.run.RunState;
import io.github.cursorstream.run.RunStore;
import io.github.cursorstream.run.Runner;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.reactivestreams.Publisher;
import reactor.core.publisher.Mono;
import reactor.test.scheduler.VirtualTimeScheduler;

/** Backfills in memory, on this thread, by a clock that the test moves. */
abstract class VirtualRuns {

  private static final Duration TICK = Duration.ofMillis(10);
  private static final Duration LONG = Duration.ofHours(1);

  VirtualTimeScheduler time;
  RunStore store;
  final List<Runner> runners = new ArrayList<>();

  /** The ids that each batch read, in the order in which they were begun. */
  final List<List<Integer>> batches = new ArrayList<>();

  @BeforeEach
  void stopTheClock() {
    time = VirtualTimeScheduler.getOrSet();
    store = InMemoryRunStore.create();
  }

  @AfterEach
  void startTheClock() {
    runners.forEach(runner -> runner.shutdown(Duration.ZERO).subscribe());
    pass(Duration.ofSeconds(1));
    VirtualTimeScheduler.reset();
  }

  static Backfill<Songs.Song> over(Songs songs) {
    return Backfill.over("transcode", songs);
  }

  /** Keeps what is read. */
  final RunKind collecting(Backfill<Songs.Song> backfill) {
    return backfill.process(this::collect);
  }

  final Mono<List<Integer>> collect(Batch<Songs.Song> batch) {
    return batch.rows().map(Songs.Song::id).collectList().doOnNext(batches::add);
  }

  /** Keeps what is read, and takes some time. */
  final Publisher<?> slowly(Batch<Songs.Song> batch, Duration work) {
    return collect(batch).delayElement(work);
  }

  final Runner node() {
    Runner runner = Runner.create(store, o -> o.maxConsumers(16));
    runners.add(runner);
    return runner;
  }

  final RunHandle start(RunKind kind) {
    return start(node(), kind);
  }

  static RunHandle start(Runner runner, RunKind kind) {
    return Objects.requireNonNull(runner.start(kind).block());
  }

  final void pass(Duration duration) {
    // In steps: what is scheduled by what happens meanwhile happens in its turn.
    for (long ticks = duration.dividedBy(TICK); ticks > 0; ticks--) {
      time.advanceTimeBy(TICK);
    }
  }

  final Run end(RunHandle run) {
    for (long ticks = LONG.dividedBy(TICK); ticks > 0 && !now(run).state().isEnded(); ticks--) {
      time.advanceTimeBy(TICK);
    }
    assertThat(now(run).state().isEnded()).as("%s", now(run)).isTrue();
    return now(run);
  }

  final Run succeeded(RunHandle run) {
    Run end = end(run);
    assertThat(end.state()).as("%s", end.error()).isEqualTo(RunState.SUCCEEDED);
    return end;
  }

  static Run now(RunHandle run) {
    return Objects.requireNonNull(run.run().block());
  }

  final List<Integer> done() {
    return batches.stream().flatMap(List::stream).toList();
  }

  static List<Integer> ids(int from, int to) {
    return IntStream.rangeClosed(from, to).boxed().toList();
  }
}
