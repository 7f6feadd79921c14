package io.github.cursorstream.r2dbc.internal;

import io.r2dbc.postgresql.api.PostgresqlConnection;
import io.r2dbc.postgresql.api.PostgresqlException;
import io.r2dbc.spi.Connection;
import io.r2dbc.spi.ConnectionFactory;
import io.r2dbc.spi.Wrapped;
import java.time.Duration;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;
import reactor.core.CoreSubscriber;
import reactor.core.publisher.Flux;
import reactor.core.publisher.Mono;
import reactor.core.publisher.Operators;
import reactor.core.publisher.Sinks;
import reactor.core.scheduler.Scheduler;
import reactor.core.scheduler.Schedulers;
import reactor.util.Logger;
import reactor.util.Loggers;

/** One connection for each use. */
final class BorrowedConnections implements Connections {

  private static final Logger log = Loggers.getLogger(Connections.class);

  /** How long a cancelled statement may take to end by itself: a page query mostly has by then. */
  private static final Duration GRACE = Duration.ofMillis(20);

  /** How long the server may take to answer a cancel request, or to take a goodbye. */
  private static final Duration PATIENCE = Duration.ofSeconds(5);

  /** A pool has a time limit of its own for that. */
  private static final Duration CONNECT = Duration.ofSeconds(10);

  private static final Duration GOODBYE = Duration.ofSeconds(1);

  /**
   * How long a failure is kept back while its connection is ended. A server that can be reached has
   * ended the statement by then; what takes longer goes on behind.
   */
  private static final Duration COURTESY = Duration.ofMillis(100);

  /**
   * How often another connection is asked for when a pool has met dead ones. It tries two each time
   * and drops them: after a pause that the server or a firewall ended all of them in, the next may
   * be a new one.
   */
  private static final int OTHERS = 10;

  private final ConnectionFactory factory;

  BorrowedConnections(ConnectionFactory factory) {
    this.factory = factory;
  }

  @Override
  public <T> Mono<T> use(Function<Connection, Mono<T>> work, @Nullable Duration timeout) {
    return leased(lease -> TimeLimit.of(timeout, lease.begin(work)));
  }

  private <T> Mono<T> leased(Function<Lease, Mono<T>> work) {
    return Mono.usingWhen(
            borrow(OTHERS).map(Lease::new),
            work,
            lease -> lease.silent ? destroy(lease.connection) : giveBack(lease),
            BorrowedConnections::afterFailure,
            BorrowedConnections::stopAndGiveBack)
        .onErrorMap(TimeLimit.class, TimeLimit::toPublic);
  }

  private Mono<Connection> borrow(int others) {
    Mono<Connection> borrowed = Mono.from(factory.create());
    return others == 0
        ? borrowed
        : borrowed.onErrorResume(Failures::isDeadInPool, dead -> borrow(others - 1));
  }

  @Override
  public <T> Mono<T> session(Function<Connections, Mono<T>> work) {
    return leased(lease -> lease.begin(connection -> work.apply(new Borrowed(lease))));
  }

  /** A connection that is in use already. After a time-out it is destroyed when that use ends. */
  private record Borrowed(Lease lease) implements Connections {

    @Override
    public <T> Mono<T> use(Function<Connection, Mono<T>> work, @Nullable Duration timeout) {
      return TimeLimit.of(timeout, Mono.defer(() -> work.apply(lease.connection)))
          .doOnError(TimeLimit.class, e -> lease.silent = true);
    }

    @Override
    public <T> Mono<T> session(Function<Connections, Mono<T>> work) {
      return Mono.defer(() -> work.apply(this));
    }
  }

  static <T> Flux<T> hold(ConnectionFactory factory, Function<Connection, Flux<T>> work) {
    return Flux.usingWhen(
        Mono.from(below(factory).create()).timeout(CONNECT), work, BorrowedConnections::destroy);
  }

  /** What a pool, or another wrapper, takes its connections from. */
  static ConnectionFactory below(ConnectionFactory factory) {
    ConnectionFactory direct = factory;
    while (direct instanceof Wrapped<?> wrapped
        && wrapped.unwrap() instanceof ConnectionFactory inner) {
      direct = inner;
    }
    return direct;
  }

  /**
   * One use of a connection. Knows whether the work's first statement is still on its way into the
   * driver: one that a thread is about to send, while another thread cancels, would come behind the
   * question that follows the cancel, and be left to the next borrower. The work starts on whatever
   * thread brings the connection: moved to the event loop, a page's query would wait there until
   * the page before it is emitted.
   */
  private static final class Lease {

    final Connection connection;

    /** Then it is somebody else's, who ends it. */
    final boolean lentInTransaction;

    /** Whether a statement of a session did not end in time, whatever its work made of that. */
    volatile boolean silent;

    private final AtomicBoolean used = new AtomicBoolean();
    private final Sinks.Empty<Void> begun = Sinks.empty();

    Lease(Connection connection) {
      this.connection = connection;
      this.lentInTransaction = isInTransaction(connection);
    }

    /** What follows the first statement happens on the event loop, and so does the cancel. */
    <T> Mono<T> begin(Function<Connection, Mono<T>> work) {
      Mono<T> onLoop = work.apply(connection).cancelOn(loop(connection));
      return new Mono<T>() {
        @Override
        public void subscribe(CoreSubscriber<? super T> actual) {
          if (used.getAndSet(true)) {
            Operators.complete(actual); // Cancelled, and perhaps given back.
            return;
          }
          try {
            onLoop.subscribe(actual);
          } finally {
            begun.tryEmitEmpty();
          }
        }
      };
    }

    /** Completes once the work has sent its first statement, or never will. */
    Mono<Void> begun() {
      return used.getAndSet(true) ? begun.asMono() : Mono.empty();
    }
  }

  /**
   * One that is still in a transaction, but was not when it was borrowed, is ended: its ROLLBACK
   * was lost, or refused by the driver, whose queue holds 256 statements. The next borrower would
   * be told that it is aborted.
   */
  private static Mono<Void> giveBack(Lease lease) {
    return Mono.defer(
        () ->
            !lease.lentInTransaction && isInTransaction(lease.connection)
                ? destroySoon(lease.connection)
                : close(lease.connection));
  }

  private static boolean isInTransaction(Connection connection) {
    try {
      return !connection.isAutoCommit();
    } catch (RuntimeException e) {
      return false; // A wrapper that does not say, or one that is closed.
    }
  }

  private static Mono<Void> close(Connection connection) {
    // What was read is read: a failure to close must not turn it into an error.
    return Mono.defer(() -> Mono.from(connection.close())).onErrorResume(e -> logged("close", e));
  }

  private static Mono<Void> afterFailure(Lease lease, Throwable failure) {
    if (failure instanceof TimeLimit || lease.silent) {
      return destroySoon(lease.connection);
    }
    // The driver's failures end the statement; those of a mapper leave it running.
    return failure instanceof PostgresqlException ? giveBack(lease) : stopAndGiveBack(lease);
  }

  /**
   * After a cancel, or a failure of the mapper, the statement may still run. Its connection is
   * given back only when the server has answered, or the next borrower would wait for it.
   */
  private static Mono<Void> stopAndGiveBack(Lease lease) {
    return lease.begun().then(Mono.defer(() -> answeredAndGivenBack(lease)));
  }

  private static Mono<Void> answeredAndGivenBack(Lease lease) {
    Connection connection = lease.connection;
    // Cached, because a question must not be taken back once it is on its way.
    Mono<Void> answer = answered(connection).cache();
    return answer
        .timeout(
            GRACE,
            // Asked again behind the cancel request: whatever that one ended, it was not a
            // statement of the next borrower.
            cancelRequest(connection).then(answer).then(Mono.defer(() -> answered(connection))))
        .timeout(PATIENCE)
        .then(Mono.defer(() -> giveBack(lease)))
        .onErrorResume(e -> logged("stop", e).then(destroy(connection)));
  }

  private static Mono<Void> answered(Connection connection) {
    return Flux.from(connection.createStatement("SELECT 1").execute())
        .concatMap(result -> result.getRowsUpdated())
        // Not ignored: the user's doOnDiscard would be given it.
        .<Void>handle((rows, sink) -> {})
        .then()
        .onErrorResume(
            e ->
                Failures.QUERY_CANCELED.equals(Failures.sqlState(e)) ? Mono.empty() : Mono.error(e))
        .subscribeOn(loop(connection));
  }

  private static Mono<Void> cancelRequest(Connection connection) {
    PostgresqlConnection physical = Connections.physical(connection);
    return physical == null ? Mono.empty() : physical.cancelRequest();
  }

  /** Goes on behind, if it takes long. */
  private static Mono<Void> destroySoon(Connection connection) {
    return destroy(connection).cache().timeout(COURTESY, Mono.empty());
  }

  /**
   * Ends the server's work and the socket. Closing only the pooled connection would put one that no
   * longer answers back into the pool.
   */
  private static Mono<Void> destroy(Connection connection) {
    PostgresqlConnection physical = Connections.physical(connection);
    Mono<Void> goodbye = physical == null ? Mono.empty() : physical.close();
    return Mono.when(bounded("cancel", cancelRequest(connection)), bounded("close", goodbye))
        .subscribeOn(loop(connection))
        .then(bounded("close", close(connection)));
  }

  private static Mono<Void> bounded(String what, Mono<Void> goodbye) {
    return goodbye.timeout(GOODBYE).onErrorResume(e -> logged(what, e));
  }

  private static Mono<Void> logged(String what, Throwable e) {
    log.debug("{} of a connection failed: {}", what, e.toString());
    return Mono.empty();
  }

  /** The event loop of the connection, which does one thing after the other. */
  private static Scheduler loop(Connection connection) {
    Scheduler loop =
        Connections.physical(connection) instanceof Wrapped<?> physical
            ? physical.unwrap(Scheduler.class)
            : null;
    return loop == null ? Schedulers.immediate() : loop;
  }
}
