package io.github.cursorstream.run;

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

  /** A run's last error is read with each of its leases. */
  private static final int LONGEST = 2_000;

  /**
   * Copies the list, and replaces what no database takes as text.
   *
   * @param error class, message and the top of the stack
   * @param again what of it is to be done again
   * @param deadLetter the row that is put aside; null for none
   * @param fatal whether the run fails with it
   */
  public BatchFailure {
    error = Objects.requireNonNull(error, "error").replace('\0', '\uFFFD');
    again = List.copyOf(again);
  }

  /**
   * A failure as it is stored.
   *
   * @param failure what happened
   * @return its class and message, at most 2,000 characters of each, its causes, and the first
   *     frames of its stack
   */
  public static String text(Throwable failure) {
    StringBuilder text = new StringBuilder(cut(failure.toString()));
    StackTraceElement[] stack = failure.getStackTrace();
    for (int i = 0; i < Math.min(FRAMES, stack.length); i++) {
      text.append("\n  at ").append(stack[i]);
    }
    Throwable cause = failure.getCause();
    for (int depth = 0; cause != null && depth < FRAMES; depth++, cause = cause.getCause()) {
      text.append("\ncaused by ").append(cut(cause.toString()));
    }
    return text.toString();
  }

  private static String cut(String message) {
    return message.length() <= LONGEST ? message : message.substring(0, LONGEST) + "…";
  }
}
