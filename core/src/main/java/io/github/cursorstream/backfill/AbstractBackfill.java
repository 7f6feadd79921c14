package io.github.cursorstream.backfill;

import io.github.cursorstream.run.Lease;
import io.github.cursorstream.run.NewRun;
import io.github.cursorstream.run.Run;
import io.github.cursorstream.run.RunEvent;
import io.github.cursorstream.run.RunHook;
import io.github.cursorstream.run.RunKind;
import io.github.cursorstream.run.RunParameters;
import io.github.cursorstream.run.RunStore;
import java.time.Duration;
import java.util.Objects;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.BiConsumer;
import java.util.function.Function;
import java.util.function.UnaryOperator;
import org.reactivestreams.Publisher;
import reactor.core.publisher.Flux;
import reactor.core.publisher.Mono;

/**
 * What all backfills have in common, whatever they walk: the options, and work outside of any
 * transaction. Immutable: each option gives another backfill. Not API: see those that extend it.
 *
 * @param <T> the type of a row
 * @param <B> what the work is given
 * @param <S> the backfill itself
 */
public abstract class AbstractBackfill<T, B extends Batch<T>, S extends AbstractBackfill<T, B, S>> {

  private final BackfillOptions<B> options;

  /**
   * Does what is held, and completes it: both or neither where the work is transactional. As {@link
   * RunKind#work}.
   */
  @FunctionalInterface
  protected interface Work {

    /**
     * One batch.
     *
     * @param store where it is completed
     * @param lease held, with a range
     * @param time for {@link RunStore#complete}
     * @return the lease with its next range
     */
    Mono<Lease> of(RunStore store, Lease lease, Duration time);
  }

  /**
   * A backfill.
   *
   * @param options what was said so far
   */
  protected AbstractBackfill(BackfillOptions<B> options) {
    this.options = options;
  }

  /**
   * The same backfill with other options.
   *
   * @param other what it is told
   * @return a backfill with these
   */
  protected abstract S with(BackfillOptions<B> other);

  /**
   * What it walks, for one kind.
   *
   * @return the source, as it was described so far
   */
  protected abstract BatchSource<T, B> source();

  /**
   * The options that all backfills have.
   *
   * @return what was said so far
   */
  protected final BackfillOptions<B> options() {
    return options;
  }

  /**
   * What can be changed while it runs. Defaults to {@link RunParameters#DEFAULTS}.
   *
   * @param change from what was said so far
   * @return a backfill with these
   */
  public final S parameters(UnaryOperator<RunParameters> change) {
    NewRun run = options.run();
    return with(options.run(run.parameters(change.apply(run.parameters()))));
  }

  /**
   * How many keys a batch covers, whether their rows satisfy a filter or not. Defaults to 1,000.
   *
   * @param keys at least 1
   * @return a backfill with that
   */
  public final S batchSize(int keys) {
    return parameters(parameters -> parameters.batchSize(keys));
  }

  /**
   * How many batches are worked on at a time, over all nodes. Each node takes as many as it has
   * {@linkplain io.github.cursorstream.run.RunnerOptions#maxConsumers room} for, 4 if nothing else
   * is said. Defaults to 1.
   *
   * @param count at least 0
   * @return a backfill with that
   */
  public final S consumers(int count) {
    return parameters(parameters -> parameters.consumers(count));
  }

  /**
   * How long a consumer rests between its batches. Defaults to not at all.
   *
   * @param rest not negative
   * @return a backfill with that
   */
  public final S pauseBetween(Duration rest) {
    return parameters(parameters -> parameters.pause(rest));
  }

  /**
   * How often a batch is tried before its bad row is looked for. Failures that say nothing of its
   * rows allow ten times as many: over pages, that a page could not be fetched again; over a table,
   * a broken connection, a server that restarts, a deadlock, a lock that could not be had, and each
   * {@link java.io.IOException} and {@link java.util.concurrent.TimeoutException} of the work, such
   * as those of a service that it calls. Defaults to 3.
   *
   * @param count at least 1
   * @return a backfill with that
   */
  public final S attempts(int count) {
    return parameters(parameters -> parameters.attempts(count));
  }

  /**
   * How long a failed batch waits, doubled each time. Defaults to 1 s up to 1 min.
   *
   * @param min the first wait
   * @param max the longest
   * @return a backfill with that
   */
  public final S backoff(Duration min, Duration max) {
    return parameters(parameters -> parameters.backoff(min, max));
  }

  /**
   * How many rows that keep failing may be put aside before the run fails. Defaults to 0.
   *
   * @param rows at least 0
   * @return a backfill with that
   */
  public final S deadLetters(int rows) {
    return parameters(parameters -> parameters.deadLetters(rows));
  }

  /**
   * What has to have succeeded before it begins: it waits until the newest run of that name has,
   * whether it is there yet, or has failed and has to be retried. Defaults to nothing.
   *
   * @param name of another run
   * @return a backfill with that
   * @throws IllegalArgumentException if it is this one's
   */
  public final S dependsOn(String name) {
    return with(options.run(options.run().dependsOn(name)));
  }

  /**
   * Told of each failed attempt, on the node that made it. Defaults to nothing.
   *
   * @param handler what it throws is logged
   * @return a backfill with that
   */
  public final S onError(BiConsumer<? super B, ? super Throwable> handler) {
    return with(options.onError(handler));
  }

  /**
   * Told of each batch that was completed, and how long it took: on the node that did it, once it
   * is committed, and at most once, as that node may die in between. It holds up the next batch, so
   * it must not wait for anything. Defaults to nothing.
   *
   * @param handler what it throws is logged
   * @return a backfill with that
   */
  public final S afterBatch(BiConsumer<? super B, ? super Duration> handler) {
    return with(options.afterBatch(handler));
  }

  /**
   * A hook that is told what happens to its runs, whoever makes it happen: all that {@link
   * RunEvent.Type#isTold}, in order, on one of the nodes that have this backfill registered, and
   * <b>at least once</b>. It has as long as the {@linkplain
   * io.github.cursorstream.run.RunnerOptions#lease lease} of the node; longer work is a run of its
   * own, which {@link #dependsOn} this one. If it fails or its node dies, it is called again once
   * that lease is over, three times in all; then the log says {@link RunEvent.Type#HOOK_FAILED},
   * and it is told the next event. The run does not wait for it.
   *
   * <p>Hooks add up: one that was given before is called before, for each event. Runs that were
   * created by a node without hooks are not told. Defaults to nobody.
   *
   * @param hook what it throws is a failure
   * @return a backfill with that
   */
  public final S onEvent(RunHook hook) {
    return with(options.onEvent(Objects.requireNonNull(hook, "hook")));
  }

  /**
   * A hook for one type of events, as {@link #onEvent}: {@link RunEvent.Type#OPENED} when the work
   * begins, {@link RunEvent.Type#PAUSED}, {@link RunEvent.Type#RESUMED}, {@link
   * RunEvent.Type#CANCELLED}, {@link RunEvent.Type#FAILED}, {@link RunEvent.Type#SUCCEEDED}.
   *
   * @param type one that is told
   * @param hook given the run as it is by then; done when what it returns completes
   * @return a backfill with that
   */
  public final S after(RunEvent.Type type, Function<? super Run, ? extends Publisher<?>> hook) {
    Objects.requireNonNull(hook, "hook");
    if (!type.isTold()) {
      throw new IllegalArgumentException(
          "an event that hooks are told required but it was "
              + type
              + "; onError is told of failed attempts");
    }
    return onEvent((run, event) -> event.type() == type ? hook.apply(run) : Mono.empty());
  }

  /**
   * Work outside any transaction, such as calls of a service: each batch is done <b>at least
   * once</b>, again after a failure or the loss of a node, and its rows one by one or in halves if
   * one of them keeps failing. {@link Batch#id()} serves as idempotency key.
   *
   * <p>All of a batch's work has the run's {@linkplain RunParameters#timeout timeout}, 1 min by
   * default; what takes longer is cancelled, and done again in halves. So where each row is a call,
   * batches are small. Work runs wherever its rows arrive, an event loop mostly: what blocks goes
   * to another scheduler. It is cancelled too when the lease is lost, or taken away by a verb that
   * forces.
   *
   * <p>A run counts the rows that the work reads; if it reads none, the sum of the numbers that it
   * emits.
   *
   * @param work of a batch; done when it completes
   * @return for a {@link io.github.cursorstream.run.Runner}
   */
  public RunKind process(Function<? super B, ? extends Publisher<?>> work) {
    Objects.requireNonNull(work, "work");
    BatchSource<T, B> source = source();
    return kind(
        source,
        (store, lease, time) -> {
          Duration timeout = lease.run().parameters().timeout();
          return counted(source.rows(lease), rows -> work.apply(source.batch(lease, rows)))
              .timeout(timeout, Mono.error(() -> new BatchTimeoutException(timeout)))
              .flatMap(rows -> store.complete(lease, rows, time));
        });
  }

  /**
   * The code of this backfill, to be given to a runner.
   *
   * @param source the one that the work reads
   * @param work of a batch
   * @return a kind of runs
   */
  protected final RunKind kind(BatchSource<T, B> source, Work work) {
    return new BackfillKind<>(options, source, work, RunStore.class, RunKind.Means.ANY);
  }

  /**
   * The same, for work of which more is known.
   *
   * @param store what it has to be
   * @param source the one that the work reads
   * @param work of a batch
   * @param means by what it is done
   * @return a kind of runs
   */
  protected final RunKind kind(
      Class<? extends RunStore> store, BatchSource<T, B> source, Work work, RunKind.Means means) {
    return new BackfillKind<>(options, source, work, store, means);
  }

  /**
   * Runs the work, and counts the rows that it reads; if it reads none, the numbers it emits.
   *
   * @param rows of a batch
   * @param work given the rows
   * @param <T> the type of a row
   * @return how many, when the work is done
   */
  protected static <T> Mono<Long> counted(
      Flux<T> rows, Function<? super Flux<T>, ? extends Publisher<?>> work) {
    return Mono.defer(
        () -> {
          AtomicLong read = new AtomicLong();
          return Flux.from(work.apply(rows.doOnNext(row -> read.incrementAndGet())))
              .reduce(0L, (sum, item) -> item instanceof Number n ? sum + n.longValue() : sum)
              .map(sum -> read.get() == 0 ? sum : read.get());
        });
  }
}
