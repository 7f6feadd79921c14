package io.github.cursorstream.backfill;

import io.github.cursorstream.cursor.Cursor;
import io.github.cursorstream.cursor.Page;
import org.jspecify.annotations.Nullable;

/**
 * A position inside a page, or at its end. It tells all that is needed to fetch that page again,
 * and to see whether it is still the same one.
 *
 * @param start what the page was asked for after; null for the beginning
 * @param size how many items it was asked for
 * @param count how many it had
 * @param offset how many of them are before this position
 * @param end the cursor of the page; null if it was the last one
 */
record PagePosition(@Nullable Cursor start, int size, int count, int offset, @Nullable Cursor end) {

  private static final String SEPARATOR = ".";

  /** The end of a page that nobody asks for again. */
  static PagePosition at(Cursor cursor) {
    return new PagePosition(null, 0, 0, 0, cursor);
  }

  static PagePosition endOf(Page<?> page, @Nullable Cursor start, int size) {
    int count = page.items().size();
    return new PagePosition(start, size, count, count, page.last() ? null : page.cursor());
  }

  static PagePosition parse(String text) {
    String[] parts = text.split("\\" + SEPARATOR, -1);
    return new PagePosition(
        cursor(parts[3]),
        Integer.parseInt(parts[0]),
        Integer.parseInt(parts[1]),
        Integer.parseInt(parts[2]),
        cursor(parts[4]));
  }

  private static @Nullable Cursor cursor(String token) {
    return token.isEmpty() ? null : Cursor.parse(token);
  }

  private static String token(@Nullable Cursor cursor) {
    return cursor == null ? "" : cursor.token();
  }

  String text() {
    return String.join(SEPARATOR, "" + size, "" + count, "" + offset, token(start), token(end));
  }

  PagePosition offset(int other) {
    return new PagePosition(start, size, count, other, end);
  }

  boolean isOnPageOf(PagePosition other) {
    return equals(other.offset(offset));
  }
}
