package io.github.cursorstream.r2dbc.store;

import io.github.cursorstream.r2dbc.internal.Connections;
import io.github.cursorstream.run.RunStore;
import io.r2dbc.postgresql.api.Notification;
import io.r2dbc.postgresql.api.PostgresqlConnection;
import io.r2dbc.spi.Connection;
import io.r2dbc.spi.ConnectionFactory;
import java.time.Duration;
import java.util.UUID;
import java.util.concurrent.atomic.AtomicBoolean;
import org.jspecify.annotations.Nullable;
import reactor.core.publisher.BufferOverflowStrategy;
import reactor.core.publisher.Flux;
import reactor.core.publisher.Mono;
import reactor.core.publisher.Sinks;
import reactor.util.Logger;
import reactor.util.Loggers;
import reactor.util.retry.Retry;
import reactor.util.retry.Retry.RetrySignal;

/**
 * Hears of changes, over one connection for all who want to know, and for as long as somebody does.
 * It connects again by itself.
 */
final class ChangeListener {

  /** As in V1__runs.sql. */
  private static final String CHANNEL = "cursorstream";

  private static final Logger log = Loggers.getLogger(PostgresRunStore.class);

  /** How often the connection is asked whether it lives, and how long it may take to answer. */
  private static final Duration PATIENCE = Duration.ofSeconds(5);

  private static final Duration FIRST_PAUSE = Duration.ofMillis(100);
  private static final Duration LONGEST_PAUSE = Duration.ofSeconds(10);

  /** A pooler in between stays there until somebody changes the configuration. */
  private static final Duration DEAF_PAUSE = Duration.ofMinutes(10);

  /** Whoever is further behind than that loses the oldest: they are hints. */
  private static final int BEHIND = 256;

  private final ConnectionFactory factory;
  private final Connections connections;
  private final Duration patience;
  private final Flux<Long> changes;
  private final AtomicBoolean warned = new AtomicBoolean();

  /** Connected, and yet no notification arrives. */
  private static final class DeafException extends RuntimeException {
    DeafException(String message) {
      super(message, null, false, false);
    }
  }

  ChangeListener(ConnectionFactory factory, Connections connections) {
    this(factory, connections, PATIENCE);
  }

  ChangeListener(ConnectionFactory factory, Connections connections, Duration patience) {
    this.factory = factory;
    this.connections = connections;
    this.patience = patience;
    this.changes =
        Flux.defer(this::connected)
            .retryWhen(
                Retry.backoff(Long.MAX_VALUE, FIRST_PAUSE)
                    .maxBackoff(LONGEST_PAUSE)
                    .transientErrors(true)
                    .filter(e -> !(e instanceof DeafException))
                    .doBeforeRetry(ChangeListener::warn))
            .retryWhen(Retry.fixedDelay(Long.MAX_VALUE, DEAF_PAUSE).doBeforeRetry(this::warnOnce))
            .share();
  }

  Flux<Long> changes() {
    return changes.onBackpressureBuffer(BEHIND, BufferOverflowStrategy.DROP_OLDEST);
  }

  private Flux<Long> connected() {
    return Connections.hold(factory, this::listening);
  }

  private Flux<Long> listening(Connection connection) {
    PostgresqlConnection physical = Connections.physical(connection);
    if (physical == null) {
      return Flux.error(
          new DeafException(
              "a connection of r2dbc-postgresql required but it was " + connection.getClass()));
    }
    String echo = "echo " + UUID.randomUUID();
    Sinks.Empty<Void> heard = Sinks.empty();
    Flux<Long> changed =
        physical
            .getNotifications()
            .doOnNext(
                notification -> {
                  if (echo.equals(notification.getParameter())) {
                    heard.tryEmitEmpty();
                  }
                })
            .mapNotNull(notification -> change(notification, echo))
            .concatWith(Mono.error(() -> new IllegalStateException("the connection was closed")));
    Mono<Void> tested = told(echo).then(heard.asMono().timeout(patience, Mono.error(deaf())));
    Mono<Void> alive =
        Flux.interval(patience).onBackpressureDrop().concatMap(tick -> asked(connection), 0).then();
    Mono<Long> listening =
        Transaction.sent(connection, "LISTEN " + CHANNEL)
            .timeout(patience)
            .then(Mono.when(tested, alive))
            .then(Mono.empty());
    // Notifications first: what comes between LISTEN and the subscription would be lost.
    return Flux.merge(changed, listening);
  }

  /** Over another connection: a pooler may well bring back what was said over the same one. */
  private Mono<Void> told(String echo) {
    return connections.use(
        other ->
            Statements.query(
                    other, "SELECT pg_notify($1, $2) IS NULL AS told", row -> true, CHANNEL, echo)
                .then(),
        patience);
  }

  /** Its own echo says that from now on nothing is missed, but that something may have been. */
  private static @Nullable Long change(Notification notification, String echo) {
    String parameter = notification.getParameter();
    if (echo.equals(parameter)) {
      return RunStore.ANY;
    }
    return parameter != null && parameter.matches("\\d{1,18}") ? Long.valueOf(parameter) : null;
  }

  private static DeafException deaf() {
    return new DeafException(
        "a connection that hears what another one notifies required but it did not: a pooler in"
            + " transaction mode is in between; give PostgresRunStore.listenOn a direct way");
  }

  private void warnOnce(RetrySignal signal) {
    if (!warned.getAndSet(true)) {
      log.warn(
          "changes of runs are not heard of, only looked for: {}", signal.failure().getMessage());
    }
  }

  private static void warn(RetrySignal signal) {
    if (signal.totalRetriesInARow() == 0) { // Once for each time that the server goes away.
      log.warn(
          "changes of runs are not heard of until the server is back, only looked for: {}",
          signal.failure().toString());
    }
  }

  /** Of a silent network there is no other sign. */
  private Mono<Long> asked(Connection connection) {
    return Statements.query(connection, "SELECT $1", row -> 0L, true)
        .then(Mono.<Long>empty())
        .timeout(patience);
  }
}
