package io.github.cursorstream.backfill;

import io.github.cursorstream.run.NewRun;
import io.github.cursorstream.run.RunParameters;
import java.util.Objects;
import java.util.function.BiConsumer;

/**
 * What every backfill can be told, whatever it walks. An option is a component here and a method of
 * {@link AbstractBackfill}. Not API.
 *
 * @param run what is created when it is started; its name is the kind's too
 * @param onError told of each failed attempt
 * @param <B> what the work is given
 */
public record BackfillOptions<B>(NewRun run, BiConsumer<? super B, ? super Throwable> onError) {

  /**
   * Checks for nulls.
   *
   * @param run what is created when it is started; its name is the kind's too
   * @param onError told of each failed attempt
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
        new NewRun(name, name, "", RunParameters.DEFAULTS, false), (batch, failure) -> {});
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
    return new BackfillOptions<>(other, onError);
  }

  BackfillOptions<B> onError(BiConsumer<? super B, ? super Throwable> other) {
    return new BackfillOptions<>(run, other);
  }
}
