package io.github.cursorstream.r2dbc.keyset;

import io.github.cursorstream.testing.TestDatabase;
import io.r2dbc.spi.Connection;
import io.r2dbc.spi.ConnectionFactory;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.function.Function;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import reactor.core.publisher.Flux;
import reactor.core.publisher.Mono;

/** What a page query reads, as EXPLAIN (ANALYZE, BUFFERS) counts it. */
final class Buffers {

  private static final Pattern BLOCKS =
      Pattern.compile("\"Shared Hit Blocks\": (\\d+),\\s*\"Shared Read Blocks\": (\\d+)");

  private final ConnectionFactory connections;
  private final TestDatabase database;
  private final ResolvedKeyset keyset;
  private final int pageSize;

  Buffers(TestDatabase database, ConnectionFactory connections, Keyset keyset, int pageSize) {
    this.connections = connections;
    this.database = database;
    this.pageSize = pageSize;
    this.keyset = Reading.one(with(c -> new KeysetResolver(keyset).resolve(c, null)));
  }

  /** The key values of the row at that place of the order, from 1. */
  List<String> keysAt(int place) {
    String order = PageSql.orderBy(keyset.order(), keyset.alias());
    String keys =
        keyset.orderNames().stream()
            .map(name -> PageSql.qualified(keyset.alias(), name) + "::text")
            .collect(Collectors.joining(", "));
    List<Object> row =
        database
            .query(
                "SELECT %s FROM %s ORDER BY %s OFFSET %d LIMIT 1"
                    .formatted(keys, keyset.from(), order, place - 1))
            .get(0);
    return Collections.unmodifiableList(
        new ArrayList<>(row.stream().map(value -> (String) value).toList()));
  }

  PageSql sql(List<String> after, List<String> upTo) {
    return new PageSql(keyset, false, after, upTo, pageSize);
  }

  static int branches(PageSql sql) {
    return sql.text().split("_part_\\d AS \\(", -1).length;
  }

  /** Counted when everything has been read once. */
  long read(PageSql sql) {
    return read(sql, "force_custom_plan");
  }

  long read(PageSql sql, String planCacheMode) {
    return read(sql.text(), sql.binds(), planCacheMode);
  }

  long read(String sql, List<Object> binds, String planCacheMode) {
    String types =
        binds.stream()
            .map(bind -> bind instanceof Boolean ? "boolean" : "varchar")
            .collect(Collectors.joining(", "));
    String values = binds.stream().map(bind -> "'" + bind + "'").collect(Collectors.joining(", "));
    String explain = "EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) EXECUTE page (" + values + ")";
    List<String> statements =
        List.of(
            "SET plan_cache_mode = " + planCacheMode,
            // The driver takes a dollar quote as it is, and its $1 for no bind of its own.
            "DO $do$ BEGIN EXECUTE $text$PREPARE page (%s) AS %s$text$; END $do$"
                .formatted(types, sql),
            explain,
            explain,
            "DEALLOCATE page");
    List<String> plans =
        Reading.one(
            with(
                c ->
                    Flux.fromIterable(statements)
                        .concatMap(s -> c.createStatement(s).execute())
                        .concatMap(r -> r.map((row, metadata) -> row.get(0, String.class)))
                        .collectList()));
    Matcher blocks = BLOCKS.matcher(plans.get(1));
    if (!blocks.find()) {
      throw new IllegalStateException("no buffers in " + plans);
    }
    return Long.parseLong(blocks.group(1)) + Long.parseLong(blocks.group(2));
  }

  private <T> Mono<T> with(Function<Connection, Mono<T>> work) {
    return Mono.usingWhen(connections.create(), work, Connection::close);
  }
}
