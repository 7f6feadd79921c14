package io.github.cursorstream.run;

import java.time.Duration;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * What becomes of a batch that failed.
 *
 * @param error class, message and the top of the stack
 * @param again what of it is to be done again
 * @param deadLetter the row that is put aside; null for none
 * @param fatal whether the run fails with it
 */
public record BatchFailure(
    String error, List<Again> again, @Nullable DeadLetter deadLetter, boolean fatal) {

  private static final int FRAMES = 10;

  /**
   * A range to be done again.
   *
   * @param range all or a part of what failed
   * @param attempts how often it has been begun so far
   * @param after how long it waits
   */
  public record Again(Range range, int attempts, Duration after) {

    /**
     * Checks for nulls.
     *
     * @param range all or a part of what failed
     * @param attempts how often it has been begun so far
     * @param after how long it waits
     */
    public Again {
      Objects.requireNonNull(range, "range");
      Objects.requireNonNull(after, "after");
    }
  }

  /**
   * Copies the list.
   *
   * @param error class, message and the top of the stack
   * @param again what of it is to be done again
   * @param deadLetter the row that is put aside; null for none
   * @param fatal whether the run fails with it
   */
  public BatchFailure {
    Objects.requireNonNull(error, "error");
    again = List.copyOf(again);
  }

  /**
   * A failure as it is stored.
   *
   * @param failure what happened
   * @return its class and message, its causes, and the first frames of its stack
   */
  public static String text(Throwable failure) {
    StringBuilder text = new StringBuilder(failure.toString());
    StackTraceElement[] stack = failure.getStackTrace();
    for (int i = 0; i < Math.min(FRAMES, stack.length); i++) {
      text.append("\n  at ").append(stack[i]);
    }
    Throwable cause = failure.getCause();
    for (int depth = 0; cause != null && depth < FRAMES; depth++, cause = cause.getCause()) {
      text.append("\ncaused by ").append(cause);
    }
    return text.toString();
  }
}
