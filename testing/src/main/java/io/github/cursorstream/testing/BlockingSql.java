package io.github.cursorstream.testing;

import io.r2dbc.postgresql.PostgresqlConnectionFactory;
import io.r2dbc.postgresql.api.PostgresqlConnection;
import io.r2dbc.postgresql.api.PostgresqlResult;
import io.r2dbc.spi.Readable;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Objects;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;
import reactor.core.publisher.Flux;

/** Statements that block, each call on a connection of its own. */
final class BlockingSql {

  /** By this name the helpers' sessions are told from those under test. */
  static final String APPLICATION_NAME = "cursorstream-testing";

  /** Long enough to load big tables; it only keeps a lost test from hanging for ever. */
  private static final Duration TIMEOUT = Duration.ofMinutes(10);

  private final PostgresqlConnectionFactory connections;

  BlockingSql(Login login) {
    this.connections =
        new PostgresqlConnectionFactory(
            login.configuration().applicationName(APPLICATION_NAME).build());
  }

  /** Runs the statements in order, each in a transaction of its own; the rows affected in all. */
  long execute(String... statements) {
    List<Long> affected =
        run(
            connection ->
                Flux.fromArray(statements)
                    .concatMap(sql -> connection.createStatement(sql).execute())
                    .concatMap(PostgresqlResult::getRowsUpdated));
    return affected.stream().mapToLong(Long::longValue).sum();
  }

  List<List<@Nullable Object>> query(String sql) {
    return run(
        connection ->
            connection
                .createStatement(sql)
                .execute()
                .concatMap(
                    result ->
                        result.map(
                            (row, columns) -> values(row, columns.getColumnMetadatas().size()))));
  }

  private static List<@Nullable Object> values(Readable row, int columns) {
    List<@Nullable Object> values = new ArrayList<>(columns);
    for (int i = 0; i < columns; i++) {
      values.add(row.get(i));
    }
    return Collections.unmodifiableList(values);
  }

  private <T> List<T> run(Function<PostgresqlConnection, Flux<T>> work) {
    List<T> all =
        Flux.usingWhen(connections.create(), work, PostgresqlConnection::close)
            .collectList()
            .block(TIMEOUT);
    return Objects.requireNonNull(all);
  }
}
