package io.github.cursorstream.r2dbc.keyset;

import io.github.cursorstream.r2dbc.internal.Identifiers;
import io.github.cursorstream.r2dbc.keyset.ResolvedKeyset.OrderColumn;
import io.r2dbc.spi.Connection;
import io.r2dbc.spi.Row;
import io.r2dbc.spi.Statement;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.function.Function;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;
import reactor.core.publisher.Flux;

/**
 * The statements of {@link KeysetBatches} that are not just a page query. Pure functions.
 *
 * @param text the SQL
 * @param binds the values of {@code $1…}, at least one: a statement without goes by the simple
 *     protocol, and hangs if it is cancelled before it is sent
 */
record BatchSql(String text, List<Object> binds) {

  /** More than any batch has, and one less than a page query takes. */
  static final int ALL = Integer.MAX_VALUE - 1;

  private static final Pattern PLAN_ROWS = Pattern.compile(" rows=(\\d+) ");

  /** Whoever writes rows holds one of these; a prepared transaction has no pid. */
  private static final String WRITERS =
      """
      SELECT DISTINCT l.virtualtransaction AS writer
      FROM pg_catalog.pg_locks l
      WHERE l.locktype = 'relation' AND l.granted
        AND l.database = (
          SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = current_database())
        AND (l.relation = $1::regclass
          OR l.relation IN (SELECT relid FROM pg_partition_tree($1::regclass)))
        AND l.mode IN ('RowExclusiveLock', 'ShareRowExclusiveLock', 'ExclusiveLock',
          'AccessExclusiveLock')
        AND l.pid IS DISTINCT FROM pg_backend_pid()""";

  /**
   * By the name alone: one that was prepared meanwhile has no pid any more, and on older servers
   * keeps only the number behind the slash. Whether it still holds the lock on the table does not
   * matter: that may be a partition that was detached.
   */
  private static final String STILL_THERE =
      """
      SELECT DISTINCT l.virtualtransaction AS writer
      FROM pg_catalog.pg_locks l
      WHERE l.virtualtransaction = ANY ($1::text[])
        OR l.pid IS NULL AND split_part(l.virtualtransaction, '/', 2) IN (
          SELECT split_part(w, '/', 2) FROM unnest($1::text[]) AS w)""";

  /** Whether the planner knows the values of a column, of the table or of one of its partitions. */
  private static final String ANALYZED =
      """
      SELECT EXISTS (SELECT FROM pg_catalog.pg_stats s
        JOIN pg_catalog.pg_namespace n ON n.nspname = s.schemaname
        JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = s.tablename
        WHERE s.attname = $2
          AND (s.histogram_bounds IS NOT NULL OR s.most_common_vals IS NOT NULL)
          AND (c.oid = $1::regclass
            OR c.oid IN (SELECT relid FROM pg_partition_tree($1::regclass)))) AS known""";

  /** Refuses an order that no single row comparison tells. */
  static ResolvedKeyset check(ResolvedKeyset keyset) {
    boolean table = isTable(keyset);
    boolean down = keyset.order().get(0).key().descending();
    boolean compared =
        keyset.order().stream()
            .allMatch(
                column ->
                    // Of a query nothing is proven; what is asked of one is right with NULLs too.
                    column.key().descending() == down && !(table && column.nullable()));
    if (compared) {
      return keyset;
    }
    String order =
        keyset.order().stream()
            .map(
                column ->
                    "\""
                        + column.key().name()
                        + '"'
                        + column.key().suffix()
                        + (table && column.nullable() ? " (admits NULLs)" : ""))
            .collect(Collectors.joining(", "));
    throw new InvalidKeysetException(
        "an order of NOT NULL columns in one direction required for batches but that of "
            + keyset.name()
            + " was "
            + order
            + (table
                ? "; leave out orderBy, for its primary key, or orderBy such columns"
                : "; orderBy columns in one direction"));
  }

  static boolean isTable(ResolvedKeyset keyset) {
    return keyset.sampled() != null;
  }

  /** The name of the table, for a cast to regclass. */
  static String table(ResolvedKeyset keyset, String what) {
    String table = keyset.sampled();
    if (table == null) {
      throw new InvalidKeysetException(
          "a Keyset.table required " + what + " but it was a query; name the table it reads");
    }
    return table;
  }

  /**
   * The range as row comparisons.
   *
   * @param qualifier quoted, or null
   */
  static RangeCondition condition(
      ResolvedKeyset keyset,
      @Nullable List<@Nullable String> after,
      List<@Nullable String> upTo,
      @Nullable String qualifier,
      int firstBind) {
    boolean down = keyset.order().get(0).key().descending();
    List<Object> binds = new ArrayList<>();
    String from = after == null ? "" : row(keyset, after, qualifier, down ? "<" : ">", firstBind);
    if (after != null) {
      after.forEach(value -> binds.add(Objects.requireNonNull(value)));
    }
    String to = row(keyset, upTo, qualifier, down ? ">=" : "<=", firstBind + binds.size());
    upTo.forEach(value -> binds.add(Objects.requireNonNull(value)));
    return new RangeCondition(from.isEmpty() ? to : from + " AND " + to, binds);
  }

  private static String row(
      ResolvedKeyset keyset,
      List<@Nullable String> values,
      @Nullable String qualifier,
      String comparison,
      int firstBind) {
    List<OrderColumn> columns = keyset.order().subList(0, values.size());
    String left =
        columns.stream()
            .map(column -> column.key().name())
            .map(
                name ->
                    qualifier == null
                        ? Identifiers.quote(name)
                        : PageSql.qualified(qualifier, name))
            .collect(Collectors.joining(", "));
    String right =
        IntStream.range(0, columns.size())
            .mapToObj(i -> "$" + (firstBind + i) + "::" + columns.get(i).type().sql())
            .collect(Collectors.joining(", "));
    return columns.size() == 1
        ? left + " " + comparison + " " + right
        : "(" + left + ") " + comparison + " (" + right + ")";
  }

  /** A cursor's values as the database writes them itself. Null if all are NULL. */
  static @Nullable BatchSql canonical(ResolvedKeyset keyset, List<@Nullable String> values) {
    List<Object> binds = new ArrayList<>();
    Bound bound = new Bound(keyset.order(), values, binds);
    String keys =
        IntStream.range(0, values.size())
            .mapToObj(
                i ->
                    (bound.isNull(i)
                            ? "NULL::text"
                            : keyset.order().get(i).type().rendered(bound.value(i)))
                        + " AS key_"
                        + (i + 1))
            .collect(Collectors.joining(", "));
    return binds.isEmpty() ? null : new BatchSql("SELECT " + keys, binds);
  }

  /** Each {@code size}-th key, {@code count} times at most. */
  static BatchSql ends(
      ResolvedKeyset keyset,
      @Nullable List<@Nullable String> after,
      List<@Nullable String> upTo,
      int size,
      int count) {
    long keys = (long) size * count;
    long rounded = keys <= 1 ? 1 : Long.highestOneBit(keys - 1) * 2;
    PageSql page = new PageSql(keyset.keysOnly(), false, after, upTo, (int) Math.min(rounded, ALL));
    List<Object> binds = new ArrayList<>(page.binds());
    binds.add(keys);
    String limit = "$" + binds.size();
    binds.add((long) size);
    String every = "$" + binds.size();
    return new BatchSql(
        "SELECT "
            + rendered(keyset)
            + " FROM (\nSELECT "
            + plain(keyset)
            + ", "
            + rowNumber(keyset)
            + " FROM (\nSELECT * FROM (\n"
            + page.text()
            + "\n) AS r\nORDER BY "
            + PageSql.orderBy(keyset.order(), "r")
            + "\nLIMIT "
            + limit
            + "\n) AS p) AS s\nWHERE n % "
            + every
            + " = 0 ORDER BY n",
        binds);
  }

  /** The last key of the first half. */
  static BatchSql middle(
      ResolvedKeyset keyset, @Nullable List<@Nullable String> after, List<@Nullable String> upTo) {
    return numbered(keyset, after, upTo, "", "n = total / 2");
  }

  /** How many rows satisfy the filter, and the keys of some. */
  static BatchSql matches(
      ResolvedKeyset keyset,
      @Nullable List<@Nullable String> after,
      List<@Nullable String> upTo,
      int some) {
    return numbered(keyset, after, upTo, ", s.total", "n <= " + some + " ORDER BY n");
  }

  private static BatchSql numbered(
      ResolvedKeyset keyset,
      @Nullable List<@Nullable String> after,
      List<@Nullable String> upTo,
      String more,
      String which) {
    PageSql page = new PageSql(keyset.keysOnly(), false, after, upTo, ALL);
    return new BatchSql(
        "SELECT "
            + rendered(keyset)
            + more
            + " FROM (\nSELECT "
            + plain(keyset)
            + ", "
            + rowNumber(keyset)
            + ", count(*) OVER () AS total FROM (\n"
            + page.text()
            + "\n) AS p) AS s\nWHERE "
            + which,
        page.binds());
  }

  /** The first row, whole. */
  static BatchSql json(
      ResolvedKeyset keyset, @Nullable List<@Nullable String> after, List<@Nullable String> upTo) {
    List<Object> binds = new ArrayList<>(keyset.binds());
    String range;
    if (isTable(keyset)) {
      RangeCondition condition = condition(keyset, after, upTo, keyset.alias(), binds.size() + 1);
      binds.addAll(condition.binds());
      range = condition.sql();
    } else {
      String behind =
          after == null
              ? ""
              : new Bound(keyset.order(), after, binds).holds(keyset.alias()) + " IS NOT TRUE AND ";
      range = behind + new Bound(keyset.order(), upTo, binds).holds(keyset.alias());
    }
    // With the star: a column may have the table's name.
    return new BatchSql(
        "SELECT to_jsonb("
            + keyset.alias()
            + ".*)::text AS item\nFROM "
            + keyset.from()
            + "\nWHERE "
            + range
            + "\nORDER BY "
            + PageSql.orderBy(keyset.order(), keyset.alias())
            + "\nLIMIT 1",
        binds);
  }

  /** Who is writing to a table now. */
  static BatchSql writers(String table) {
    return new BatchSql(WRITERS, List.of(table));
  }

  /** Who of these has not ended. */
  static BatchSql stillThere(List<String> writers) {
    return new BatchSql(STILL_THERE, List.of((Object) writers.toArray(String[]::new)));
  }

  /** Whether there are statistics of the order's first column. */
  static BatchSql analyzed(ResolvedKeyset keyset) {
    return new BatchSql(
        ANALYZED, List.of(table(keyset, "for its statistics"), keyset.orderNames().get(0)));
  }

  /**
   * How many keys the planner expects up to a position. By the first column: of a row comparison it
   * would look at no other, and take the two sides of a range for independent.
   */
  static BatchSql expected(ResolvedKeyset keyset, List<@Nullable String> upTo) {
    RangeCondition condition = condition(keyset, null, upTo.subList(0, 1), keyset.alias(), 1);
    return new BatchSql(
        "EXPLAIN SELECT FROM " + keyset.from() + " WHERE " + condition.sql(), condition.binds());
  }

  /** The number of rows in the first line of a plan. */
  static double expected(List<String> plan) {
    Matcher rows = PLAN_ROWS.matcher(plan.get(0));
    if (!rows.find()) {
      throw new IllegalStateException("a plan with rows= required but it was " + plan);
    }
    return Double.parseDouble(rows.group(1));
  }

  // Pieces.

  static String plain(ResolvedKeyset keyset) {
    return IntStream.range(0, keyset.order().size())
        .mapToObj(
            i -> PageSql.qualified("p", keyset.order().get(i).key().name()) + " AS key_" + (i + 1))
        .collect(Collectors.joining(", "));
  }

  /** Only what is left of the rows is rendered. */
  static String rendered(ResolvedKeyset keyset) {
    return IntStream.rangeClosed(1, keyset.order().size())
        .mapToObj(i -> keyset.order().get(i - 1).type().rendered("s.key_" + i) + " AS key_" + i)
        .collect(Collectors.joining(", "));
  }

  static String rowNumber(ResolvedKeyset keyset) {
    return "row_number() OVER (ORDER BY " + PageSql.orderBy(keyset.order(), "p") + ") AS n";
  }

  // Running.

  /** The text forms of the key in each row. */
  static List<@Nullable String> values(ResolvedKeyset keyset, int columns, Row row) {
    List<@Nullable String> values = new ArrayList<>();
    for (int i = 0; i < columns; i++) {
      values.add(keyset.order().get(i).type().text(row.get(i, String.class)));
    }
    return values;
  }

  <R> Flux<R> run(Connection connection, Function<Row, R> read) {
    Statement statement = connection.createStatement(text);
    for (int i = 0; i < binds.size(); i++) {
      statement.bind(i, binds.get(i));
    }
    // All rows at once: a portal would take a round trip more.
    statement.fetchSize(0);
    return Flux.from(statement.execute())
        .concatMap(result -> result.map((row, metadata) -> read.apply(row)));
  }
}
