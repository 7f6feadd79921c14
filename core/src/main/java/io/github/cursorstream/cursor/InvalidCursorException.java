package io.github.cursorstream.cursor;

/**
 * A cursor or a token that cannot be used: damaged, forged, made for another order, or with columns
 * that the order does not have. Nothing was read. In an HTTP handler, answer it with 400.
 */
public final class InvalidCursorException extends IllegalArgumentException {

  /**
   * Creates one.
   *
   * @param message the rule, the value, and the cure
   */
  public InvalidCursorException(String message) {
    super(message);
  }
}
