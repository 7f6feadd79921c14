package io.github.cursorstream.run;

import java.time.Instant;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * A row that kept failing and was put aside.
 *
 * @param run whose
 * @param range exactly this row
 * @param row what it held, as JSON; null if it could not be read
 * @param error why
 * @param attempts how often its batch was tried
 * @param at when, by the store's clock; null until it is stored
 */
public record DeadLetter(
    long run, Range range, @Nullable String row, String error, int attempts, @Nullable Instant at) {

  /**
   * Checks for nulls.
   *
   * @param run whose
   * @param range exactly this row
   * @param row what it held, as JSON; null if it could not be read
   * @param error why
   * @param attempts how often its batch was tried
   * @param at when, by the store's clock; null until it is stored
   */
  public DeadLetter {
    Objects.requireNonNull(range, "range");
    Objects.requireNonNull(error, "error");
  }
}
