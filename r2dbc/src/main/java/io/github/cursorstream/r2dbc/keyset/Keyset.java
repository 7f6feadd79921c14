package io.github.cursorstream.r2dbc.keyset;

import io.github.cursorstream.r2dbc.internal.Identifiers;
import io.github.cursorstream.r2dbc.internal.SqlFragment;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * What is read, and in which order.
 *
 * <pre>{@code
 * Keyset.table("app.articles")
 *     .select("id", "title")
 *     .where("active and kind = :kind").bind("kind", "a")
 *     .orderBy(KeyColumn.desc("published_at"), KeyColumn.asc("id"));
 * }</pre>
 *
 * becomes, behind a cursor,
 *
 * <pre>
 * SELECT … FROM "app"."articles" WHERE (active and kind = $1) AND … ORDER BY … LIMIT 1000
 * </pre>
 *
 * <p>The order must be unique. For a table that is proven from the catalog: by the primary key, or
 * by a valid, immediate, non-partial unique index on plain columns which are all NOT NULL (or NULLS
 * NOT DISTINCT). An order that is not is lengthened by the primary key, in the direction of its
 * last column. Immutable.
 */
public final class Keyset {

  /** The parts of the table's name, or none for a query. */
  final List<String> table;

  final @Nullable SqlFragment query;
  final List<String> columns;
  final @Nullable SqlFragment filter;
  final Map<String, Object> binds;
  final List<KeyColumn> order;

  private Keyset(
      List<String> table,
      @Nullable SqlFragment query,
      List<String> columns,
      @Nullable SqlFragment filter,
      Map<String, Object> binds,
      List<KeyColumn> order) {
    this.table = table;
    this.query = query;
    this.columns = columns;
    this.filter = filter;
    this.binds = binds;
    this.order = order;
  }

  /**
   * The rows of a table, a partitioned table or a materialized view, in the order of its primary
   * key.
   *
   * @param name its name as the catalog spells it, perhaps qualified: {@code users}, {@code
   *     app.users}; a part that holds a dot stands in double quotes
   * @return all its rows and columns
   */
  public static Keyset table(String name) {
    return new Keyset(Identifiers.split(name), null, List.of(), null, Map.of(), List.of());
  }

  /**
   * The rows of a view, a join, or any other SELECT; it becomes a subquery. {@link #orderBy} is
   * required, and its columns are columns of the result. Whether the order is unique cannot be
   * proven: each page looks one row ahead, and a tie at its end is a {@link TiedKeysException}.
   *
   * @param sql a SELECT, with {@code :names} for values
   * @return its rows
   */
  public static Keyset query(String sql) {
    Objects.requireNonNull(sql, "sql");
    return new Keyset(
        List.of(),
        SqlFragment.parse(SqlFragment.Kind.QUERY, sql),
        List.of(),
        null,
        Map.of(),
        List.of());
  }

  /**
   * Which columns are read. Defaults to all. Columns of the order need not be among them.
   *
   * @param names one or more
   * @return a keyset that reads these
   */
  public Keyset select(String... names) {
    List<String> selected = List.of(names);
    if (selected.isEmpty()) {
      throw new IllegalArgumentException("one column or more required but there was none");
    }
    selected.forEach(name -> Identifiers.check(name, "selected column"));
    return new Keyset(table, query, selected, filter, binds, order);
  }

  /**
   * Which rows are read: a condition as behind WHERE. Where there is one already, both must hold.
   * Strings, dollar quotes, comments and casts are understood; ORDER BY, LIMIT, OFFSET, {@code ;}
   * and unbalanced parentheses are refused.
   *
   * @param condition SQL with {@code :names} for values
   * @return a keyset with this condition
   */
  public Keyset where(String condition) {
    Objects.requireNonNull(condition, "condition");
    SqlFragment added = SqlFragment.parse(SqlFragment.Kind.CONDITION, condition);
    SqlFragment both =
        filter == null
            ? added
            : SqlFragment.parse(
                SqlFragment.Kind.CONDITION, "(" + filter + "\n) AND (" + condition + "\n)");
    return new Keyset(table, query, columns, both, binds, order);
  }

  /**
   * The value of a {@code :name}.
   *
   * @param name without the colon; it must occur in the query or the condition
   * @param value anything the driver can bind, an R2DBC {@code Parameter} for a typed NULL
   * @return a keyset with this value
   */
  public Keyset bind(String name, Object value) {
    if (!names().contains(Objects.requireNonNull(name, "name"))) {
      throw new IllegalArgumentException(
          "a name that occurs in the SQL required but it was :" + name + ", known: " + names());
    }
    if (value == null) {
      throw new NullPointerException(
          "value of :" + name + "; for NULL write IS NULL, or bind Parameters.in(type)");
    }
    Map<String, Object> more = new HashMap<>(binds);
    more.put(name, value);
    return new Keyset(table, query, columns, filter, Map.copyOf(more), order);
  }

  /**
   * The order. Defaults to the primary key of the table.
   *
   * @param keyColumns one or more, each column once
   * @return a keyset in this order
   */
  public Keyset orderBy(KeyColumn... keyColumns) {
    if (keyColumns.length == 0) {
      throw new IllegalArgumentException(
          "an order of one column or more required but it was empty");
    }
    Set<String> seen = new HashSet<>();
    for (KeyColumn column : keyColumns) {
      if (!seen.add(column.name())) {
        throw new IllegalArgumentException(
            "each column once required in orderBy but \"" + column.name() + "\" occurs twice");
      }
    }
    return new Keyset(table, query, columns, filter, binds, List.of(keyColumns));
  }

  /** Everything that can be checked without a database. */
  Keyset complete() {
    if (query != null && order.isEmpty()) {
      throw new InvalidKeysetException(
          "orderBy required for a query but there was none; name columns of its result that are"
              + " unique together");
    }
    List<String> missing = new ArrayList<>(names());
    missing.removeAll(binds.keySet());
    if (!missing.isEmpty()) {
      throw new IllegalArgumentException(
          "a value for each :name required but these have none: " + missing);
    }
    return this;
  }

  private Set<String> names() {
    Set<String> names = new HashSet<>();
    if (query != null) {
      names.addAll(query.names());
    }
    if (filter != null) {
      names.addAll(filter.names());
    }
    return names;
  }

  @Override
  public String toString() {
    return query != null ? query.toString() : Identifiers.quote(table);
  }
}
