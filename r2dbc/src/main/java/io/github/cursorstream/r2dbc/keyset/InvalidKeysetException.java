package io.github.cursorstream.r2dbc.keyset;

/**
 * A {@link Keyset} that cannot be walked: an unknown table or column, an order that is not proven
 * to be unique, a key type without a total text form. No page was read.
 */
public final class InvalidKeysetException extends IllegalArgumentException {

  /**
   * Creates one.
   *
   * @param message the rule, the value, and the cure
   */
  public InvalidKeysetException(String message) {
    super(message);
  }
}
