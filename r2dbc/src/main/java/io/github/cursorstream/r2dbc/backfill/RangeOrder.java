package io.github.cursorstream.r2dbc.backfill;

import io.github.cursorstream.run.Range;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import reactor.core.publisher.Mono;

/** What can be said of ranges once their positions can be compared. The beginning is null. */
record RangeOrder(Comparator<@Nullable String> comparator) {

  /** Of these positions and all of the ranges', as the database compares them. */
  static Mono<RangeOrder> of(
      TableSource<?> source, Collection<Range> ranges, Collection<@Nullable String> others) {
    Set<@Nullable String> positions = new HashSet<>(others);
    for (Range range : ranges) {
      positions.add(range.after());
      positions.add(range.upTo());
    }
    return source
        .batches()
        .order(positions.stream().filter(Objects::nonNull).toList())
        .map(order -> new RangeOrder(Comparator.nullsFirst(order)));
  }

  boolean isBefore(@Nullable String left, @Nullable String right) {
    return comparator.compare(left, right) < 0;
  }

  @Nullable String later(@Nullable String left, @Nullable String right) {
    return isBefore(left, right) ? right : left;
  }

  boolean holds(Range range, String position) {
    return isBefore(range.after(), position) && !isBefore(range.upTo(), position);
  }

  /** What of a range lies in none of the others, in order. */
  List<Range> without(Range range, Collection<Range> others) {
    List<Range> parts = new ArrayList<>();
    @Nullable String from = range.after();
    for (Range other : inOrder(others)) {
      String end = isBefore(range.upTo(), other.after()) ? range.upTo() : other.after();
      if (end != null && isBefore(from, end)) {
        parts.add(new Range(from, end));
      }
      from = later(from, other.upTo());
    }
    if (isBefore(from, range.upTo())) {
      parts.add(new Range(from, range.upTo()));
    }
    return parts;
  }

  /** The same, in order, where those that overlap or touch are one. */
  List<Range> union(Collection<Range> ranges) {
    List<Range> union = new ArrayList<>();
    for (Range range : inOrder(ranges)) {
      int last = union.size() - 1;
      if (last < 0 || isBefore(union.get(last).upTo(), range.after())) {
        union.add(range);
      } else if (isBefore(union.get(last).upTo(), range.upTo())) {
        union.set(last, new Range(union.get(last).after(), range.upTo()));
      }
    }
    return union;
  }

  /** By where they begin. */
  List<Range> inOrder(Collection<Range> ranges) {
    return ranges.stream().sorted(Comparator.comparing(Range::after, comparator)).toList();
  }
}
