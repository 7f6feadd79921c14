package io.github.cursorstream.r2dbc.backfill;

import io.github.cursorstream.backfill.BatchSource;
import io.github.cursorstream.cursor.Cursor;
import io.github.cursorstream.r2dbc.internal.Failures;
import io.github.cursorstream.r2dbc.keyset.CursorBasedRepository;
import io.github.cursorstream.r2dbc.keyset.InvalidKeysetException;
import io.github.cursorstream.r2dbc.keyset.KeyRange;
import io.github.cursorstream.r2dbc.keyset.KeysetBatches;
import io.github.cursorstream.r2dbc.keyset.KeysetBatches.Lock;
import io.github.cursorstream.r2dbc.keyset.RangeCondition;
import io.github.cursorstream.run.Conclusion;
import io.github.cursorstream.run.Lease;
import io.github.cursorstream.run.Range;
import io.github.cursorstream.run.Run;
import io.github.cursorstream.run.RunStore;
import io.r2dbc.spi.R2dbcTimeoutException;
import java.time.Duration;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import reactor.core.publisher.Flux;
import reactor.core.publisher.Mono;
import reactor.util.Logger;
import reactor.util.Loggers;

/**
 * How a table is cut and read.
 *
 * @param after where the keys begin, exclusive; null for the beginning
 * @param upTo where they end, inclusive; null for the last one at the start
 * @param lock how rows are locked that are read in a transaction
 * @param ending when a run has succeeded
 */
record TableSource<T>(
    CursorBasedRepository<T> repository,
    KeysetBatches<T> batches,
    @Nullable Cursor after,
    @Nullable Cursor upTo,
    Lock lock,
    Ending ending)
    implements BatchSource<T, TableBatch<T>> {

  /** When a run has succeeded. The later ones ask for more. */
  enum Ending {
    /** When everything up to its end was done. */
    DONE,
    /** And no row within its bounds satisfies the filter. */
    VERIFIED,
    /** And none up to the present end of the table; until then it begins again. */
    CAUGHT_UP
  }

  private static final Logger log = Loggers.getLogger(Backfill.class);

  private static final Duration POLL = Duration.ofMillis(50);

  /** How long others' transactions are waited for without a word. */
  private static final Duration SILENCE = Duration.ofSeconds(1);

  /** The node was frozen for longer than its lease: no row is to blame. */
  private static final String IDLE_IN_TRANSACTION = "25P03";

  /** SQLSTATE of complete_in_transaction in V1__runs.sql. */
  private static final String ENDED_BY_ITS_WORK = "CS002";

  TableSource<T> after(Cursor cursor) {
    return new TableSource<>(
        repository, batches, Objects.requireNonNull(cursor, "after"), upTo, lock, ending);
  }

  TableSource<T> upTo(Cursor cursor) {
    return new TableSource<>(
        repository, batches, after, Objects.requireNonNull(cursor, "upTo"), lock, ending);
  }

  TableSource<T> lock(Lock how) {
    return new TableSource<>(
        repository, batches, after, upTo, Objects.requireNonNull(how, "lock"), ending);
  }

  /** Refuses a table of which every row satisfies the filter, as there is none. */
  TableSource<T> ending(Ending how, String option) {
    if (!batches.isFiltered()) {
      throw new InvalidKeysetException(
          "a filter that the work makes false required for "
              + option
              + " but the repository's keyset has none; say Keyset.where");
    }
    return how.compareTo(ending) > 0
        ? new TableSource<>(repository, batches, after, upTo, lock, how)
        : this;
  }

  @Override
  public Mono<Range> bounds(Run run) {
    Mono<String> upper = upTo == null ? batches.last() : batches.position(upTo);
    Mono<String> start = after == null ? Mono.empty() : batches.position(after);
    return upper.flatMap(
        end ->
            writersGone(run)
                .then(
                    start
                        .map(first -> new Range(first, end))
                        .defaultIfEmpty(new Range(null, end))));
  }

  private Mono<Void> writersGone(Run run) {
    Mono<Void> told =
        Mono.delay(SILENCE)
            .doOnNext(
                tick ->
                    log.warn(
                        "run {} waits for transactions that were writing to its table when it asked"
                            + " where that ends; look for sessions that are idle in transaction",
                        run.name()))
            .then(Mono.never());
    return Mono.firstWithSignal(batches.writersGone(POLL), told);
  }

  @Override
  public Mono<List<String>> ends(Run run, int count) {
    return batches.ends(
        run.tail(), Objects.requireNonNull(run.stop()), run.parameters().batchSize(), count);
  }

  @Override
  public Mono<Double> share(Run run) {
    return batches.fraction(
        run.start(), Objects.requireNonNull(run.position()), Objects.requireNonNull(run.upper()));
  }

  @Override
  public Flux<T> rows(Lease lease) {
    return Flux.defer(
        () -> {
          Range range = range(lease);
          String first = range.after();
          KeyRange keys =
              new KeyRange(first == null ? null : Cursor.parse(first), Cursor.parse(range.upTo()));
          return repository.cursorBasedStream(o -> o.within(keys));
        });
  }

  /** The range as a condition. */
  Mono<RangeCondition> condition(Lease lease, @Nullable String alias, int firstBind) {
    Range range = range(lease);
    return batches.predicate(range.after(), range.upTo(), alias, firstBind);
  }

  @Override
  public TableBatch<T> batch(Lease lease, Flux<T> rows) {
    return new KeyBatch<>(lease, rows, (alias, firstBind) -> condition(lease, alias, firstBind));
  }

  @Override
  public Mono<String> middle(Lease lease) {
    Range range = range(lease);
    return batches.middle(range.after(), range.upTo());
  }

  @Override
  public Mono<String> row(Lease lease) {
    Range range = range(lease);
    return batches.json(range.after(), range.upTo());
  }

  private static Range range(Lease lease) {
    return Objects.requireNonNull(lease.range());
  }

  @Override
  public Mono<Conclusion> conclude(RunStore store, Run run) {
    Leftovers leftovers = new Leftovers(this, store, run);
    return switch (ending) {
      case DONE -> Mono.just(Conclusion.succeeded());
      case VERIFIED -> leftovers.verified();
      case CAUGHT_UP -> leftovers.caughtUp();
    };
  }

  @Override
  public boolean isOfTheRows(Throwable failure) {
    return !Failures.isTransient(failure)
        && !IDLE_IN_TRANSACTION.equals(Failures.sqlState(failure));
  }

  @Override
  public boolean isTimeout(Throwable failure) {
    return (failure instanceof R2dbcTimeoutException && !Failures.isOfThePool(failure))
        || Failures.QUERY_CANCELED.equals(Failures.sqlState(failure));
  }

  /** What the work has committed itself must not be done again by us. */
  @Override
  public boolean isFatal(Throwable failure) {
    return ENDED_BY_ITS_WORK.equals(Failures.sqlState(failure));
  }
}
