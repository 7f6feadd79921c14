package io.github.cursorstream.run;

import java.time.Duration;
import java.util.Objects;

/**
 * A range to be done again, or what is left of one.
 *
 * @param range all or a part of what was held
 * @param attempts how often it has been begun so far
 * @param after how long it waits
 */
public record Again(Range range, int attempts, Duration after) {

  /**
   * Checks for nulls.
   *
   * @param range all or a part of what was held
   * @param attempts how often it has been begun so far
   * @param after how long it waits
   */
  public Again {
    Objects.requireNonNull(range, "range");
    Objects.requireNonNull(after, "after");
  }
}
