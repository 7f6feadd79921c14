package io.github.cursorstream.r2dbc.backfill;

import io.github.cursorstream.run.Range;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import reactor.core.publisher.Mono;

/** What can be said of ranges once their positions can be compared. The beginning is null. */
record RangeOrder(Comparator<@Nullable String> comparator) {

  /** Of these positions and all of the ranges', as the database compares them. */
  static Mono<RangeOrder> of(
      TableSource<?> source, Collection<Range> ranges, @Nullable String... others) {
    Set<String> positions = new HashSet<>();
    for (String other : others) {
      if (other != null) {
        positions.add(other);
      }
    }
    for (Range range : ranges) {
      positions.add(range.upTo());
      if (range.after() != null) {
        positions.add(range.after());
      }
    }
    return source
        .batches()
        .order(positions)
        .map(order -> new RangeOrder(Comparator.nullsFirst(order)));
  }

  boolean isBefore(@Nullable String left, @Nullable String right) {
    return comparator.compare(left, right) < 0;
  }

  private @Nullable String later(@Nullable String left, @Nullable String right) {
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

  /** By where they begin. */
  List<Range> inOrder(Collection<Range> ranges) {
    return ranges.stream().sorted(Comparator.comparing(Range::after, comparator)).toList();
  }
}
