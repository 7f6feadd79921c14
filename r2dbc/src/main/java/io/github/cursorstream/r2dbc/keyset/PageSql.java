package io.github.cursorstream.r2dbc.keyset;

import io.github.cursorstream.r2dbc.internal.Identifiers;
import io.github.cursorstream.r2dbc.keyset.ResolvedKeyset.OrderColumn;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Objects;
import java.util.Set;
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
  private final int limit;
  private final boolean gated;
  private final List<List<String>> branches;
  private final @Nullable String rest;
  // How many values both positions have, if rows are compared: the text does not depend on them.
  private final @Nullable Sizes exchangeable;
  // Rendered when first asked for, by however many at the same time.
  private @Nullable String text;
  private @Nullable String tellingEnd;

  /**
   * A page query.
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
    this.limit = limit;
    PageConditions conditions =
        new PageConditions(
            keyset.alias(),
            order,
            after == null ? null : new Bound(order, after, binds),
            upTo == null ? null : new Bound(order, upTo, binds));
    boolean byRow = conditions.compareRows();
    this.branches = byRow ? List.of(conditions.asRow()) : conditions.asBranches();
    this.rest = byRow ? null : conditions.behindBranches("p");
    this.exchangeable = byRow ? Sizes.of(after, upTo) : null;
    // A statement without values goes by the simple protocol: in text form whatever the driver is
    // set to, and if it is cancelled before it is sent, its connection hangs.
    this.gated = binds.isEmpty();
    if (gated) {
      binds.add(true);
    }
  }

  private PageSql(PageSql same, List<Object> binds) {
    this.keyset = same.keyset;
    this.order = same.order;
    this.binds = binds;
    this.limit = same.limit;
    this.gated = same.gated;
    this.branches = same.branches;
    this.rest = same.rest;
    this.exchangeable = same.exchangeable;
    this.text = same.text;
    this.tellingEnd = same.tellingEnd;
  }

  private record Sizes(int after, int upTo) {

    static Sizes of(@Nullable List<@Nullable String> after, @Nullable List<@Nullable String> upTo) {
      return new Sizes(after == null ? 0 : after.size(), upTo == null ? 0 : upTo.size());
    }
  }

  /**
   * The same query between other positions, or null if its text would be another. The pages of a
   * stream have one text, which is worth not to be put together for each.
   *
   * @param after exclusive; null for the beginning
   * @param upTo inclusive; null for the end
   */
  @Nullable PageSql between(
      @Nullable List<@Nullable String> after, @Nullable List<@Nullable String> upTo) {
    if (!Sizes.of(after, upTo).equals(exchangeable)) {
      return null;
    }
    List<Object> others = new ArrayList<>(keyset.binds());
    for (List<@Nullable String> values : Arrays.asList(after, upTo)) {
      if (values != null) {
        values.forEach(value -> others.add(Objects.requireNonNull(value)));
      }
    }
    if (gated) {
      others.add(true);
    }
    return new PageSql(this, others);
  }

  ResolvedKeyset keyset() {
    return keyset;
  }

  String text() {
    String rendered = text;
    if (rendered == null) {
      rendered = isPlain() ? select(output(keyset.alias()), limit()) : ofParts();
      text = rendered;
    }
    return rendered;
  }

  /** Whether it is one SELECT and no more. */
  private boolean isPlain() {
    return branches.size() == 1 && rest == null && keyset.proven();
  }

  /**
   * Whether the first row can tell where the page ends for little: no more than its keys are read
   * once more, from an index that needs not be filtered.
   */
  boolean canTellEnd() {
    return isPlain() && keyset.filter() == null && keyset.createIndex() == null;
  }

  /**
   * The same query, whose first row tells in a last column where the page ends, if it is full:
   *
   * <pre>
   * SELECT "t"."id", "t"."v", CASE WHEN "t"."id" =
   *     (SELECT "t"."id" FROM "t" WHERE "t"."id" &gt; $1 ORDER BY "t"."id" LIMIT 1)
   *   THEN (SELECT ARRAY[e."id"::text] FROM (
   *     SELECT "t"."id" FROM "t" WHERE "t"."id" &gt; $1 ORDER BY "t"."id" LIMIT 1 OFFSET 999) AS e)
   *   END AS cursorstream_end
   * FROM "t" WHERE "t"."id" &gt; $1 ORDER BY "t"."id" LIMIT 1000
   * </pre>
   *
   * Both subqueries run once, and see what the page sees. Only the first row tells, because a value
   * in each would have to be sent and taken apart a thousand times.
   */
  String tellingEnd() {
    String rendered = tellingEnd;
    if (rendered == null) {
      rendered = select(output(keyset.alias()) + ", " + end() + " AS cursorstream_end", limit());
      tellingEnd = rendered;
    }
    return rendered;
  }

  private String end() {
    String keys =
        order.stream()
            .map(column -> qualified(keyset.alias(), column.key().name()))
            .collect(Collectors.joining(", "));
    String rendered =
        order.stream()
            .map(column -> column.type().rendered(qualified("e", column.key().name())))
            .collect(Collectors.joining(", "));
    return "CASE WHEN ("
        + keys
        + ") = (\n"
        + select(keys, "LIMIT 1")
        + "\n) THEN (SELECT ARRAY["
        + rendered
        + "] FROM (\n"
        + select(keys, "LIMIT 1 OFFSET " + (limit - 1))
        + "\n) AS e) END";
  }

  /** The values of {@code $1…}. */
  List<Object> binds() {
    return binds;
  }

  private String ofParts() {
    String tie = keyset.proven() ? "" : ", " + sameAsPrevious() + " AS cursorstream_tie";
    return parts()
        + "SELECT "
        + output("p")
        + tie
        + "\nFROM (\n"
        + (branches.size() == 1
            ? select(inner(), limit())
            : IntStream.rangeClosed(1, branches.size())
                .mapToObj(i -> "TABLE " + part(i))
                .collect(Collectors.joining(" UNION ALL ")))
        + "\n) AS p"
        + (rest == null ? "" : "\nWHERE " + rest)
        + (keyset.proven() ? "" : "\nWINDOW w AS (ORDER BY " + orderBy("p") + ")")
        + "\nORDER BY "
        + orderBy("p")
        + "\n"
        + limit();
  }

  private String limit() {
    return "LIMIT " + limit;
  }

  /**
   * Each branch reads no more than those before it have left of the page. Its own LIMIT stays a
   * literal inside, for the planner.
   */
  private String parts() {
    if (branches.size() == 1) {
      return "";
    }
    List<String> parts = new ArrayList<>();
    StringBuilder left = new StringBuilder("\n) AS s\nORDER BY " + orderBy("s") + "\n" + limit());
    for (int i = 1; i <= branches.size(); i++) {
      String branch = select(inner(), branches.get(i - 1), limit());
      parts.add(
          part(i) + " AS (\n" + (i == 1 ? branch : "SELECT * FROM (\n" + branch + left) + "\n)");
      left.append(" - (SELECT count(*) FROM ").append(part(i)).append(')');
    }
    return "WITH " + String.join(", ", parts) + "\n";
  }

  private static String part(int i) {
    return "cursorstream_part_" + i;
  }

  private String select(String what, String cut) {
    return select(what, branches.get(0), cut);
  }

  private String select(String what, List<String> conditions, String cut) {
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
        + "\n"
        + cut;
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

  static String qualified(String from, String column) {
    return from + "." + Identifiers.quote(column);
  }
}
