package io.github.cursorstream.r2dbc.internal;

import io.r2dbc.postgresql.api.PostgresqlConnection;
import io.r2dbc.spi.Connection;
import io.r2dbc.spi.ConnectionFactory;
import io.r2dbc.spi.Wrapped;
import java.time.Duration;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;
import reactor.core.publisher.Flux;
import reactor.core.publisher.Mono;

/** Lends a connection to a piece of work, and gets it back clean or not at all. Not API. */
public interface Connections {

  /**
   * Runs work that sends statements and collects what they answer.
   *
   * @param work given the connection
   * @param timeout how long it may take once it has the connection; null for no limit
   * @param <T> what it brings
   * @return a Mono that takes a connection for each subscription and emits after giving it back
   */
  <T> Mono<T> use(Function<Connection, Mono<T>> work, @Nullable Duration timeout);

  /**
   * Runs several uses over one connection: its backend has their plans, and nothing waits for the
   * pool between them. A use may begin before the answer to the one before it has come, which the
   * server does first. A use that fails ends the session if its failure comes out of the work;
   * after one that timed out the connection is not given to others, whatever the work makes of it.
   *
   * @param work given connections that are always the same one
   * @param <T> what it brings
   * @return a Mono that takes a connection for each subscription and emits after giving it back
   */
  <T> Mono<T> session(Function<Connections, Mono<T>> work);

  /**
   * Connections of their own, one for each use.
   *
   * @param factory a pool, or a plain factory
   * @return connections that are closed after use
   */
  static Connections of(ConnectionFactory factory) {
    return new BorrowedConnections(factory);
  }

  /**
   * The same for what cannot wait until a pool has one to give: taken from below it.
   *
   * @param factory a pool, or a plain factory
   * @return connections that are closed after use
   */
  static Connections beside(ConnectionFactory factory) {
    return new BorrowedConnections(BorrowedConnections.below(factory));
  }

  /**
   * A connection of the work's own, which no pool has a share in: taken from below the pool, and
   * closed in the end.
   *
   * @param factory a pool, or a plain factory
   * @param work given the connection
   * @param <T> what it brings
   * @return a Flux that takes a connection for each subscription
   */
  static <T> Flux<T> hold(ConnectionFactory factory, Function<Connection, Flux<T>> work) {
    return BorrowedConnections.hold(factory, work);
  }

  /**
   * The driver's connection under a pool and other wrappers.
   *
   * @param connection wrapped or not
   * @return the driver's, or null if it is another driver's
   */
  static @Nullable PostgresqlConnection physical(Connection connection) {
    Object inner = connection;
    while (!(inner instanceof PostgresqlConnection) && inner instanceof Wrapped<?> wrapped) {
      inner = wrapped.unwrap();
    }
    return inner instanceof PostgresqlConnection physical ? physical : null;
  }

  /**
   * The caller's connection: never closed, never sent a cancel request. Cancelled work is drained
   * by the driver before its next statement.
   *
   * @param connection perhaps in a transaction
   * @return always this connection
   */
  static Connections of(Connection connection) {
    return new Connections() {
      @Override
      public <T> Mono<T> use(Function<Connection, Mono<T>> work, @Nullable Duration timeout) {
        return TimeLimit.of(timeout, Mono.defer(() -> work.apply(connection)))
            .onErrorMap(TimeLimit.class, TimeLimit::toPublic);
      }

      @Override
      public <T> Mono<T> session(Function<Connections, Mono<T>> work) {
        return Mono.defer(() -> work.apply(this));
      }
    };
  }
}
