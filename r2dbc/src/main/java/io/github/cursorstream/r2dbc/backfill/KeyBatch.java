package io.github.cursorstream.r2dbc.backfill;

import io.github.cursorstream.r2dbc.keyset.KeysetBatches;
import io.github.cursorstream.r2dbc.keyset.RangeCondition;
import io.github.cursorstream.run.Lease;
import io.github.cursorstream.run.Range;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import reactor.core.publisher.Flux;
import reactor.core.publisher.Mono;

/** One attempt at a lease's range. */
record KeyBatch<T>(Lease lease, KeysetBatches<T> batches, Flux<T> rows) implements TableBatch<T> {

  @Override
  public String id() {
    return lease.batchId();
  }

  @Override
  public int attempt() {
    return lease.attempt();
  }

  @Override
  public Mono<RangeCondition> range(@Nullable String alias, int firstBind) {
    Range range = Objects.requireNonNull(lease.range());
    return batches.predicate(range.after(), range.upTo(), alias, firstBind);
  }
}
