package io.github.cursorstream.r2dbc.keyset;

import io.r2dbc.spi.Connection;
import io.r2dbc.spi.ConnectionFactory;
import io.r2dbc.spi.ConnectionFactoryMetadata;
import io.r2dbc.spi.R2dbcTransientResourceException;
import java.util.concurrent.atomic.AtomicInteger;
import org.reactivestreams.Publisher;
import reactor.core.publisher.Mono;

/** Connections that cannot be had the first few times. */
final class FailingConnections implements ConnectionFactory {

  private final ConnectionFactory factory;
  private final int failures;
  private final AtomicInteger asked = new AtomicInteger();

  FailingConnections(ConnectionFactory factory, int failures) {
    this.factory = factory;
    this.failures = failures;
  }

  int asked() {
    return asked.get();
  }

  @Override
  public Publisher<? extends Connection> create() {
    return Mono.defer(
        () ->
            asked.incrementAndGet() <= failures
                ? Mono.error(new R2dbcTransientResourceException("planned failure"))
                : Mono.from(factory.create()));
  }

  @Override
  public ConnectionFactoryMetadata getMetadata() {
    return factory.getMetadata();
  }
}
