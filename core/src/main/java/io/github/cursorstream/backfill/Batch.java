package io.github.cursorstream.backfill;

import reactor.core.publisher.Flux;

/**
 * A range of a source, to be worked on.
 *
 * @param <T> the type of a row
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
   * What is in it, in order; read when asked for, each time.
   *
   * @return perhaps nothing
   */
  Flux<T> rows();
}
