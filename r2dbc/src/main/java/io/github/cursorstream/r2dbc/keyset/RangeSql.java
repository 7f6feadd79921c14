package io.github.cursorstream.r2dbc.keyset;

import io.github.cursorstream.cursor.Cursor;
import io.github.cursorstream.cursor.CursorCodec;
import io.github.cursorstream.r2dbc.keyset.ResolvedKeyset.OrderColumn;
import io.r2dbc.spi.Connection;
import io.r2dbc.spi.Row;
import io.r2dbc.spi.Statement;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;
import reactor.core.publisher.Flux;
import reactor.core.publisher.Mono;

/**
 * The queries that cut an order into ranges of about equal size.
 *
 * <pre>
 * SELECT key_1, … FROM (
 *   SELECT "t"."id"::text AS key_1, row_number() OVER (ORDER BY "t"."id") AS n,
 *     count(*) OVER () AS total
 *   FROM "t" TABLESAMPLE SYSTEM (2.5)) AS s
 * WHERE n &lt; total AND n * 8 / total &gt; (n - 1) * 8 / total ORDER BY n
 * </pre>
 */
final class RangeSql {

  /**
   * Sampled blocks for each range. Where neighbours in the order are neighbours on disk, a block
   * counts as one sample: the sizes of n ranges from m samples differ by sqrt(n / m) of their mean
   * (standard deviation), here 6 %.
   */
  private static final int BLOCKS_PER_RANGE = 300;

  /** Fewer sampled rows than this for each range, after the filter, and all are read instead. */
  private static final int ROWS_PER_RANGE = 300;

  private final ResolvedKeyset keyset;
  private final @Nullable List<@Nullable String> after;
  private final @Nullable List<@Nullable String> upTo;
  private final int count;

  RangeSql(
      ResolvedKeyset keyset,
      @Nullable List<@Nullable String> after,
      @Nullable List<@Nullable String> upTo,
      int count) {
    this.keyset = keyset;
    this.after = after;
    this.upTo = upTo;
    this.count = count;
  }

  /** The ranges between these bounds. */
  static List<KeyRange> ranges(@Nullable Cursor after, List<Cursor> cuts, @Nullable Cursor upTo) {
    List<KeyRange> ranges = new ArrayList<>();
    Cursor from = after;
    for (Cursor cut : cuts) {
      ranges.add(new KeyRange(from, cut));
      from = cut;
    }
    ranges.add(new KeyRange(from, upTo));
    return ranges;
  }

  /** The last keys of all ranges but the last. */
  Mono<List<Cursor>> boundaries(Connection connection, CursorCodec codec) {
    if (count == 1) {
      return Mono.just(List.of());
    }
    return percent(connection)
        .flatMap(
            percent ->
                percent > 50
                    ? cuts(connection, codec, "", 0)
                    : cuts(connection, codec, sample(percent), ROWS_PER_RANGE * (long) count)
                        .switchIfEmpty(Mono.defer(() -> cuts(connection, codec, "", 0))));
  }

  private static String sample(double percent) {
    return " TABLESAMPLE SYSTEM (" + percent + ")";
  }

  /** How much of the table has to be sampled; 100 for what cannot be. */
  private Mono<Double> percent(Connection connection) {
    if (keyset.sampled() == null) {
      return Mono.just(100.0);
    }
    Statement blocks =
        connection
            .createStatement(
                """
                SELECT coalesce(
                  (SELECT sum(pg_relation_size(relid)) FROM pg_partition_tree($1::regclass)
                   WHERE isleaf), pg_relation_size($1::regclass), 0)::float8
                  / current_setting('block_size')::float8 AS blocks""")
            .bind("$1", keyset.sampled());
    return Flux.from(blocks.execute())
        .concatMap(result -> result.map((row, metadata) -> number(row, "blocks")))
        .single()
        .map(n -> Math.min(100.0, 100.0 * BLOCKS_PER_RANGE * count / Math.max(1.0, n)));
  }

  private static double number(Row row, String column) {
    Double value = row.get(column, Double.class);
    return value == null ? 0 : value;
  }

  /** Empty if fewer rows than that were found. */
  private Mono<List<Cursor>> cuts(
      Connection connection, CursorCodec codec, String sample, long leastRows) {
    List<Object> binds = new ArrayList<>(keyset.binds());
    List<String> conditions = new ArrayList<>();
    if (keyset.filter() != null) {
      conditions.add("(" + keyset.filter() + ")");
    }
    if (after != null) {
      String holds = new Bound(keyset.order(), after, binds).holds(keyset.alias());
      conditions.add(holds + " IS NOT TRUE");
    }
    if (upTo != null) {
      conditions.add(new Bound(keyset.order(), upTo, binds).holds(keyset.alias()));
    }
    if (binds.isEmpty()) {
      // As in a page query: the simple protocol loses rows, and perhaps the connection, to a
      // cancel.
      binds.add(true);
      conditions.add("$1");
    }
    String sql =
        "SELECT "
            + keyNames()
            + ", total::float8 AS total FROM (\nSELECT "
            + keys(keyset.alias())
            + ", row_number() OVER (ORDER BY "
            + PageSql.orderBy(keyset.order(), keyset.alias())
            + ") AS n, count(*) OVER () AS total\nFROM "
            + keyset.from()
            + sample
            + (conditions.isEmpty() ? "" : "\nWHERE " + String.join(" AND ", conditions))
            + ") AS s\nWHERE n < total AND n * "
            + count
            + " / total > (n - 1) * "
            + count
            + " / total ORDER BY n";
    return cursors(connection.createStatement(sql), binds, codec, leastRows)
        .collectList()
        .filter(cuts -> leastRows == 0 || !cuts.isEmpty());
  }

  /** The last keys of the next pages, read from the index alone where there is one. */
  Flux<Cursor> pageEnds(Connection connection, CursorCodec codec, int pageSize) {
    boolean seeks =
        keyset.proven()
            && keyset.createIndex() == null
            && keyset.order().stream()
                .noneMatch(column -> column.nullable() || column.key().descending() != descends());
    BatchSql sql = seeks ? seekEnds(pageSize) : countEnds(pageSize);
    return cursors(connection.createStatement(sql.text()), sql.binds(), codec, 0);
  }

  /**
   * Each end is looked for behind the one before it, which costs a quarter of counting rows:
   *
   * <pre>
   * WITH RECURSIVE s AS ((
   *   SELECT "t"."id" FROM "t" WHERE "t"."id" &gt; $1 ORDER BY "t"."id" LIMIT 1 OFFSET 999
   * ) UNION ALL (SELECT p.* FROM s CROSS JOIN LATERAL (
   *   SELECT "t"."id" FROM "t" WHERE "t"."id" &gt; s."id" ORDER BY "t"."id" LIMIT 1 OFFSET 999
   * ) AS p)) SELECT s."id"::text AS key_1 FROM s LIMIT 32
   * </pre>
   */
  private BatchSql seekEnds(int pageSize) {
    PageSql first = new PageSql(keyset.keysOnly(), false, after, upTo, 1);
    List<Object> binds = new ArrayList<>(first.binds());
    List<String> conditions = new ArrayList<>();
    if (keyset.filter() != null) {
      conditions.add("(" + keyset.filter() + ")");
    }
    conditions.add(row(keyset.alias()) + (descends() ? " < " : " > ") + row("s"));
    if (upTo != null) {
      Bound end = new Bound(keyset.order(), upTo, binds);
      conditions.addAll(new PageConditions(keyset.alias(), keyset.order(), null, end).asRow());
    }
    String offset = " OFFSET " + (pageSize - 1);
    return new BatchSql(
        "WITH RECURSIVE s AS ((\n"
            + first.text()
            + offset
            + "\n) UNION ALL (SELECT p.* FROM s CROSS JOIN LATERAL (\nSELECT "
            + plain(keyset.alias())
            + "\nFROM "
            + keyset.from()
            + "\nWHERE "
            + String.join("\n  AND ", conditions)
            + "\nORDER BY "
            + PageSql.orderBy(keyset.order(), keyset.alias())
            + "\nLIMIT 1"
            + offset
            + "\n) AS p)) SELECT "
            + keys("s")
            + " FROM s LIMIT "
            + count,
        binds);
  }

  private boolean descends() {
    return keyset.order().get(0).key().descending();
  }

  private String plain(String from) {
    return keyset.orderNames().stream()
        .map(name -> PageSql.qualified(from, name))
        .collect(Collectors.joining(", "));
  }

  private String row(String from) {
    return "(" + plain(from) + ")";
  }

  /**
   * In any order:
   *
   * <pre>
   * SELECT s.key_1::text AS key_1, … FROM (
   *   SELECT p."id" AS key_1, …, row_number() OVER (ORDER BY p."id") AS n
   *   FROM (SELECT "t"."id" FROM "t" WHERE "t"."id" &gt; $1 ORDER BY "t"."id" LIMIT 32000) AS p
   * ) AS s WHERE n % 1000 = 0 ORDER BY n
   * </pre>
   */
  private BatchSql countEnds(int pageSize) {
    PageSql rows = new PageSql(keyset.keysOnly(), false, after, upTo, pageSize * count);
    return new BatchSql(
        "SELECT "
            + BatchSql.rendered(keyset)
            + " FROM (\nSELECT "
            + BatchSql.plain(keyset)
            + ", "
            + BatchSql.rowNumber(keyset)
            + " FROM (\n"
            + rows.text()
            + "\n) AS p) AS s\nWHERE n % "
            + pageSize
            + " = 0 ORDER BY n",
        rows.binds());
  }

  private String keyNames() {
    return IntStream.rangeClosed(1, keyset.order().size())
        .mapToObj(i -> "key_" + i)
        .collect(Collectors.joining(", "));
  }

  private String keys(String from) {
    return IntStream.range(0, keyset.order().size())
        .mapToObj(
            i -> {
              OrderColumn column = keyset.order().get(i);
              String plain = PageSql.qualified(from, column.key().name());
              return column.type().rendered(plain) + " AS key_" + (i + 1);
            })
        .collect(Collectors.joining(", "));
  }

  private Flux<Cursor> cursors(
      Statement statement, List<Object> binds, CursorCodec codec, long leastRows) {
    for (int i = 0; i < binds.size(); i++) {
      statement.bind(i, binds.get(i));
    }
    return Flux.from(statement.execute())
        .concatMap(
            result ->
                result.map(
                    (row, metadata) ->
                        leastRows > 0 && number(row, "total") < leastRows
                            ? List.<@Nullable String>of()
                            : values(row)))
        .filter(values -> !values.isEmpty())
        .map(values -> codec.issue(Cursor.ofText(keyset.orderNames(), values)))
        .distinctUntilChanged();
  }

  private List<@Nullable String> values(Row row) {
    List<@Nullable String> values = new ArrayList<>();
    for (int i = 0; i < keyset.order().size(); i++) {
      values.add(keyset.order().get(i).type().text(row.get(i, String.class)));
    }
    return values;
  }
}
