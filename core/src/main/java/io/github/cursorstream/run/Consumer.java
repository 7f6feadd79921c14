package io.github.cursorstream.run;

import io.github.cursorstream.run.BatchFailure.Again;
import java.time.Duration;
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

  /** How many ends are looked for at a time. More would make changed batch sizes waste more. */
  private static final int ENDS = 16;

  /**
   * How much oftener than a batch that fails by itself one is tried whose connection broke: the
   * database may restart, but a batch that breaks it must not circulate for ever.
   */
  private static final int PATIENCE = 10;

  private final RunStore store;
  private final RunKind kind;
  private final RunnerOptions options;
  private final Scheduler time = Schedulers.parallel();
  private final Sinks.Empty<Void> ended = Sinks.empty();

  private volatile @Nullable Lease lease;
  private volatile boolean stopping;
  private volatile Disposable running = () -> {};
  private boolean workedBefore;
  private long begun;
  private long done;

  Consumer(RunStore store, RunKind kind, RunnerOptions options) {
    this.store = store;
    this.kind = kind;
    this.options = options;
  }

  /** A life-cycle edge: goes on by itself until {@code atEnd}. */
  void start(Lease taken, Runnable atEnd) {
    lease = taken;
    running =
        Mono.defer(this::step)
            .repeat(() -> lease != null)
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

  /** Ends behind the batch in flight, or without it if it takes too long. */
  Mono<Void> stop(Duration patience) {
    stopping = true;
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

  /** One batch, or what has to come before it. */
  private Mono<Void> step() {
    Lease held = Objects.requireNonNull(lease);
    Mono<Lease> next;
    if (stopping) {
      next = given(held);
    } else if (held.range() == null) {
      next = mayGoOn(held) && held.run().hasMore() ? claim(held) : given(held);
    } else if (workedBefore && rest(held) > 0) {
      next = resting(held);
    } else {
      next = batch(held);
    }
    return next.onErrorResume(
            LostLeaseException.class,
            e -> Mono.<Lease>empty().doOnTerminate(() -> log.debug(e.toString())))
        .singleOptional()
        .doOnNext(found -> lease = found.orElse(null))
        .then();
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
                store.fail(
                    held,
                    new BatchFailure(BatchFailure.text(e), List.of(), null, true),
                    options.lease()));
  }

  private Mono<Void> extended(Run run) {
    return kind.ends(run, ENDS).flatMap(ends -> store.extend(run.id(), run.tail(), ends));
  }

  /** How many milliseconds are left of the rest before this batch. */
  private long rest(Lease held) {
    Duration rest = kind.rest(held.run(), Duration.ofMillis(done - begun));
    return rest.toMillis() - (time.now(TimeUnit.MILLISECONDS) - done);
  }

  /** Rests a little and looks again: a pause or another pace is felt at once. */
  private Mono<Lease> resting(Lease held) {
    return Mono.delay(Duration.ofMillis(Math.min(rest(held), options.poll().toMillis())), time)
        .then(Mono.zip(store.renew(held, options.lease()), store.find(held.run().id())))
        .flatMap(
            now -> {
              Lease seen = withRun(held, now.getT2());
              return now.getT1() && mayGoOn(seen) ? Mono.just(seen) : given(held);
            });
  }

  private static Lease withRun(Lease lease, Run run) {
    return new Lease(
        run, lease.number(), lease.epoch(), lease.serial(), lease.range(), lease.attempt());
  }

  private Mono<Lease> batch(Lease held) {
    begun = time.now(TimeUnit.MILLISECONDS);
    workedBefore = true;
    int most = held.run().parameters().attempts() * PATIENCE;
    Mono<Lease> work =
        held.attempt() > most
            ? Mono.error(
                new IllegalStateException(
                    "a node that lives until the batch is done required but "
                        + (held.attempt() - 1)
                        + " attempts were not finished"))
            : kind.work(store, held, options.lease());
    return work.takeUntilOther(lost(held))
        .switchIfEmpty(Mono.error(() -> new LostLeaseException(held)))
        .doOnNext(next -> done = time.now(TimeUnit.MILLISECONDS))
        .onErrorResume(e -> e instanceof LostLeaseException ? Mono.error(e) : failed(held, e))
        .transform(batch -> lookingAhead(held, batch));
  }

  /** Completes when a sign of life says that the slot is not ours any more. */
  private Mono<Boolean> lost(Lease held) {
    return Flux.interval(options.lease().dividedBy(3), time)
        .onBackpressureDrop()
        .concatMap(
            tick ->
                store
                    .renew(held, options.lease())
                    // No answer is no news: the lease may well be ours.
                    .onErrorReturn(true),
            1)
        .filter(ours -> !ours)
        .next();
  }

  /** Looks for further ends while the batch is being worked on, if they run short. */
  private Mono<Lease> lookingAhead(Lease held, Mono<Lease> batch) {
    Run run = held.run();
    boolean due =
        run.state() == RunState.RUNNING
            && run.hasMore()
            && run.ahead() <= run.parameters().consumers();
    if (!due) {
      return batch;
    }
    Mono<Lease> ahead =
        extended(run)
            .onErrorResume(
                e -> {
                  log.debug("looking ahead in run {} failed: {}", run.name(), e.toString());
                  return Mono.empty();
                })
            .then(Mono.empty());
    return Flux.merge(ahead, batch).last();
  }

  private Mono<Lease> failed(Lease held, Throwable failure) {
    try {
      kind.failed(held, failure);
    } catch (RuntimeException e) {
      log.warn("the handler of failures failed itself", e);
    }
    return verdict(held, failure)
        .flatMap(verdict -> store.fail(held, verdict, options.lease()))
        .doOnNext(next -> done = time.now(TimeUnit.MILLISECONDS));
  }

  /** Again, in halves, or put aside. */
  private Mono<BatchFailure> verdict(Lease held, Throwable failure) {
    RunParameters parameters = held.run().parameters();
    Range range = Objects.requireNonNull(held.range());
    String error = BatchFailure.text(failure);
    if (kind.isFatal(failure)) {
      Again kept = new Again(range, held.attempt() - 1, Duration.ZERO);
      return Mono.just(new BatchFailure(error, List.of(kept), null, true));
    }
    boolean tooLong = kind.isTimeout(failure);
    boolean ofTheRows = tooLong || kind.isOfTheRows(failure);
    int attempts = parameters.attempts() * (ofTheRows ? 1 : PATIENCE);
    Again again = new Again(range, held.attempt(), parameters.backoff(held.attempt()));
    BatchFailure whole = new BatchFailure(error, List.of(again), null, false);
    if (held.attempt() < attempts && !tooLong) {
      return Mono.just(whole);
    }
    return kind.middle(held)
        .map(
            middle -> {
              // Too long: each half has all its attempts. Else one each, to find the bad row soon.
              int begun =
                  tooLong ? 0 : Math.min(held.attempt(), parameters.attempts() * PATIENCE) - 1;
              List<Again> halves =
                  List.of(
                      new Again(new Range(range.after(), middle), begun, Duration.ZERO),
                      new Again(new Range(middle, range.upTo()), begun, Duration.ZERO));
              return new BatchFailure(error, halves, null, false);
            })
        .switchIfEmpty(
            Mono.defer(
                () ->
                    held.attempt() < attempts
                        ? Mono.just(whole)
                        : kind.row(held)
                            .map(row -> putAside(held, error, row))
                            .switchIfEmpty(Mono.fromSupplier(() -> putAside(held, error, null)))))
        // Of a table that is gone there are no halves; while the database is away neither.
        .onErrorResume(
            e -> Mono.just(new BatchFailure(error, List.of(again), null, kind.isOfTheRows(e))));
  }

  private static BatchFailure putAside(Lease held, String error, @Nullable String row) {
    Range range = Objects.requireNonNull(held.range());
    return new BatchFailure(
        error,
        List.of(),
        new DeadLetter(held.run().id(), range, row, error, held.attempt(), null),
        false);
  }
}
