package io.github.cursorstream.run;

import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * A piece of a run's work: what lies behind one position, up to another. Positions are opaque here;
 * only the run's kind can read them.
 *
 * @param after exclusive; null for the beginning
 * @param upTo inclusive
 */
public record Range(@Nullable String after, String upTo) {

  /**
   * Checks for nulls.
   *
   * @param after exclusive; null for the beginning
   * @param upTo inclusive
   */
  public Range {
    Objects.requireNonNull(upTo, "upTo");
  }

  /**
   * Whether there is nothing in it. It is handed out when everything is done, for the run's {@link
   * Conclusion}.
   *
   * @return true if it ends where it begins
   */
  public boolean isEmpty() {
    return upTo.equals(after);
  }
}
