package io.github.cursorstream.r2dbc.backfill;

import io.github.cursorstream.run.Range;
import io.github.cursorstream.run.Remaining;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * Where the work is, once a range of it is skipped, or the walk goes back. Pure functions.
 *
 * @param order of all positions
 * @param from where it is
 */
record Moves(RangeOrder order, Remaining from) {

  /**
   * Skips a range, which lies within the run's bounds.
   *
   * @param again whether the run may begin again: then what was done is to be skipped as well
   */
  Remaining skip(Range range, boolean again) {
    String done = again ? null : from.position();
    List<Range> all = new ArrayList<>(from.skipped());
    all.addAll(order.without(range, done == null ? List.of() : List.of(new Range(null, done))));
    List<Range> skipped = order.union(all);
    List<Range> waiting = new ArrayList<>();
    for (Range each : from.waiting()) {
      // The empty one is no range of keys: it asks for a conclusion.
      waiting.addAll(each.isEmpty() ? List.of(each) : order.without(each, List.of(range)));
    }
    @Nullable String position = from.position();
    int passed = 0;
    for (Range each : skipped) {
      if (!order.isBefore(position, each.after())) {
        position = order.later(position, each.upTo());
        passed++;
      }
    }
    return new Remaining(position, skipped, passed, waiting, from.putAside());
  }

  /** Goes back to a cursor within the run's bounds. */
  Remaining rewind(@Nullable String cursor) {
    List<Range> skipped = before(cursor, from.skipped());
    if (!order.isBefore(cursor, from.position())) {
      return new Remaining(
          from.position(), skipped, from.passed(), from.waiting(), from.putAside());
    }
    List<Range> waiting = before(cursor, from.waiting());
    List<Range> putAside = new ArrayList<>();
    for (Range each : from.putAside()) {
      if (order.isBefore(cursor, each.upTo())) {
        waiting.addAll(before(cursor, List.of(each)));
      } else {
        putAside.add(each);
      }
    }
    return new Remaining(cursor, skipped, skipped.size(), waiting, putAside);
  }

  /** What of the ranges is not gone back over. */
  private List<Range> before(@Nullable String cursor, List<Range> ranges) {
    List<Range> parts = new ArrayList<>();
    for (Range each : ranges) {
      if (order.isBefore(each.after(), cursor)) {
        boolean whole = !order.isBefore(cursor, each.upTo());
        parts.add(whole ? each : new Range(each.after(), Objects.requireNonNull(cursor)));
      }
    }
    return parts;
  }
}
