package io.github.cursorstream.r2dbc.backfill;

import io.github.cursorstream.r2dbc.keyset.RangeCondition;
import org.jspecify.annotations.Nullable;
import reactor.core.publisher.Flux;
import reactor.core.publisher.Mono;

/**
 * A range of keys to be worked on.
 *
 * @param <T> what a row is mapped to
 */
public interface Batch<T> {

  /**
   * A name that no other batch has, the same at each attempt: for idempotency keys.
   *
   * @return not for people to read
   */
  String id();

  /**
   * How often this range has been begun, this time included.
   *
   * @return 1 the first time
   */
  int attempt();

  /**
   * The rows of the range that satisfy the repository's filter, in order. They are read when asked
   * for, each time: in the batch's transaction if there is one, otherwise page by page.
   *
   * @return perhaps none
   */
  Flux<T> rows();

  /**
   * The range as a condition, for work that does not need the rows: {@code "id" > $1::bigint AND
   * "id" <= $2::bigint}.
   *
   * @param alias what the columns are qualified with; null for nothing
   * @param firstBind the number of the first placeholder, 1 or more
   * @return the condition and its values; without the repository's filter
   */
  Mono<RangeCondition> range(@Nullable String alias, int firstBind);
}
