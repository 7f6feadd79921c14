package io.github.cursorstream.r2dbc.store;

import io.github.cursorstream.run.Again;
import io.github.cursorstream.run.Range;
import io.r2dbc.spi.Batch;
import io.r2dbc.spi.Connection;
import io.r2dbc.spi.Parameters;
import io.r2dbc.spi.R2dbcType;
import io.r2dbc.spi.Row;
import io.r2dbc.spi.Statement;
import java.util.Arrays;
import java.util.List;
import java.util.function.Function;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import reactor.core.publisher.Flux;
import reactor.core.publisher.Mono;

/**
 * Statements with values, always at least one: without, a cancel hangs the connection. But the
 * driver sends such a one only when the one before has been answered.
 */
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

  /** Statements whose values stand in them, sent at once in one message. Their rows are text. */
  static <T> Flux<T> inOneMessage(
      Connection connection, Function<Row, T> mapper, String... statements) {
    return Flux.defer(
            () -> {
              Batch batch = connection.createBatch();
              for (String statement : statements) {
                batch.add(statement);
              }
              return Flux.from(batch.execute());
            })
        .concatMap(result -> result.map((row, metadata) -> mapper.apply(row)));
  }

  private static Statement bound(Connection connection, String sql, Object... binds) {
    Statement statement = connection.createStatement(sql).fetchSize(0);
    for (int i = 0; i < binds.length; i++) {
      statement.bind(i, binds[i]);
    }
    return statement;
  }

  static String[] afters(List<Range> ranges) {
    return ranges.stream().map(Range::after).toArray(String[]::new);
  }

  static String[] upTos(List<Range> ranges) {
    return ranges.stream().map(Range::upTo).toArray(String[]::new);
  }

  static List<Range> ranges(List<Again> again) {
    return again.stream().map(Again::range).toList();
  }

  static Integer[] attempts(List<Again> ranges) {
    return ranges.stream().map(Again::attempts).toArray(Integer[]::new);
  }

  static Long[] delays(List<Again> ranges) {
    return ranges.stream().map(each -> each.after().toMillis()).toArray(Long[]::new);
  }

  /** An array as it stands in SQL that takes no values, such as a batch's. */
  static String literal(Object[] values) {
    return Arrays.stream(values)
        .map(value -> value instanceof String text ? literal(text) : String.valueOf(value))
        .collect(Collectors.joining(", ", "ARRAY[", "]"));
  }

  /** With escapes, which mean the same whatever standard_conforming_strings says. */
  static String literal(String text) {
    return "E'" + text.replace("\\", "\\\\").replace("'", "''") + "'";
  }

  /** A text that may be null. */
  static Object text(@Nullable String value) {
    return value == null ? Parameters.in(R2dbcType.VARCHAR) : value;
  }
}
