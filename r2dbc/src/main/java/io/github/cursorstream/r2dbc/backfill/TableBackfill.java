package io.github.cursorstream.r2dbc.backfill;

import io.github.cursorstream.r2dbc.backfill.Backfill.Settings;
import io.github.cursorstream.r2dbc.internal.Failures;
import io.github.cursorstream.r2dbc.store.PostgresRunStore;
import io.github.cursorstream.run.Lease;
import io.github.cursorstream.run.NewRun;
import io.github.cursorstream.run.Range;
import io.github.cursorstream.run.Run;
import io.github.cursorstream.run.RunKind;
import io.github.cursorstream.run.RunStore;
import io.r2dbc.spi.R2dbcTimeoutException;
import java.time.Duration;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.TimeoutException;
import reactor.core.publisher.Flux;
import reactor.core.publisher.Mono;

/** What all backfills over tables have in common: how a table is cut. */
abstract class TableBackfill<T> implements RunKind {

  private static final Duration POLL = Duration.ofMillis(50);

  /** The node was frozen for longer than its lease: no row is to blame. */
  private static final String IDLE_IN_TRANSACTION = "25P03";

  /** SQLSTATE of complete_in_transaction in V1__runs.sql. */
  private static final String ENDED_BY_ITS_WORK = "CS002";

  private final Settings<T> settings;

  TableBackfill(Settings<T> settings) {
    this.settings = settings;
  }

  @Override
  public final String name() {
    return settings.name();
  }

  @Override
  public final NewRun newRun() {
    return new NewRun(name(), name(), "", settings.parameters(), false);
  }

  @Override
  public final Mono<Range> bounds(Run run) {
    Mono<String> upper =
        settings.upTo() == null
            ? settings.batches().last()
            : settings.batches().position(settings.upTo());
    Mono<String> start =
        settings.after() == null ? Mono.empty() : settings.batches().position(settings.after());
    return upper.flatMap(
        end ->
            settings
                .batches()
                .writersGone(POLL)
                .then(
                    start
                        .map(after -> new Range(after, end))
                        .defaultIfEmpty(new Range(null, end))));
  }

  @Override
  public final Mono<List<String>> ends(Run run, int count) {
    return settings
        .batches()
        .ends(run.tail(), Objects.requireNonNull(run.upper()), run.parameters().batchSize(), count);
  }

  @Override
  public final Mono<String> middle(Lease lease) {
    Range range = Objects.requireNonNull(lease.range());
    return settings.batches().middle(range.after(), range.upTo());
  }

  @Override
  public final Mono<String> row(Lease lease) {
    Range range = Objects.requireNonNull(lease.range());
    return settings.batches().json(range.after(), range.upTo());
  }

  @Override
  public final boolean isOfTheRows(Throwable failure) {
    return !Failures.isTransient(failure)
        && !IDLE_IN_TRANSACTION.equals(Failures.sqlState(failure));
  }

  @Override
  public final boolean isTimeout(Throwable failure) {
    return failure instanceof R2dbcTimeoutException
        || failure instanceof TimeoutException
        || Failures.QUERY_CANCELED.equals(Failures.sqlState(failure));
  }

  /** What the work has committed itself must not be done again by us. */
  @Override
  public final boolean isFatal(Throwable failure) {
    return ENDED_BY_ITS_WORK.equals(Failures.sqlState(failure));
  }

  @Override
  public final void failed(Lease lease, Throwable failure) {
    settings
        .onError()
        .accept(new TableBatch<>(lease, settings.batches(), range -> Flux.empty()), failure);
  }

  static PostgresRunStore postgres(RunStore store) {
    if (store instanceof PostgresRunStore ours) {
      return ours;
    }
    throw new IllegalStateException(
        "a PostgresRunStore in the database of the work required, for what is to be done exactly"
            + " once, but the runner's store is of "
            + store.getClass());
  }
}
