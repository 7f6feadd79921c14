package io.github.cursorstream.r2dbc.backfill;

import io.github.cursorstream.r2dbc.keyset.RangeCondition;
import io.github.cursorstream.run.Lease;
import org.jspecify.annotations.Nullable;
import reactor.core.publisher.Flux;
import reactor.core.publisher.Mono;

/** One attempt at a lease's range. */
record KeyBatch<T>(Lease lease, Flux<T> rows, Conditions conditions) implements TableBatch<T> {

  /** See {@link TableBatch#range}. */
  @FunctionalInterface
  interface Conditions {
    Mono<RangeCondition> of(@Nullable String alias, int firstBind);
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
  public Mono<RangeCondition> range(@Nullable String alias, int firstBind) {
    return conditions.of(alias, firstBind);
  }
}
