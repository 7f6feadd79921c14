package io.github.cursorstream.r2dbc.internal;

import io.r2dbc.postgresql.api.PostgresqlConnection;
import io.r2dbc.spi.Connection;
import io.r2dbc.spi.ConnectionFactory;
import io.r2dbc.spi.ConnectionFactoryMetadata;
import io.r2dbc.spi.Result;
import io.r2dbc.spi.Statement;
import io.r2dbc.spi.Wrapped;
import java.lang.reflect.InvocationHandler;
import java.lang.reflect.Proxy;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.CopyOnWriteArrayList;
import org.reactivestreams.Publisher;
import reactor.core.publisher.Mono;
import reactor.core.scheduler.Scheduler;

/** A pooled connection over one of the driver's, both of which only write down what is done. */
final class FakeConnection {

  final List<String> log = new CopyOnWriteArrayList<>();

  Mono<Void> ping = Mono.empty();
  Mono<Void> cancelRequest = Mono.empty();
  Mono<Void> physicalClose = Mono.empty();

  /** Where the connection does its work; null if it does not tell. */
  Scheduler loop;

  /** Whether it is in no transaction; throws if null. */
  Boolean autoCommit = true;

  /** Throws if null. */
  Mono<Void> close = Mono.empty();

  private Mono<Void> done(String what, Mono<Void> answer) {
    return answer.doOnSubscribe(subscription -> log.add(what));
  }

  Connection proxy() {
    InvocationHandler driver =
        (self, method, arguments) ->
            switch (method.getName()) {
              case "cancelRequest" -> done("cancel request", cancelRequest);
              case "close" -> done("physical close", physicalClose);
              case "unwrap" -> arguments == null ? null : loop;
              default -> throw new UnsupportedOperationException(method.toString());
            };
    Object physical =
        Proxy.newProxyInstance(
            getClass().getClassLoader(),
            new Class<?>[] {PostgresqlConnection.class, Wrapped.class},
            driver);
    InvocationHandler pooled =
        (self, method, arguments) ->
            switch (method.getName()) {
              case "unwrap" -> physical;
              case "close" -> {
                if (close == null) {
                  throw new IllegalStateException("closed already");
                }
                yield done("close", close);
              }
              case "createStatement" -> statement();
              case "isAutoCommit" -> Objects.requireNonNull(autoCommit);
              default -> throw new UnsupportedOperationException(method.toString());
            };
    return (Connection)
        Proxy.newProxyInstance(
            getClass().getClassLoader(), new Class<?>[] {Connection.class, Wrapped.class}, pooled);
  }

  private Statement statement() {
    return proxy(
        Statement.class,
        (self, method, arguments) -> {
          if (!method.getName().equals("execute")) {
            throw new UnsupportedOperationException(method.toString());
          }
          Result result = proxy(Result.class, (result2, method2, arguments2) -> done("ping", ping));
          return Mono.just(result);
        });
  }

  private static <T> T proxy(Class<T> type, InvocationHandler handler) {
    return type.cast(Proxy.newProxyInstance(type.getClassLoader(), new Class<?>[] {type}, handler));
  }

  ConnectionFactory factory() {
    return factory(Mono.fromSupplier(this::proxy));
  }

  ConnectionFactory factory(Mono<Connection> connections) {
    return new ConnectionFactory() {
      @Override
      public Publisher<? extends Connection> create() {
        return connections;
      }

      @Override
      public ConnectionFactoryMetadata getMetadata() {
        return () -> "fake";
      }
    };
  }
}
