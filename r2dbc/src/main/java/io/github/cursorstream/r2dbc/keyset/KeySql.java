package io.github.cursorstream.r2dbc.keyset;

import io.github.cursorstream.r2dbc.keyset.ResolvedKeyset.OrderColumn;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/** The statements of {@link KeysetBatches} that look at single keys of a table. Pure functions. */
final class KeySql {

  private KeySql() {}

  /** The keys of a table's range in order, and whether each row satisfies the filter. */
  static BatchSql keys(
      ResolvedKeyset keyset, @Nullable List<@Nullable String> after, List<@Nullable String> upTo) {
    List<Object> binds = new ArrayList<>(keyset.binds());
    RangeCondition range =
        BatchSql.condition(keyset, after, upTo, keyset.alias(), binds.size() + 1);
    binds.addAll(range.binds());
    return new BatchSql(
        "SELECT "
            + keys(keyset)
            + ", "
            + (keyset.filter() == null ? "true" : "(" + keyset.filter() + ") IS TRUE")
            + " AS matches\nFROM "
            + keyset.from()
            + "\nWHERE "
            + range.sql()
            + "\nORDER BY "
            + PageSql.orderBy(keyset.order(), keyset.alias()),
        binds);
  }

  /** Those of some keys whose rows satisfy the filter. It sees no names but the table's own. */
  static BatchSql matches(ResolvedKeyset keyset, List<List<@Nullable String>> keys) {
    BatchSql.table(keyset, "to look for keys");
    List<Object> binds = new ArrayList<>(keyset.binds());
    String unnested = unnest(keyset, keys, binds);
    return new BatchSql(
        "SELECT "
            + keys(keyset)
            + "\nFROM "
            + keyset.from()
            + "\nWHERE "
            + (keyset.filter() == null ? "" : "(" + keyset.filter() + ")\n  AND ")
            + "("
            + keyset.order().stream()
                .map(column -> PageSql.qualified(keyset.alias(), column.key().name()))
                .collect(Collectors.joining(", "))
            + ") IN (SELECT "
            + cast(keyset)
            + " FROM "
            + unnested
            + ")\nORDER BY "
            + PageSql.orderBy(keyset.order(), keyset.alias()),
        binds);
  }

  /**
   * The ranks of positions, in the order of the list. The empty half lends its columns' collations;
   * what a prefix leaves out comes behind every value.
   */
  static BatchSql ranks(ResolvedKeyset keyset, List<List<@Nullable String>> positions) {
    BatchSql.table(keyset, "to compare positions");
    List<OrderColumn> order = keyset.order();
    List<Object> binds = new ArrayList<>();
    String unnested = unnest(keyset, positions, binds);
    return new BatchSql(
        "SELECT dense_rank() OVER (ORDER BY "
            + order.stream()
                .map(
                    column ->
                        PageSql.qualified("s", column.key().name())
                            + (column.key().descending() ? " DESC" : "")
                            + " NULLS LAST")
                .collect(Collectors.joining(", "))
            + ") AS rank FROM (\nSELECT "
            + order.stream()
                .map(column -> PageSql.qualified(keyset.alias(), column.key().name()))
                .collect(Collectors.joining(", "))
            + ", 0::bigint AS cursorstream_n FROM "
            + keyset.from()
            + " WHERE false\nUNION ALL SELECT "
            + cast(keyset)
            + ", k.n\nFROM "
            + unnested
            + ") AS s\nORDER BY cursorstream_n",
        binds);
  }

  // Pieces.

  private static String keys(ResolvedKeyset keyset) {
    return IntStream.rangeClosed(1, keyset.order().size())
        .mapToObj(
            i -> {
              OrderColumn column = keyset.order().get(i - 1);
              String plain = PageSql.qualified(keyset.alias(), column.key().name());
              return column.type().rendered(plain) + " AS key_" + i;
            })
        .collect(Collectors.joining(", "));
  }

  /** Positions as rows of text, which are NULL where a prefix has no value. Adds their values. */
  private static String unnest(
      ResolvedKeyset keyset, List<List<@Nullable String>> positions, List<Object> binds) {
    List<String> arrays = new ArrayList<>();
    List<String> names = new ArrayList<>();
    for (int i = 0; i < keyset.order().size(); i++) {
      int column = i;
      binds.add(
          positions.stream()
              .map(values -> column < values.size() ? values.get(column) : null)
              .toArray(String[]::new));
      arrays.add("$" + binds.size() + "::text[]");
      names.add("key_" + (i + 1));
    }
    return "unnest(%s) WITH ORDINALITY AS k(%s, n)"
        .formatted(String.join(", ", arrays), String.join(", ", names));
  }

  private static String cast(ResolvedKeyset keyset) {
    return IntStream.rangeClosed(1, keyset.order().size())
        .mapToObj(i -> "k.key_" + i + "::" + keyset.order().get(i - 1).type().sql())
        .collect(Collectors.joining(", "));
  }
}
