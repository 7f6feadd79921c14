package io.github.cursorstream.r2dbc.store;

import io.github.cursorstream.r2dbc.internal.Connections;
import io.r2dbc.spi.Connection;
import java.time.Duration;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;
import reactor.core.publisher.Mono;

/**
 * Connections whose first use looks whether the schema is the one that this library works with: who
 * installs it by another tool does not ask us, and may forget it, or be ahead of an application.
 */
final class CheckedConnections implements Connections {

  private final Connections connections;
  private final AtomicBoolean checked;

  CheckedConnections(Connections connections) {
    this(connections, new AtomicBoolean());
  }

  private CheckedConnections(Connections connections, AtomicBoolean checked) {
    this.connections = connections;
    this.checked = checked;
  }

  @Override
  public <T> Mono<T> use(Function<Connection, Mono<T>> work, @Nullable Duration timeout) {
    return connections.use(
        connection ->
            checked.get()
                ? work.apply(connection)
                : Migration.check(connection)
                    .doOnSuccess(done -> checked.set(true))
                    .then(Mono.defer(() -> work.apply(connection))),
        timeout);
  }

  @Override
  public <T> Mono<T> session(Function<Connections, Mono<T>> work) {
    return connections.session(same -> work.apply(new CheckedConnections(same, checked)));
  }
}
