package io.github.cursorstream.r2dbc.store;

import io.r2dbc.spi.Connection;
import reactor.core.publisher.Mono;

/** A transaction that is READ COMMITTED whatever the session's default is. */
final class Transaction {

  static final String BEGIN = "BEGIN ISOLATION LEVEL READ COMMITTED";

  private Transaction() {}

  /** Does the work, and commits; rolls back if it fails or is cancelled. */
  static <T> Mono<T> of(Connection connection, Mono<T> work) {
    return of(connection, sent(connection, BEGIN), work, sent(connection, "COMMIT"));
  }

  static <T> Mono<T> of(Connection connection, Mono<Void> begin, Mono<T> work, Mono<Void> commit) {
    return Mono.usingWhen(
        Mono.just(connection),
        c -> begin.then(work),
        c -> commit,
        // What it fails of is told already; a connection that is left in a transaction is ended.
        (c, failure) -> sent(c, "ROLLBACK").onErrorComplete(),
        // Unasked whether it has begun: that may be on its way.
        c -> sent(c, "ROLLBACK").onErrorComplete());
  }

  /** Statements in one message, which the server does one after the other. */
  static Mono<Void> sent(Connection connection, String... statements) {
    return Statements.inOneMessage(connection, row -> true, statements).then();
  }
}
