package io.github.cursorstream.run;

import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import reactor.core.Disposable;
import reactor.core.publisher.Flux;
import reactor.core.publisher.Mono;
import reactor.core.publisher.Sinks;
import reactor.core.scheduler.Scheduler;
import reactor.core.scheduler.Schedulers;
import reactor.util.Logger;
import reactor.util.Loggers;

/** Works on one slot, batch after batch, until there is nothing to do for it. */
final class Consumer {

  private static final Logger log = Loggers.getLogger(Runner.class);

  /** So many ends are looked for at a time, at least. */
  private static final int FEW_ENDS = 16;

  /** And at most. */
  private static final int MANY_ENDS = 64;

  /** For so many milliseconds: another batch size throws away what was found. */
  private static final long LASTING = 200;

  /** How many milliseconds a connection is kept from others who may want one of the pool. */
  private static final long SESSION = 100;

  private final RunStore store;
  private final RunKind kind;
  private final RunnerOptions options;
  private final Lease taken;
  private final Flux<Long> hints;
  private final Scheduler time = Schedulers.parallel();
  private final Sinks.Empty<Void> stop = Sinks.empty();
  private final Sinks.Empty<Void> ended = Sinks.empty();
  private final Sinks.Many<Run> seen = Sinks.many().multicast().directBestEffort();

  private volatile @Nullable Lease lease;
  private volatile boolean stopping;
  private volatile Disposable running = () -> {};
  private boolean workedBefore;
  private long begun;
  private long done;
  private volatile long took = LASTING;

  Consumer(RunStore store, RunKind kind, RunnerOptions options, Lease taken, Flux<Long> changes) {
    this.store = store;
    this.kind = kind;
    this.options = options;
    this.taken = taken;
    this.hints = Turns.about(run(), changes);
    this.lease = taken;
  }

  /** A life-cycle edge: goes on by itself until {@code atEnd}. */
  void start(Runnable atEnd) {
    running =
        Mono.defer(this::step)
            .repeat(() -> lease != null)
            .takeUntilOther(Flux.merge(lost(), lookingAhead()))
            .doFinally(
                signal -> {
                  atEnd.run();
                  ended.tryEmitEmpty();
                })
            .subscribe(
                next -> {},
                e ->
                    // The lease runs out, and somebody goes on from what is stored.
                    log.warn("consumer of run {} ended, to be taken over", taken.run().name(), e));
  }

  long run() {
    return taken.run().id();
  }

  boolean isStopping() {
    return stopping;
  }

  /** Ends behind the batch in flight. */
  void stop() {
    stopping = true;
    stop.tryEmitEmpty();
  }

  /** Ends behind the batch in flight, or without it if it takes too long. */
  Mono<Void> stop(Duration patience) {
    stop();
    return ended
        .asMono()
        .timeout(
            patience,
            Mono.defer(
                () -> {
                  Lease held = lease;
                  running.dispose();
                  return held == null ? Mono.empty() : store.release(held);
                }))
        .onErrorResume(
            e -> {
              log.warn("a slot could not be given back, its lease will run out", e);
              return Mono.empty();
            });
  }

  /** Batches, or what has to come before the next one. */
  private Mono<Void> step() {
    Lease held = held();
    Mono<Lease> next;
    if (stopping) {
      next = given(held);
    } else if (held.range() == null) {
      next = mayGoOn(held) && held.run().hasMore() ? claim(held) : given(held);
    } else if (held.concludes()) {
      next = conclusion(held);
    } else if (rest(held) > 0) {
      next = resting(held);
    } else {
      next = batches();
    }
    return next.onErrorResume(
            LostLeaseException.class,
            e -> Mono.<Lease>empty().doOnTerminate(() -> log.debug(e.toString())))
        .singleOptional()
        .doOnNext(found -> lease = found.orElse(null))
        .then();
  }

  private Lease held() {
    return Objects.requireNonNull(lease);
  }

  private static boolean mayGoOn(Lease held) {
    return held.run().state() == RunState.RUNNING
        && held.number() <= held.run().parameters().consumers();
  }

  /** Nothing to do now: whoever looks for work next will take it again. */
  private Mono<Lease> given(Lease held) {
    return store.release(held).then(Mono.empty());
  }

  private Mono<Lease> claim(Lease held) {
    Mono<Void> found = held.run().ahead() > 0 ? Mono.empty() : extended(held.run());
    return found
        .then(Mono.defer(() -> store.complete(held, 0, options.lease())))
        .onErrorResume(
            e -> !(e instanceof LostLeaseException) && kind.isOfTheRows(e),
            e ->
                // It would fail for everybody, for ever: of a table that is gone, for example.
                recorded(held, new BatchFailure(BatchFailure.text(e), List.of(), null, true), e));
  }

  private int many(Run run) {
    long wanted = LASTING / took * run.parameters().consumers();
    return (int) Math.min(MANY_ENDS, Math.max(FEW_ENDS, wanted));
  }

  private Mono<Void> extended(Run run) {
    return kind.ends(run, many(run)).flatMap(ends -> store.extend(run, ends));
  }

  /**
   * How many milliseconds are left of the rest before this batch; there is none before the first.
   */
  private long rest(Lease held) {
    if (!workedBefore) {
      return 0;
    }
    Duration rest = kind.rest(held.run(), Duration.ofMillis(done - begun));
    return rest.toMillis() - (now() - done);
  }

  /** Rests a little and looks again: a pause or another pace is felt at once. */
  private Mono<Lease> resting(Lease held) {
    return Mono.delay(Duration.ofMillis(Math.min(rest(held), options.poll().toMillis())), time)
        .takeUntilOther(hints)
        .takeUntilOther(stop.asMono())
        .then(store.find(held.run().id()))
        .flatMap(
            run -> {
              Lease seen = held.withRun(run);
              return mayGoOn(seen) ? Mono.just(seen) : given(held);
            });
  }

  /** One batch after the other, over one connection where the work has one. */
  private Mono<Lease> batches() {
    return (kind.means() == RunKind.Means.ANY ? batches(store) : store.session(this::batches))
        .onErrorResume(e -> !(e instanceof LostLeaseException), e -> failed(held(), e));
  }

  private Mono<Lease> batches(RunStore session) {
    long begin = now();
    Pipeline pipeline = new Pipeline(lease -> work(session, lease));
    return Mono.defer(() -> batch(pipeline, held(), now() - begin < SESSION))
        .repeat(() -> pipeline.isAhead() || (now() - begin < SESSION && goesOn(held())))
        .last();
  }

  private boolean goesOn(Lease held) {
    return !stopping && held.range() != null && !held.concludes() && rest(held) <= 0;
  }

  private Mono<Lease> batch(Pipeline pipeline, Lease held, boolean inTime) {
    begun = now();
    workedBefore = true;
    seen.tryEmitNext(held.run());
    return pipeline
        .answer(held, inTime && sendsAhead(held.run()))
        .doOnNext(
            next -> {
              done = now();
              took = Math.max(1, done - begun);
              lease = next;
              told(() -> kind.completed(held, Duration.ofMillis(done - begun)));
            });
  }

  private boolean sendsAhead(Run run) {
    return kind.means() == RunKind.Means.MESSAGE
        && !stopping
        && kind.rest(run, Duration.ZERO).isZero();
  }

  private Mono<Lease> work(RunStore session, Lease held) {
    return held.attempt() > Verdict.mostAttempts(held.run().parameters())
        ? Mono.error(
            new IllegalStateException(
                "a node that lives until the batch is done required but "
                    + (held.attempt() - 1)
                    + " attempts were not finished"))
        : kind.work(session, held, options.lease()).single();
  }

  /** Asks whether that is the end; it may take long, and is given up if the run is paused. */
  private Mono<Lease> conclusion(Lease held) {
    return kind.conclude(store, held.run())
        .flatMap(conclusion -> store.conclude(held, conclusion, options.lease()))
        .doOnNext(
            next -> {
              if (next.run().state() == RunState.FAILED) {
                log.warn("run {} has failed: {}", next.run().name(), next.run().error());
              }
            })
        .takeUntilOther(calledOff(held))
        .switchIfEmpty(Mono.defer(() -> given(held)))
        .onErrorResume(e -> !(e instanceof LostLeaseException), e -> failed(held, e));
  }

  private Flux<Run> calledOff(Lease held) {
    return Flux.interval(options.poll(), time)
        .onBackpressureDrop()
        .concatMap(tick -> store.find(held.run().id()).onErrorComplete(), 1)
        .filter(run -> stopping || !mayGoOn(held.withRun(run)));
  }

  private Mono<Lease> failed(Lease held, Throwable failure) {
    if (!held.concludes()) {
      told(() -> kind.failed(held, failure));
    }
    return Verdict.of(kind, held, failure)
        .flatMap(verdict -> recorded(held, verdict, failure))
        .doOnNext(next -> done = now());
  }

  private Mono<Lease> recorded(Lease held, BatchFailure verdict, Throwable failure) {
    return store
        .fail(held, verdict, options.lease())
        .doOnNext(
            next -> {
              Run run = next.run();
              // With the error that it failed of: what fails behind it is not the reason.
              if (run.state() == RunState.FAILED && verdict.error().equals(run.error())) {
                log.warn("run {} has failed", run.name(), failure);
              } else if (verdict.deadLetter() != null) {
                log.warn("a row of run {} keeps failing: {}", run.name(), failure.toString());
              } else {
                log.debug("a batch of run {} has failed: {}", run.name(), failure.toString());
              }
            });
  }

  private static void told(Runnable handler) {
    try {
      handler.run();
    } catch (RuntimeException e) {
      log.warn("a handler of batches failed itself", e);
    }
  }

  private long now() {
    return time.now(TimeUnit.MILLISECONDS);
  }

  // Beside the work.

  /** Gives signs of life; emits when one says that the slot is not ours any more. */
  private Flux<Boolean> lost() {
    return Flux.merge(Flux.interval(options.lease().dividedBy(3), time), hints)
        .onBackpressureLatest()
        .concatMap(
            tick ->
                store
                    .renew(taken, options.lease())
                    // No answer is no news: the lease may well be ours.
                    .onErrorReturn(true),
            1)
        .filter(ours -> !ours);
  }

  /** Looks for further ends while batches are being worked on, if they run short. Emits nothing. */
  private Flux<Boolean> lookingAhead() {
    return seen.asFlux()
        .onBackpressureLatest()
        .filter(
            run -> run.state() == RunState.RUNNING && run.hasMore() && run.ahead() <= many(run) / 2)
        // One that has been seen before tells of ends that are found by now.
        .distinctUntilChanged(
            run -> Arrays.asList(run.tail(), run.stop(), run.parameters().batchSize()))
        .concatMap(
            run ->
                extended(run)
                    .onErrorResume(
                        e -> {
                          log.debug("looking ahead in {} failed: {}", run.name(), e.toString());
                          return Mono.empty();
                        }),
            1)
        .cast(Boolean.class);
  }
}
