package io.github.cursorstream.r2dbc.backfill;

import io.github.cursorstream.cursor.Cursor;
import io.github.cursorstream.r2dbc.keyset.KeysetBatches;
import io.github.cursorstream.r2dbc.keyset.KeysetBatches.Matches;
import io.github.cursorstream.run.Conclusion;
import io.github.cursorstream.run.Range;
import io.github.cursorstream.run.Run;
import io.github.cursorstream.run.RunStore;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import reactor.core.publisher.Flux;
import reactor.core.publisher.Mono;

/**
 * Looks for rows that satisfy the filter when everything was done, in pieces that are each one
 * short query. What was put aside does not count.
 */
final class Leftovers {

  /** How many keys a piece has, and how many pieces are cut at a time. */
  private static final int PIECE = 10_000;

  private static final int PIECES = 16;

  /** How many rows are remembered: few, as the run is read with each batch. */
  private static final int SOME = 10;

  private final TableSource<?> source;
  private final RunStore store;
  private final Run run;

  Leftovers(TableSource<?> source, RunStore store, Run run) {
    this.source = source;
    this.store = store;
    this.run = run;
  }

  /** The run has succeeded if there are none within its bounds. */
  Mono<Conclusion> verified() {
    String upper = Objects.requireNonNull(run.upper());
    return apart()
        .flatMap(apart -> in(new Range(run.start(), upper), apart))
        .map(
            found ->
                Conclusion.failed(
                    upper,
                    "",
                    "no row that satisfies the filter required when all is done but there "
                        + text(found)
                        + "; correct the work, and retry: it begins again where it started"))
        .defaultIfEmpty(Conclusion.succeeded());
  }

  /**
   * The run has succeeded if there are none up to the present end. Otherwise it begins again, and
   * remembers some of them. If one of these is still there after the next pass, there is no end.
   */
  Mono<Conclusion> caughtUp() {
    return source
        .bounds(run)
        .map(now -> new Range(run.start(), now.upTo()))
        .flatMap(
            range ->
                apart()
                    .flatMap(
                        apart ->
                            in(range, apart).flatMap(found -> again(range.upTo(), found, apart))))
        .defaultIfEmpty(Conclusion.succeeded());
  }

  private Mono<Conclusion> again(String upper, Matches found, List<Range> apart) {
    String before = Objects.requireNonNull(run.gate());
    Conclusion again =
        Conclusion.again(
            upper,
            String.join(" ", found.first()),
            "there " + text(found) + ", that satisfy the filter");
    return before.isEmpty()
        ? Mono.just(again)
        : stillThere(List.of(before.split(" ")), apart)
            .map(
                key ->
                    Conclusion.failed(
                        upper,
                        before,
                        "work that makes the filter false required for untilCaughtUp() but "
                            + Cursor.parse(key)
                            + " satisfies it after it was done; correct the work, and retry"))
            .defaultIfEmpty(again);
  }

  /** One of the keys that the pass should have done, if there is one. */
  private Mono<String> stillThere(List<String> keys, List<Range> apart) {
    return source
        .batches()
        .matches(keys)
        .filterWhen(
            key ->
                RangeOrder.of(source, apart, List.of(key))
                    .map(order -> apart.stream().noneMatch(range -> order.holds(range, key))))
        .next();
  }

  private static String text(Matches found) {
    return (found.rows() == 1 ? "is 1" : "are " + found.rows())
        + ", the first at "
        + Cursor.parse(found.first().get(0));
  }

  /** What is not looked at: what was put aside, and what is skipped. */
  private Mono<List<Range>> apart() {
    return store
        .remaining(run.id())
        .map(work -> Stream.concat(work.putAside().stream(), work.skipped().stream()).toList());
  }

  private Mono<Matches> in(Range range, List<Range> apart) {
    Mono<List<Range>> parts =
        apart.isEmpty()
            ? Mono.just(List.of(range))
            : RangeOrder.of(source, apart, Arrays.asList(range.after(), range.upTo()))
                .map(order -> order.without(range, apart));
    return parts
        .flatMapIterable(each -> each)
        .concatMap(this::pieces)
        .concatMap(piece -> source.batches().matches(piece.after(), piece.upTo(), SOME))
        .reduce(
            (one, other) ->
                new Matches(
                    one.rows() + other.rows(),
                    Stream.concat(one.first().stream(), other.first().stream())
                        .limit(SOME)
                        .toList()));
  }

  /** Ends that were found behind a position. */
  private record Cut(@Nullable String after, List<String> ends) {
    String last() {
      return ends.get(ends.size() - 1);
    }
  }

  private Flux<Range> pieces(Range range) {
    return cut(range.after(), range.upTo())
        .expand(
            cut -> cut.last().equals(range.upTo()) ? Mono.empty() : cut(cut.last(), range.upTo()))
        .concatMapIterable(
            cut -> {
              List<Range> pieces = new ArrayList<>();
              String after = cut.after();
              for (String end : cut.ends()) {
                pieces.add(new Range(after, end));
                after = end;
              }
              return pieces;
            });
  }

  private Mono<Cut> cut(@Nullable String after, String upTo) {
    KeysetBatches<?> batches = source.batches();
    return batches.ends(after, upTo, PIECE, PIECES).map(ends -> new Cut(after, ends));
  }
}
