package io.github.cursorstream.r2dbc.keyset;

import io.github.cursorstream.cursor.Cursor;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * Gathers, from the keys of a range in order, the parts that hold rows which should have been read
 * and were not. A part begins behind the key before it, and ends before the next row that was read.
 */
final class SkippedKeys {

  /**
   * A key of the range.
   *
   * @param values of its columns
   * @param matches whether its row satisfies the filter
   */
  record Key(List<@Nullable String> values, boolean matches) {}

  private final Function<List<@Nullable String>, Cursor> cursor;
  private final Set<List<@Nullable String>> read;
  private final List<KeyRange> parts = new ArrayList<>();

  /** Where the range begins. */
  private final @Nullable Cursor start;

  /** The last key that belongs to no part: made a cursor only if one begins behind it. */
  private @Nullable List<@Nullable String> before;

  /** The last skipped key of the part that is being gathered. */
  private @Nullable List<@Nullable String> last;

  SkippedKeys(
      @Nullable Cursor after,
      Function<List<@Nullable String>, Cursor> cursor,
      Set<List<@Nullable String>> read) {
    this.start = after;
    this.cursor = cursor;
    this.read = read;
  }

  void add(Key key) {
    boolean done = read.contains(key.values());
    if (done) {
      endPart();
    }
    if (key.matches() && !done) {
      last = key.values();
    } else if (last == null) {
      before = key.values();
    }
  }

  List<KeyRange> parts() {
    endPart();
    return parts;
  }

  private void endPart() {
    if (last != null) {
      parts.add(new KeyRange(before == null ? start : cursor.apply(before), cursor.apply(last)));
      last = null;
    }
  }
}
