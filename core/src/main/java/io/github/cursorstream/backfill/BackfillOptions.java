package io.github.cursorstream.backfill;

import io.github.cursorstream.run.RunParameters;
import java.util.Objects;
import java.util.function.BiConsumer;

/**
 * What every backfill can be told, whatever it walks. An option is a component here and a method of
 * {@link AbstractBackfill}. Not API.
 *
 * @param name of the kind and of its runs
 * @param parameters what a run begins with
 * @param onError told of each failed attempt
 * @param <B> what the work is given
 */
public record BackfillOptions<B>(
    String name, RunParameters parameters, BiConsumer<? super B, ? super Throwable> onError) {

  /**
   * Checks for nulls.
   *
   * @param name of the kind and of its runs
   * @param parameters what a run begins with
   * @param onError told of each failed attempt
   */
  public BackfillOptions {
    Objects.requireNonNull(name, "name");
    Objects.requireNonNull(parameters, "parameters");
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
    return new BackfillOptions<>(name, RunParameters.DEFAULTS, (batch, failure) -> {});
  }

  BackfillOptions<B> parameters(RunParameters other) {
    return new BackfillOptions<>(name, other, onError);
  }

  BackfillOptions<B> onError(BiConsumer<? super B, ? super Throwable> other) {
    return new BackfillOptions<>(name, parameters, other);
  }
}
