package io.github.cursorstream.backfill;

import io.github.cursorstream.pace.Pace;
import io.github.cursorstream.run.Conclusion;
import io.github.cursorstream.run.Lease;
import io.github.cursorstream.run.NewRun;
import io.github.cursorstream.run.Range;
import io.github.cursorstream.run.Run;
import io.github.cursorstream.run.RunHook;
import io.github.cursorstream.run.RunKind;
import io.github.cursorstream.run.RunParameters;
import io.github.cursorstream.run.RunStore;
import java.time.Duration;
import java.util.List;
import org.jspecify.annotations.Nullable;
import reactor.core.publisher.Mono;

/** A backfill as runs see it: what to walk, what to do, how fast. */
final class BackfillKind<T, B extends Batch<T>> implements RunKind {

  private final BackfillOptions<B> options;
  private final BatchSource<T, B> source;
  private final AbstractBackfill.Work work;
  private final Class<? extends RunStore> store;
  private final Means means;

  BackfillKind(
      BackfillOptions<B> options,
      BatchSource<T, B> source,
      AbstractBackfill.Work work,
      Class<? extends RunStore> store,
      Means means) {
    this.options = options;
    this.source = source;
    this.work = work;
    this.store = store;
    this.means = means;
  }

  @Override
  public String name() {
    return options.run().kind();
  }

  @Override
  public NewRun newRun() {
    return options.run();
  }

  @Override
  public Mono<Range> bounds(Run run) {
    return source.bounds(run);
  }

  @Override
  public Mono<List<String>> ends(Run run, int count) {
    return source.ends(run, count);
  }

  @Override
  public Means means() {
    return means;
  }

  @Override
  public void check(RunStore other) {
    if (!store.isInstance(other)) {
      throw new IllegalArgumentException(
          "a runner with a %s required, as \"%s\" works in its transactions, but it has a %s; give it such a store, or say process"
              .formatted(store.getSimpleName(), name(), other.getClass().getSimpleName()));
    }
  }

  @Override
  public Mono<Lease> work(RunStore store, Lease lease, Duration time) {
    return work.of(store, lease, time).doOnNext(next -> source.done(lease));
  }

  @Override
  public Mono<Double> share(Run run) {
    return source.share(run);
  }

  @Override
  public Duration rest(Run run, Duration took) {
    RunParameters parameters = run.parameters();
    return new Pace(parameters.pause(), parameters.rowsPerSecond())
        .rest(parameters.batchSize(), parameters.consumers(), took);
  }

  @Override
  public Mono<Conclusion> conclude(RunStore store, Run run) {
    return source.conclude(store, run);
  }

  @Override
  public Mono<String> middle(Lease lease) {
    return source.middle(lease);
  }

  @Override
  public Mono<String> row(Lease lease) {
    return source.row(lease);
  }

  @Override
  public boolean isOfTheRows(Throwable failure) {
    return source.isOfTheRows(failure);
  }

  @Override
  public boolean isTimeout(Throwable failure) {
    return failure instanceof BatchTimeoutException || source.isTimeout(failure);
  }

  @Override
  public boolean isFatal(Throwable failure) {
    return source.isFatal(failure);
  }

  @Override
  public @Nullable RunHook onEvent() {
    return options.onEvent();
  }

  @Override
  public void completed(Lease lease, Duration took) {
    var afterBatch = options.afterBatch();
    if (afterBatch != null) {
      afterBatch.accept(source.batch(lease, source.rows(lease)), took);
    }
  }

  @Override
  public void failed(Lease lease, Throwable failure) {
    options.onError().accept(source.batch(lease, source.rows(lease)), failure);
  }
}
