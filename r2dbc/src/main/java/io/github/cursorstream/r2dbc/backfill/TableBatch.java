package io.github.cursorstream.r2dbc.backfill;

import io.github.cursorstream.backfill.Batch;
import io.github.cursorstream.r2dbc.keyset.RangeCondition;
import org.jspecify.annotations.Nullable;
import reactor.core.publisher.Flux;
import reactor.core.publisher.Mono;

/**
 * A range of keys to be worked on.
 *
 * @param <T> what a row is mapped to
 */
public interface TableBatch<T> extends Batch<T> {

  /**
   * The rows of the range that satisfy the repository's filter, in order. They are read when asked
   * for: in the batch's transaction if there is one, once, so that a second look sees the same;
   * otherwise page by page, each time.
   *
   * @return perhaps none
   */
  @Override
  Flux<T> rows();

  /**
   * The range as a condition, for work that does not need the rows: {@code "id" > $1::bigint AND
   * "id" <= $2::bigint}. If rows were read in a transaction, it holds no others.
   *
   * @param alias what the columns are qualified with; null for nothing
   * @param firstBind the number of the first placeholder, 1 or more
   * @return the condition and its values; without the repository's filter
   */
  Mono<RangeCondition> range(@Nullable String alias, int firstBind);
}
