package io.github.cursorstream.r2dbc.keyset;

import io.github.cursorstream.r2dbc.internal.Identifiers;
import io.github.cursorstream.r2dbc.keyset.ResolvedKeyset.OrderColumn;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.function.IntFunction;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * The query of one page. A pure function of its arguments.
 *
 * <p>Columns of one direction without NULLs are compared as a row, which is one index seek:
 *
 * <pre>
 * SELECT "t"."a", "t"."b" FROM "t" WHERE ("t"."a", "t"."b") &gt; ($1::bigint, $2::bigint)
 * ORDER BY "t"."a", "t"."b" LIMIT 1000
 * </pre>
 *
 * Otherwise what lies behind a cursor is put together from branches that each seek, deepest first:
 * equal in the first columns, behind in the next, and the NULLs where they come last. An OR of the
 * same conditions would read the whole index.
 *
 * <pre>
 * WITH cursorstream_part_1 AS (
 *   SELECT … WHERE "t"."a" = $1 AND "t"."b" &lt; $2 ORDER BY "t"."a", "t"."b" DESC LIMIT 1000
 * ), cursorstream_part_2 AS (SELECT * FROM (
 *   SELECT … WHERE "t"."a" &gt; $1 ORDER BY "t"."a", "t"."b" DESC LIMIT 1000
 * ) AS s ORDER BY s."a", s."b" DESC LIMIT 1000 - (SELECT count(*) FROM cursorstream_part_1))
 * SELECT p."a", p."b" FROM (TABLE cursorstream_part_1 UNION ALL TABLE cursorstream_part_2) AS p
 * ORDER BY p."a", p."b" DESC LIMIT 1000
 * </pre>
 *
 * There, each branch that needs it stops at the end cursor's value of its column, and the rest of
 * the end cursor is applied to the at most LIMIT rows that came out.
 *
 * <p>LIMIT is a literal: with a parameter a generic plan would assume a tenth of the table.
 */
final class PageSql {

  private final ResolvedKeyset keyset;
  private final List<OrderColumn> order;
  private final List<Object> binds;
  private final @Nullable Bound after;
  private final @Nullable Bound upTo;
  private final int limit;
  private final boolean gated;
  private final String text;

  /**
   * Renders a page query.
   *
   * @param keyset what is read
   * @param backwards whether in the opposite order
   * @param after values of the first columns of the order, exclusive; null for the beginning
   * @param upTo the same, inclusive; null for the end
   * @param limit how many rows
   */
  PageSql(
      ResolvedKeyset keyset,
      boolean backwards,
      @Nullable List<@Nullable String> after,
      @Nullable List<@Nullable String> upTo,
      int limit) {
    this.keyset = keyset;
    this.order =
        backwards ? keyset.order().stream().map(OrderColumn::reversed).toList() : keyset.order();
    this.binds = new ArrayList<>(keyset.binds());
    this.after = after == null ? null : new Bound(order, after, binds);
    this.upTo = upTo == null ? null : new Bound(order, upTo, binds);
    this.limit = limit;
    boolean byRow = comparesAsRow();
    List<List<String>> branches = byRow ? List.of(rowConditions()) : branches();
    // An end cursor of one column is dealt with in the branches, unless they are deeper than that.
    boolean ended =
        byRow
            || this.upTo == null
            || (this.upTo.size() == 1 && (this.after == null || this.after.size() == 1));
    String rest = ended ? null : Objects.requireNonNull(this.upTo).holds("p");
    // A statement without values goes by the simple protocol: in text form whatever the driver is
    // set to, and if it is cancelled before it is sent, its connection hangs.
    this.gated = binds.isEmpty();
    if (gated) {
      binds.add(true);
    }
    this.text = render(branches, rest);
  }

  String text() {
    return text;
  }

  /** The values of {@code $1…}. */
  List<Object> binds() {
    return binds;
  }

  private String render(List<List<String>> branches, @Nullable String rest) {
    if (branches.size() == 1 && rest == null && keyset.proven()) {
      return select(output(keyset.alias()), branches.get(0));
    }
    String tie = keyset.proven() ? "" : ", " + sameAsPrevious() + " AS cursorstream_tie";
    return partsOf(branches)
        + "SELECT "
        + output("p")
        + tie
        + "\nFROM (\n"
        + (branches.size() == 1
            ? select(inner(), branches.get(0))
            : IntStream.rangeClosed(1, branches.size())
                .mapToObj(i -> "TABLE " + part(i))
                .collect(Collectors.joining(" UNION ALL ")))
        + "\n) AS p"
        + (rest == null ? "" : "\nWHERE " + rest)
        + (keyset.proven() ? "" : "\nWINDOW w AS (ORDER BY " + orderBy("p") + ")")
        + "\nORDER BY "
        + orderBy("p")
        + "\nLIMIT "
        + limit;
  }

  /**
   * Each branch reads no more than those before it have left of the page. Its own LIMIT stays a
   * literal inside, for the planner.
   */
  private String partsOf(List<List<String>> branches) {
    if (branches.size() == 1) {
      return "";
    }
    List<String> parts = new ArrayList<>();
    StringBuilder left =
        new StringBuilder("\n) AS s\nORDER BY " + orderBy("s") + "\nLIMIT " + limit);
    for (int i = 1; i <= branches.size(); i++) {
      String branch = select(inner(), branches.get(i - 1));
      parts.add(
          part(i) + " AS (\n" + (i == 1 ? branch : "SELECT * FROM (\n" + branch + left) + "\n)");
      left.append(" - (SELECT count(*) FROM ").append(part(i)).append(')');
    }
    return "WITH " + String.join(", ", parts) + "\n";
  }

  private static String part(int i) {
    return "cursorstream_part_" + i;
  }

  private String select(String what, List<String> conditions) {
    List<String> all = new ArrayList<>();
    if (keyset.filter() != null) {
      all.add("(" + keyset.filter() + ")");
    }
    all.addAll(conditions);
    if (gated) {
      all.add("$1");
    }
    return "SELECT "
        + what
        + "\nFROM "
        + keyset.from()
        + (all.isEmpty() ? "" : "\nWHERE " + String.join("\n  AND ", all))
        + "\nORDER BY "
        + orderBy(keyset.alias())
        + "\nLIMIT "
        + limit;
  }

  /** What the user reads, then the key values that are not among it as they are needed. */
  private String output(String from) {
    List<String> items = new ArrayList<>();
    if (keyset.columns().isEmpty()) {
      items.add(from + ".*");
    }
    for (String column : keyset.columns()) {
      items.add(qualified(from, column));
    }
    int appended = 0;
    for (OrderColumn column : order) {
      if (!isRead(keyset, column)) {
        String plain = qualified(from, column.key().name());
        items.add(
            (column.type().readsPlainColumn() ? plain : column.type().rendered(plain))
                + " AS cursorstream_key_"
                + ++appended);
      }
    }
    return String.join(", ", items);
  }

  /** Whether the key's value can be taken from the columns that the user reads anyway. */
  static boolean isRead(ResolvedKeyset keyset, OrderColumn column) {
    return column.type().readsPlainColumn() && keyset.columns().contains(column.key().name());
  }

  private String inner() {
    if (keyset.columns().isEmpty()) {
      return keyset.alias() + ".*";
    }
    Set<String> names = new LinkedHashSet<>(keyset.columns());
    names.addAll(keyset.orderNames());
    return names.stream()
        .map(name -> qualified(keyset.alias(), name))
        .collect(Collectors.joining(", "));
  }

  private String orderBy(String from) {
    return orderBy(order, from);
  }

  static String orderBy(List<OrderColumn> order, String from) {
    return order.stream()
        .map(column -> qualified(from, column.key().name()) + column.key().suffix())
        .collect(Collectors.joining(", "));
  }

  private String sameAsPrevious() {
    return order.stream()
        .map(column -> qualified("p", column.key().name()))
        .map(column -> column + " IS NOT DISTINCT FROM lag(" + column + ") OVER w")
        .collect(Collectors.joining(" AND "));
  }

  // Row comparison.

  private boolean comparesAsRow() {
    int compared = Math.max(after == null ? 0 : after.size(), upTo == null ? 0 : upTo.size());
    return order.subList(0, compared).stream()
        .noneMatch(
            column ->
                column.nullable() || column.key().descending() != order.get(0).key().descending());
  }

  private List<String> rowConditions() {
    List<String> conditions = new ArrayList<>();
    if (after != null) {
      conditions.add(row(after, this::column) + behind(0) + row(after, after::value));
    }
    if (upTo != null) {
      conditions.add(row(upTo, this::column) + until(0) + row(upTo, upTo::value));
    }
    return conditions;
  }

  private static String row(Bound bound, IntFunction<String> item) {
    String items =
        IntStream.range(0, bound.size()).mapToObj(item).collect(Collectors.joining(", "));
    return bound.size() == 1 ? items : "(" + items + ")";
  }

  // Branches.

  /** What part of a column's values a branch reads. */
  private enum Part {
    ALL,
    BEHIND_VALUE,
    NULLS,
    VALUES
  }

  private List<List<String>> branches() {
    List<List<String>> branches = new ArrayList<>();
    if (after == null) {
      // NULLs that come first are a seek of their own, so that the values can stop at the end.
      boolean nullsApart =
          order.get(0).nullable() && order.get(0).key().nullsComeFirst() && upTo != null;
      for (Part part : nullsApart ? List.of(Part.NULLS, Part.VALUES) : List.of(Part.ALL)) {
        addBranch(branches, 0, part);
      }
    } else {
      for (int i = after.size() - 1; i >= 0; i--) {
        for (Part part : partsBehind(i, after.isNull(i))) {
          addBranch(branches, i, part);
        }
      }
    }
    return branches.isEmpty() ? List.of(List.of("false")) : branches;
  }

  private List<Part> partsBehind(int i, boolean behindNull) {
    boolean nullsFirst = order.get(i).key().nullsComeFirst();
    if (behindNull) {
      return nullsFirst ? List.of(Part.VALUES) : List.of();
    }
    return order.get(i).nullable() && !nullsFirst
        ? List.of(Part.BEHIND_VALUE, Part.NULLS)
        : List.of(Part.BEHIND_VALUE);
  }

  private void addBranch(List<List<String>> branches, int i, Part part) {
    // The end cursor stops this branch at column i if it has the same values before that; if they
    // are the same but written differently, the branch only stops later.
    Bound end =
        upTo != null && i < upTo.size() && (after == null || after.startsLike(upTo, i))
            ? upTo
            : null;
    // Before any value is bound: the driver refuses one that the SQL does not mention.
    if (end != null && isBehind(end, i, part)) {
      return;
    }
    List<String> conditions = new ArrayList<>();
    for (int j = 0; after != null && j < i; j++) {
      conditions.add(after.isNull(j) ? isNull(j) : column(j) + " = " + after.value(j));
    }
    switch (part) {
      case ALL -> {}
      case BEHIND_VALUE ->
          conditions.add(column(i) + behind(i) + Objects.requireNonNull(after).value(i));
      case NULLS -> conditions.add(isNull(i));
      case VALUES -> conditions.add(column(i) + " IS NOT NULL");
    }
    if (end != null && !end.isNull(i) && part != Part.NULLS) {
      conditions.add(column(i) + until(i) + end.value(i));
    }
    branches.add(conditions);
  }

  /** Whether all of this part of column i lies behind the end. */
  private boolean isBehind(Bound end, int i, Part part) {
    boolean nullsFirst = order.get(i).key().nullsComeFirst();
    return end.isNull(i) ? nullsFirst && part != Part.NULLS : !nullsFirst && part == Part.NULLS;
  }

  // Pieces.

  private String column(int i) {
    return qualified(keyset.alias(), order.get(i).key().name());
  }

  private String isNull(int i) {
    return column(i) + " IS NULL";
  }

  private String behind(int i) {
    return order.get(i).key().descending() ? " < " : " > ";
  }

  private String until(int i) {
    return order.get(i).key().descending() ? " >= " : " <= ";
  }

  static String qualified(String from, String column) {
    return from + "." + Identifiers.quote(column);
  }
}
