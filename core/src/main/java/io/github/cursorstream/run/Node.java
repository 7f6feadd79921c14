package io.github.cursorstream.run;

import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicBoolean;
import reactor.core.Disposable;
import reactor.core.publisher.Flux;
import reactor.core.publisher.Mono;
import reactor.core.publisher.Sinks;
import reactor.util.Logger;
import reactor.util.Loggers;

/**
 * What a {@link Runner} does by itself: looks for work, opens runs, takes slots, tells hooks,
 * tidies up.
 */
final class Node {

  private static final Logger log = Loggers.getLogger(Runner.class);

  /** What has ended is looked for so often, or ten times while it is kept. */
  private static final Duration TIDY = Duration.ofHours(1);

  private final RunStore store;
  private final RunnerOptions options;
  private final Map<String, RunKind> kinds;
  private final Set<Consumer> consumers = ConcurrentHashMap.newKeySet();
  private final Set<Long> opening = ConcurrentHashMap.newKeySet();
  private final Teller teller;
  private final AtomicBoolean begun = new AtomicBoolean();
  private final Sinks.Empty<Void> stop = Sinks.empty();
  private final Sinks.Empty<Void> looked = Sinks.empty();

  /** What the store hints at, for the consumers too, until the last of them has ended. */
  private final Sinks.Many<Long> changes = Sinks.many().multicast().directBestEffort();

  private volatile boolean stopping;
  private volatile boolean answered = true;
  private volatile Disposable loop = () -> {};
  private volatile Disposable listening = () -> {};

  /**
   * @param kinds whose code is here; more may come
   */
  Node(RunStore store, RunnerOptions options, Map<String, RunKind> kinds) {
    this.store = store;
    this.options = options;
    this.kinds = kinds;
    this.teller = new Teller(store, kinds, options);
  }

  /** A life-cycle edge: from here on it works until it is shut down. */
  void begin() {
    if (!begun.compareAndSet(false, true)) {
      return;
    }
    Duration retention = options.retention();
    if (retention != null) {
      tidying(retention).takeUntilOther(stop.asMono()).subscribe();
    }
    listening =
        store
            .changes()
            .subscribe(changes::tryEmitNext, e -> log.warn("changes are not heard of", e));
    loop =
        Turns.of(changes.asFlux(), shorter(options.poll(), options.lease().dividedBy(3)))
            .takeUntilOther(stop.asMono())
            .concatMap(turn -> look().onErrorResume(this::logged), 0)
            .doFinally(signal -> looked.tryEmitEmpty())
            .subscribe();
  }

  /** Whether it takes no more work, for ever. */
  boolean isStopping() {
    return stopping;
  }

  /** Completes when it holds nothing. */
  Mono<Void> shutdown(Duration patience) {
    return Mono.defer(
        () -> {
          stopping = true;
          stop.tryEmitEmpty();
          // Cut off, a look may have taken a slot that nobody works on until its lease runs out.
          Mono<Void> last =
              begun.get()
                  ? looked.asMono().timeout(patience, Mono.fromRunnable(loop::dispose))
                  : Mono.empty();
          // Again, for a slot that it took meanwhile.
          return Mono.when(last.then(left()), stopped(patience))
              .then(stopped(patience))
              .then(teller.finish(patience))
              .doFinally(signal -> listening.dispose());
        });
  }

  private Mono<Void> stopped(Duration patience) {
    return Flux.defer(() -> Flux.fromIterable(List.copyOf(consumers)))
        .flatMap(consumer -> consumer.stop(patience), 256)
        .then();
  }

  /** Makes the store forget, now and then, a little at a time. */
  private Flux<Long> tidying(Duration retention) {
    return Flux.interval(shorter(TIDY, retention.dividedBy(10)))
        .onBackpressureDrop()
        .concatMap(
            tick ->
                store
                    .purge(retention)
                    .repeat()
                    .takeUntil(gone -> gone == 0)
                    .doOnError(e -> log.debug("what ended long ago could not be forgotten", e))
                    .onErrorComplete(),
            0);
  }

  private static Duration shorter(Duration one, Duration other) {
    return one.compareTo(other) < 0 ? one : other;
  }

  private Mono<Void> left() {
    return store
        .leave(options.owner())
        .onErrorResume(
            e -> {
              log.debug("the others will learn when the lease has run out", e);
              return Mono.empty();
            });
  }

  private Mono<Void> look() {
    Set<String> names = Set.copyOf(kinds.keySet());
    return store
        .attend(options.owner(), names, options.maxConsumers(), options.lease())
        .doOnNext(this::handBack)
        .thenMany(store.enqueued(names))
        // Beside everything else: its bounds may have to wait for somebody's transaction.
        .doOnNext(
            run -> {
              if (opening.add(run.id())) {
                open(run)
                    .takeUntilOther(stop.asMono())
                    .doFinally(signal -> opening.remove(run.id()))
                    .subscribe();
              }
            })
        .then(Mono.defer(() -> fill(names)))
        .then(Mono.defer(teller::look))
        .doOnSuccess(done -> answered = true);
  }

  private Mono<Void> logged(Throwable failure) {
    if (answered) { // Once for each time that the store goes away.
      log.warn("looking for work failed, again soon: {}", failure.toString());
    }
    answered = false;
    return Mono.empty();
  }

  private Mono<Run> open(Run run) {
    RunKind kind = Objects.requireNonNull(kinds.get(run.kind()));
    return kind.bounds(run)
        .flatMap(bounds -> store.open(run.id(), bounds.after(), bounds.upTo(), options.owner()))
        .switchIfEmpty(Mono.defer(() -> store.open(run.id(), null, null, options.owner())))
        .onErrorResume(
            e -> {
              boolean forEver = kind.isOfTheRows(e);
              log.warn(
                  "run {} could not be opened{}", run.name(), forEver ? "" : ", again soon", e);
              return forEver
                  ? store
                      .refuse(run.id(), BatchFailure.text(e), options.owner())
                      .onErrorComplete()
                      .then(Mono.empty())
                  : Mono.empty();
            });
  }

  /** One after the other: the node that is to have them may be slow, or take another's. */
  private void handBack(long run) {
    List<Consumer> those = consumers.stream().filter(each -> each.run() == run).toList();
    if (those.stream().noneMatch(Consumer::isStopping)) {
      those.stream().findAny().ifPresent(Consumer::stop);
    }
  }

  /** Takes slots while there are some and this node has room. */
  private Mono<Void> fill(Set<String> names) {
    if (stopping || consumers.size() >= options.maxConsumers()) {
      return Mono.empty();
    }
    return store
        .take(options.owner(), names, options.lease())
        .flatMap(
            lease -> {
              if (stopping) {
                return store.release(lease);
              }
              work(lease);
              return fill(names);
            });
  }

  private void work(Lease lease) {
    RunKind kind = Objects.requireNonNull(kinds.get(lease.run().kind()));
    Consumer consumer = new Consumer(store, kind, options, lease, changes.asFlux());
    consumers.add(consumer);
    consumer.start(() -> consumers.remove(consumer));
  }
}
