package io.github.cursorstream.r2dbc.backfill;

import io.github.cursorstream.r2dbc.keyset.KeysetBatches;
import io.github.cursorstream.r2dbc.keyset.RangeCondition;
import io.github.cursorstream.run.Lease;
import io.github.cursorstream.run.Range;
import java.util.Objects;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;
import org.reactivestreams.Publisher;
import reactor.core.publisher.Flux;
import reactor.core.publisher.Mono;

/** One attempt at a lease's range. */
final class TableBatch<T> implements Batch<T> {

  private final Lease lease;
  private final Range range;
  private final KeysetBatches<T> batches;
  private final Function<Range, Flux<T>> reader;
  private final AtomicLong read = new AtomicLong();

  TableBatch(Lease lease, KeysetBatches<T> batches, Function<Range, Flux<T>> reader) {
    this.lease = lease;
    this.range = Objects.requireNonNull(lease.range());
    this.batches = batches;
    this.reader = reader;
  }

  @Override
  public String id() {
    return lease.batchId();
  }

  @Override
  public int attempt() {
    return lease.attempt();
  }

  @Override
  public Flux<T> rows() {
    return reader.apply(range).doOnNext(row -> read.incrementAndGet());
  }

  @Override
  public Mono<RangeCondition> range(@Nullable String alias, int firstBind) {
    return batches.predicate(range.after(), range.upTo(), alias, firstBind);
  }

  /** Runs the work, and counts the rows that it read; if it read none, the numbers it emits. */
  Mono<Long> count(Publisher<?> work) {
    return Flux.from(work)
        .reduce(0L, (sum, item) -> item instanceof Number n ? sum + n.longValue() : sum)
        .map(sum -> read.get() == 0 ? sum : read.get());
  }
}
