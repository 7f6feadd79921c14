package io.github.cursorstream.backfill;

import io.github.cursorstream.run.NewRun;
import io.github.cursorstream.run.RunHook;
import io.github.cursorstream.run.RunParameters;
import java.time.Duration;
import java.util.Objects;
import java.util.function.BiConsumer;
import org.jspecify.annotations.Nullable;

/**
 * What every backfill can be told, whatever it walks. An option is a component here and a method of
 * {@link AbstractBackfill}. Not API.
 *
 * @param run what is created when it is started; its name is the kind's too
 * @param onError told of each failed attempt
 * @param afterBatch told of each completed batch; null for nobody
 * @param onEvent told of the run's events; null for nobody
 * @param <B> what the work is given
 */
public record BackfillOptions<B>(
    NewRun run,
    BiConsumer<? super B, ? super Throwable> onError,
    @Nullable BiConsumer<? super B, ? super Duration> afterBatch,
    @Nullable RunHook onEvent) {

  /**
   * Checks for nulls.
   *
   * @param run what is created when it is started; its name is the kind's too
   * @param onError told of each failed attempt
   * @param afterBatch told of each completed batch; null for nobody
   * @param onEvent told of the run's events; null for nobody
   */
  public BackfillOptions {
    Objects.requireNonNull(run, "run");
    Objects.requireNonNull(onError, "onError");
  }

  /**
   * The defaults.
   *
   * @param name of the kind and of its runs; the same on all nodes
   * @param <B> what the work is given
   * @return the parameters' defaults, and nobody is told of failures
   */
  public static <B> BackfillOptions<B> of(String name) {
    return new BackfillOptions<>(
        new NewRun(name, name, "", RunParameters.DEFAULTS, false),
        (batch, failure) -> {},
        null,
        null);
  }

  /**
   * Whose source is asked for a conclusion when everything was done.
   *
   * @return the rest as it was
   */
  public BackfillOptions<B> gated() {
    return run(run.gated(true));
  }

  BackfillOptions<B> run(NewRun other) {
    return new BackfillOptions<>(other, onError, afterBatch, onEvent);
  }

  BackfillOptions<B> onError(BiConsumer<? super B, ? super Throwable> other) {
    return new BackfillOptions<>(run, other, afterBatch, onEvent);
  }

  BackfillOptions<B> afterBatch(BiConsumer<? super B, ? super Duration> other) {
    return new BackfillOptions<>(
        run, onError, Objects.requireNonNull(other, "afterBatch"), onEvent);
  }

  /** Called behind those that there are. */
  BackfillOptions<B> onEvent(RunHook other) {
    return new BackfillOptions<>(
        run.hooked(true), onError, afterBatch, onEvent == null ? other : onEvent.andThen(other));
  }
}
