package io.github.cursorstream.run;

import java.time.Duration;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import reactor.core.publisher.Mono;
import reactor.util.Logger;
import reactor.util.Loggers;

/** Makes a {@link Progress} of each look at a run. Of one subscription; no clock of its own. */
final class ProgressMeter {

  private static final Logger log = Loggers.getLogger(Runner.class);

  private Trend shares = new Trend();
  private Trend rows = new Trend();
  private List<Object> pace = List.of();

  private @Nullable String gate;

  /** The highest that was told since it runs, and of this pass. */
  private double share;

  /** How much of the way is handed out; empty if it is not known. */
  static Mono<Double> handedOut(Run run, @Nullable RunKind kind) {
    if (Objects.equals(run.position(), run.start())) {
      return Mono.just(0.0);
    }
    if (Objects.equals(run.position(), run.upper())) {
      return Mono.just(1.0);
    }
    if (kind == null) {
      return Mono.empty();
    }
    return kind.share(run)
        .onErrorResume(
            e -> {
              log.debug("the share of run {} is not known: {}", run.name(), e.toString());
              return Mono.empty();
            });
  }

  /**
   * A look.
   *
   * @param at when, in nanoseconds of any clock
   * @param handedOut how much of the way; null if it is not known
   */
  Progress look(long at, Run run, @Nullable Double handedOut) {
    if (run.state() == RunState.SUCCEEDED) {
      return new Progress(
          run.state(), 1.0, run.rows(), run.batches(), null, Duration.ZERO, Duration.ZERO);
    }
    if (!Objects.equals(run.gate(), gate)) {
      gate = run.gate(); // Another pass may have begun.
      pace = List.of();
      share = 0;
    }
    RunParameters p = run.parameters();
    boolean working = run.state() == RunState.RUNNING && p.consumers() > 0;
    if (handedOut != null) {
      double done = Math.min(handedOut * completed(run), Math.nextDown(1.0));
      // Of a run that rests somebody may have moved the work.
      share = working ? Math.max(share, done) : done;
    }
    List<Object> now = List.of(working, p.consumers(), p.pause(), p.rowsPerSecond());
    if (!now.equals(pace)) {
      pace = now;
      shares = new Trend();
      rows = new Trend();
    }
    rows.look(at, (double) run.batches(), (double) run.rows());
    Duration atLeast = null;
    Duration atMost = null;
    if (handedOut != null) {
      shares.look(at, share, share);
      if (working && shares.isKnown()) {
        atLeast = seconds((1 - share) / shares.fastest());
        atMost = seconds((1 - share) / shares.slowest());
      }
    }
    return new Progress(
        run.state(),
        handedOut == null ? null : Double.valueOf(share),
        run.rows(),
        run.batches(),
        working && rows.isKnown() ? rows.recent() : null,
        atLeast,
        atMost);
  }

  /** Which part of what is handed out. */
  private static double completed(Run run) {
    double completed = (double) run.batches() + run.deadLetters();
    return completed == 0 ? 0 : completed / (completed + run.inFlight() + run.waiting());
  }

  private static Duration seconds(double seconds) {
    return Duration.ofMillis(Math.round(seconds * 1000));
  }
}
