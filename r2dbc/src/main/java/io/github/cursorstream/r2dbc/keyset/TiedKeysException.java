package io.github.cursorstream.r2dbc.keyset;

import io.github.cursorstream.cursor.Cursor;

/**
 * Rows of a {@link Keyset#query} share all key values, and a page would end between them: the next
 * page, which starts behind these values, would lose the others. The page was not delivered.
 */
public final class TiedKeysException extends IllegalStateException {

  private final transient Cursor cursor;

  TiedKeysException(Cursor cursor) {
    super(
        "a unique order required but rows on both sides of a page's end have the key "
            + cursor
            + "; add a tie-breaker, such as the key of each joined table, to orderBy");
    this.cursor = cursor;
  }

  /**
   * The key values that more than one row has.
   *
   * @return a cursor of the order
   */
  public Cursor cursor() {
    return cursor;
  }
}
