package io.github.cursorstream.run;

import java.time.Duration;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.UnaryOperator;
import reactor.core.publisher.Mono;
import reactor.util.Logger;
import reactor.util.Loggers;

/**
 * A node that works on runs. It takes slots of those whose kind is registered here, beside any
 * number of other nodes of the same store, from the first {@link #register} on until {@link
 * #shutdown}.
 */
public final class Runner {

  private static final Logger log = Loggers.getLogger(Runner.class);

  private final RunStore store;
  private final RunnerOptions options;
  private final Map<String, RunKind> kinds = new ConcurrentHashMap<>();
  private final Node node;

  private Runner(RunStore store, RunnerOptions options) {
    this.store = store;
    this.options = options;
    this.node = new Node(store, options, kinds);
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
   * @throws IllegalArgumentException if another one has the name already, or if it needs another
   *     store
   * @throws IllegalStateException after {@link #shutdown}
   */
  public Runner register(RunKind kind) {
    if (node.isStopping()) {
      throw new IllegalStateException(
          "a runner that works required but \""
              + options.owner()
              + "\" was shut down; create another");
    }
    kind.check(store);
    RunKind present = kinds.putIfAbsent(kind.name(), kind);
    if (present != null && present != kind) {
      throw new IllegalArgumentException(
          "one kind for each name required but there is another \""
              + kind.name()
              + "\"; keep that one, it can be started again");
    }
    node.begin();
    return this;
  }

  /**
   * Registers a kind and creates its run, unless one of its name is there that has not ended: that
   * one is joined as it is, with its state and its parameters. If the last one has ended, a new one
   * does everything again, after a failure too; {@link RunHandle#retry} goes on instead.
   *
   * @param kind what to do
   * @return cold: subscribe; the run, in hand. To cancel it does not stop the run
   */
  public Mono<RunHandle> start(RunKind kind) {
    return Mono.defer(
        () -> {
          register(kind);
          return store.create(kind.newRun(), options.owner()).map(run -> handle(run.id()));
        });
  }

  /**
   * Registers a kind and creates its run, which waits for {@link Verb#START}; one of its name that
   * has not ended is joined as it is, waiting or not.
   *
   * @param kind what to do
   * @return cold: subscribe; the run, in hand
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
   * another run, the log says so. One that it joined, and that is held or paused, it waits for
   * until somebody lets it go on.
   *
   * @param kind what to do
   * @return cold: subscribe; the run, succeeded; an error with its last failure if it ends in
   *     another way
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
    return node.shutdown(patience);
  }
}
