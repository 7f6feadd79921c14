package io.github.cursorstream.examples;

import io.github.cursorstream.run.Run;
import io.github.cursorstream.run.RunEvent;
import io.github.cursorstream.run.RunHandle;
import java.time.Duration;
import java.util.Objects;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Predicate;
import reactor.core.Disposable;
import reactor.core.publisher.Flux;
import reactor.core.scheduler.Schedulers;

/** A run that is watched: a live line about it, and a wait until it is so far. */
final class RunWatch implements AutoCloseable {

  private final RunHandle run;
  private final AtomicReference<Run> latest;
  private final Disposable watch;
  private final Progress progress;

  /** Watches until it is closed. */
  RunWatch(RunHandle run, long rows) {
    this.run = run;
    this.latest = new AtomicReference<>(now());
    this.watch = states(Duration.ofMillis(100)).subscribe(latest::set);
    this.progress = new Progress(() -> line(Objects.requireNonNull(latest.get()), rows));
  }

  private Flux<Run> states(Duration period) {
    return Flux.interval(period).onBackpressureDrop().concatMap(tick -> run.run());
  }

  private static String line(Run run, long rows) {
    return "%-9s %,9d of %,d rows, %,d batches, %d in flight"
        .formatted(run.state(), run.rows(), rows, run.batches(), run.inFlight());
  }

  /** Prints a line that stays. */
  void say(String text) {
    progress.say(text);
  }

  Run now() {
    return Objects.requireNonNull(run.run().block());
  }

  /** Waits until that is so, or the run has ended. */
  Run until(Predicate<Run> condition) {
    return Objects.requireNonNull(
        states(Duration.ofMillis(20))
            // The condition may ask the database too. One at a time, or it would lag behind.
            .publishOn(Schedulers.boundedElastic(), 1)
            .takeUntil(condition.or(now -> now.state().isEnded()))
            .blockLast());
  }

  /** Waits for its end. */
  Run end() {
    Run ended = until(now -> false);
    latest.set(ended);
    return ended;
  }

  @Override
  public void close() {
    watch.dispose();
    progress.close();
  }

  /** The log of a run, for people to read. */
  static void print(Flux<RunEvent> events) {
    events
        .doOnNext(
            e ->
                System.out.printf(
                    "  %tT  %-10s %s%s%n",
                    e.at().toEpochMilli(),
                    e.type(),
                    e.who(),
                    e.detail() == null ? "" : ": " + e.detail()))
        .blockLast();
  }
}
