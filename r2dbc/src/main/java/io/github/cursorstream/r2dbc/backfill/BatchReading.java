package io.github.cursorstream.r2dbc.backfill;

import io.github.cursorstream.cursor.Cursor;
import io.github.cursorstream.r2dbc.keyset.BatchRows;
import io.github.cursorstream.r2dbc.keyset.RangeCondition;
import io.github.cursorstream.run.Again;
import io.github.cursorstream.run.Lease;
import io.github.cursorstream.run.Range;
import io.github.cursorstream.run.RunParameters;
import io.r2dbc.spi.Connection;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import reactor.core.publisher.Flux;
import reactor.core.publisher.Mono;

/**
 * What a batch reads in its transaction, and so what is left of its range: rows that somebody
 * holds, if they are to be skipped, and the end of a range that has grown since it was cut.
 */
final class BatchReading<T> {

  /** A row that somebody holds is not asked for more often than this. */
  private static final Duration HELD = Duration.ofMillis(50);

  private final TableSource<T> source;
  private final RunParameters parameters;
  private final Range range;
  private final Connection connection;

  private volatile @Nullable BatchRows<T> read;

  /** What the rows are of, once they are asked for. */
  private @Nullable Mono<BatchRows<T>> reading;

  /** Whether the work does something with all of the range, whatever it reads then. */
  private boolean whole;

  BatchReading(TableSource<T> source, Lease lease, Connection connection) {
    this.source = source;
    this.parameters = lease.run().parameters();
    this.range = Objects.requireNonNull(lease.range());
    this.connection = connection;
  }

  /** To be read once: what it says the second time would be another part of the range. */
  Flux<T> rows() {
    return Mono.defer(this::begun).flatMapIterable(BatchRows::items);
  }

  private synchronized Mono<BatchRows<T>> begun() {
    Mono<BatchRows<T>> begun =
        source
            .batches()
            .rows(connection, range.after(), range.upTo(), source.lock(), most())
            .doOnNext(found -> read = found)
            .cache();
    reading = begun;
    return begun;
  }

  /** A power of two: of few different ones, as each makes a statement of its own. */
  private int most() {
    long fewTimes = 4L * Integer.highestOneBit(parameters.batchSize());
    return whole ? Integer.MAX_VALUE : (int) Math.min(fewTimes, Integer.MAX_VALUE);
  }

  /** Where the work ends that goes by the range: with the rows, if they were asked for before. */
  private synchronized Mono<String> end() {
    Mono<BatchRows<T>> begun = reading;
    if (begun == null) {
      whole = true;
      return Mono.just(range.upTo());
    }
    return begun.map(BatchRows::upTo);
  }

  /** The range, or what of it was read. */
  Mono<RangeCondition> condition(@Nullable String alias, int firstBind) {
    return Mono.defer(
        () -> {
          if (source.lock().skips()) {
            return Mono.error(
                new IllegalStateException(
                    "work on rows() required where it locks them "
                        + source.lock()
                        + " but it asked for its range, which holds those that are skipped;"
                        + " use a lock that waits"));
          }
          return end()
              .flatMap(upTo -> source.batches().predicate(range.after(), upTo, alias, firstBind));
        });
  }

  /** What is still to be done when the work has done what it read. */
  List<Again> rest() {
    BatchRows<T> found = read;
    List<Again> rest = new ArrayList<>();
    if (found != null) {
      Duration held = parameters.minBackoff();
      Duration after = held.compareTo(HELD) < 0 ? HELD : held;
      found
          .skipped()
          .forEach(
              part -> {
                Cursor first = part.after();
                String from = first == null ? null : first.token();
                String upTo = Objects.requireNonNull(part.upTo()).token();
                rest.add(new Again(new Range(from, upTo), 0, after));
              });
      if (!found.upTo().equals(range.upTo())) {
        rest.add(new Again(new Range(found.upTo(), range.upTo()), 0, Duration.ZERO));
      }
    }
    return rest;
  }
}
