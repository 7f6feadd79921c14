package io.github.cursorstream.run;

import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.UnaryOperator;
import reactor.core.Disposable;
import reactor.core.Disposables;
import reactor.core.publisher.Flux;
import reactor.core.publisher.Mono;
import reactor.core.publisher.Sinks;
import reactor.util.Logger;
import reactor.util.Loggers;

/**
 * A node that works on runs. It takes slots of those whose kind is registered here, beside any
 * number of other nodes of the same store, from the first {@link #register} on until {@link
 * #shutdown}.
 */
public final class Runner {

  private static final Logger log = Loggers.getLogger(Runner.class);

  /** What has ended is looked for so often, or ten times while it is kept. */
  private static final Duration TIDY = Duration.ofHours(1);

  private final RunStore store;
  private final RunnerOptions options;
  private final Map<String, RunKind> kinds = new ConcurrentHashMap<>();
  private final Set<Consumer> consumers = ConcurrentHashMap.newKeySet();
  private final Set<Long> opening = ConcurrentHashMap.newKeySet();
  private final Teller teller;
  private final AtomicBoolean begun = new AtomicBoolean();
  private final Disposable.Composite openings = Disposables.composite();
  private final Sinks.Empty<Void> stop = Sinks.empty();
  private final Sinks.Empty<Void> looked = Sinks.empty();

  /** What the store hints at, for this node's consumers too, until the last of them has ended. */
  private final Sinks.Many<Long> changes = Sinks.many().multicast().directBestEffort();

  private volatile boolean stopping;
  private volatile boolean answered = true;
  private volatile Disposable loop = () -> {};
  private volatile Disposable listening = () -> {};

  private Runner(RunStore store, RunnerOptions options) {
    this.store = store;
    this.options = options;
    this.teller = new Teller(store, kinds, options);
  }

  /**
   * A node with default options.
   *
   * @param store which runs
   * @return a runner that does nothing yet
   */
  public static Runner create(RunStore store) {
    return create(store, options -> options);
  }

  /**
   * A node.
   *
   * @param store which runs
   * @param options from the defaults
   * @return a runner that does nothing yet
   * @throws IllegalArgumentException if the store has too few connections for that many consumers
   */
  public static Runner create(RunStore store, UnaryOperator<RunnerOptions> options) {
    int most = store.maxConsumers();
    RunnerOptions chosen = options.apply(RunnerOptions.defaults(most));
    if (chosen.maxConsumers() > most) {
      throw new IllegalArgumentException(
          "maxConsumers <= "
              + most
              + " required, one less than the pool of the store has connections, but it was "
              + chosen.maxConsumers()
              + "; enlarge the pool");
    }
    return new Runner(store, chosen);
  }

  /**
   * Lets this node work on runs of a kind.
   *
   * @param kind its code
   * @return this runner
   * @throws IllegalArgumentException if another one has the name already
   */
  public Runner register(RunKind kind) {
    RunKind present = kinds.putIfAbsent(kind.name(), kind);
    if (present != null && present != kind) {
      throw new IllegalArgumentException(
          "one kind for each name required but there is another \"" + kind.name() + "\"");
    }
    if (begun.compareAndSet(false, true)) {
      // A life-cycle edge: from here on this node works until it is shut down.
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
    return this;
  }

  /**
   * Registers a kind and creates its run, unless it is there and has not ended.
   *
   * @param kind what to do
   * @return the run, in hand
   */
  public Mono<RunHandle> start(RunKind kind) {
    return Mono.defer(
        () -> {
          register(kind);
          return store.create(kind.newRun(), options.owner()).map(run -> handle(run.id()));
        });
  }

  /**
   * Registers a kind and creates its run, which waits for {@link Verb#START}.
   *
   * @param kind what to do
   * @return the run, in hand
   */
  public Mono<RunHandle> enqueueHeld(RunKind kind) {
    return Mono.defer(
        () -> {
          register(kind);
          NewRun held = kind.newRun().held(true);
          return store.create(held, options.owner()).map(run -> handle(run.id()));
        });
  }

  /**
   * Starts a run and waits for its end: for tests, scripts and deployments. While it waits for
   * another run, the log says so.
   *
   * @param kind what to do
   * @return the run, succeeded; an error with its last failure if it ends in another way
   */
  public Mono<Run> runToEnd(RunKind kind) {
    return start(kind)
        .flatMap(run -> opened(kind, run).then(run.onFinish()))
        .flatMap(this::succeeded);
  }

  /** Tells what a run waits for, whenever that changes, until it waits for nothing. */
  private Mono<Void> opened(RunKind kind, RunHandle run) {
    return run.waitsFor()
        .defaultIfEmpty("")
        .repeatWhen(turns -> turns.delayElements(options.poll()))
        .takeUntil(String::isEmpty)
        .distinctUntilChanged()
        .filter(reason -> !reason.isEmpty())
        .doOnNext(reason -> log.info("run {} is not begun: {}", kind.name(), reason))
        .then();
  }

  /**
   * Makes sure that the newest run of a name has succeeded: for deployments that rely on it.
   *
   * @param name of a run
   * @return the run; an error that tells what is missing
   */
  public Mono<Run> ensureSucceeded(String name) {
    return store
        .latest(name)
        .switchIfEmpty(
            Mono.error(
                () ->
                    new IllegalStateException(
                        "a succeeded run \"" + name + "\" required but there is none")))
        .flatMap(this::succeeded);
  }

  private Mono<Run> succeeded(Run run) {
    if (run.state() == RunState.SUCCEEDED) {
      return Mono.just(run);
    }
    String rule = "a succeeded run \"" + run.name() + "\" required but run " + run.summary();
    return handle(run.id())
        .waitsFor()
        .map(reason -> rule + "; " + reason)
        .defaultIfEmpty(rule)
        .flatMap(message -> Mono.error(new IllegalStateException(message)));
  }

  /**
   * A run in hand.
   *
   * @param id its number
   * @return a handle, whether there is such a run or not
   */
  public RunHandle handle(long id) {
    return new RunHandle(store, kinds, id, options.owner(), options.poll());
  }

  /**
   * Takes no more work, finishes what this node holds, and tells hooks what there is to tell. What
   * takes longer than the patience is handed back: its transaction is rolled back, and other nodes
   * do it.
   *
   * @param patience how long batches may take
   * @return done, when this node holds nothing
   */
  public Mono<Void> shutdown(Duration patience) {
    return Mono.defer(
        () -> {
          stopping = true;
          stop.tryEmitEmpty();
          openings.dispose();
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
                openings.add(open(run).doFinally(signal -> opening.remove(run.id())).subscribe());
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
