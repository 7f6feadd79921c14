package io.github.cursorstream.r2dbc.store;

import io.r2dbc.spi.Connection;
import io.r2dbc.spi.Parameters;
import io.r2dbc.spi.R2dbcType;
import io.r2dbc.spi.Row;
import io.r2dbc.spi.Statement;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;
import reactor.core.publisher.Flux;
import reactor.core.publisher.Mono;

/** Statements with values, always at least one: without, a cancel hangs the connection. */
final class Statements {

  private Statements() {}

  static <T> Flux<T> query(
      Connection connection, String sql, Function<Row, T> mapper, Object... binds) {
    return Flux.defer(
        () ->
            Flux.from(bound(connection, sql, binds).execute())
                .concatMap(result -> result.map((row, metadata) -> mapper.apply(row))));
  }

  static Mono<Long> update(Connection connection, String sql, Object... binds) {
    return Flux.defer(() -> Flux.from(bound(connection, sql, binds).execute()))
        .concatMap(result -> result.getRowsUpdated())
        .reduce(0L, Long::sum);
  }

  private static Statement bound(Connection connection, String sql, Object... binds) {
    Statement statement = connection.createStatement(sql).fetchSize(0);
    for (int i = 0; i < binds.length; i++) {
      statement.bind(i, binds[i]);
    }
    return statement;
  }

  /** A text that may be null. */
  static Object text(@Nullable String value) {
    return value == null ? Parameters.in(R2dbcType.VARCHAR) : value;
  }
}
