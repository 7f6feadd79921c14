package io.github.cursorstream.cursor;

import java.util.ArrayList;
import java.util.List;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * Some items in order, with the position of the first and of the last of them.
 *
 * @param items the items, none of them null; copied
 * @param start the position of the first item, to go back from; null if the source does not tell
 * @param cursor the position of the last item: the next page starts after it; null only on a last
 *     page that is empty, or whose source does not tell
 * @param last true if nothing was behind this page when it was read; of a page that was read
 *     backwards, if nothing was before it. False means that there may be more: a full page of a
 *     stream does not know
 * @param <T> the type of the items
 */
public record Page<T>(
    List<T> items, @Nullable Cursor start, @Nullable Cursor cursor, boolean last) {

  /**
   * Refuses null items, and a page that leads nowhere: one that is not the last needs a cursor.
   *
   * @param items copied
   * @param start may be null
   * @param cursor null only on a last page
   * @param last whether the stream ends here
   */
  public Page {
    items = List.copyOf(items);
    if (cursor == null && !last) {
      throw new IllegalArgumentException(
          "a cursor required on a page that is not the last but it was null");
    }
  }

  /**
   * A page with more to come, perhaps.
   *
   * @param items the items
   * @param cursor the position of the last of them
   * @param <T> the type of the items
   * @return a page that is not the last
   */
  public static <T> Page<T> of(List<T> items, Cursor cursor) {
    return new Page<>(items, null, cursor, false);
  }

  /**
   * The last page.
   *
   * @param items the items
   * @param cursor the position of the last of them, null if there are none
   * @param <T> the type of the items
   * @return a page that ends its stream without another fetch
   */
  public static <T> Page<T> last(List<T> items, @Nullable Cursor cursor) {
    return new Page<>(items, null, cursor, true);
  }

  /**
   * The same page with other items.
   *
   * @param mapper called once for each item
   * @param <R> the new type
   * @return a page with the same positions
   */
  public <R> Page<R> map(Function<? super T, ? extends R> mapper) {
    List<R> mapped = new ArrayList<>(items.size());
    for (T item : items) {
      mapped.add(mapper.apply(item));
    }
    return new Page<>(mapped, start, cursor, last);
  }
}
