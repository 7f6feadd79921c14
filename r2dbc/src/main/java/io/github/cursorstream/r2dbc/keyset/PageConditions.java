package io.github.cursorstream.r2dbc.keyset;

import io.github.cursorstream.r2dbc.keyset.ResolvedKeyset.OrderColumn;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.function.IntFunction;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/** The conditions on the rows between two cursors, such that an index seeks by each. */
final class PageConditions {

  private final String alias;
  private final List<OrderColumn> order;
  private final @Nullable Bound after;
  private final @Nullable Bound upTo;

  /**
   * Conditions of one statement.
   *
   * @param alias what qualifies the columns
   * @param order the order that the statement reads in
   * @param after exclusive; null for the beginning
   * @param upTo inclusive; null for the end
   */
  PageConditions(
      String alias, List<OrderColumn> order, @Nullable Bound after, @Nullable Bound upTo) {
    this.alias = alias;
    this.order = order;
    this.after = after;
    this.upTo = upTo;
  }

  // Row comparison.

  /** Whether one comparison of rows is enough: the columns have one direction and no NULLs. */
  boolean compareRows() {
    int compared = Math.max(after == null ? 0 : after.size(), upTo == null ? 0 : upTo.size());
    return order.subList(0, compared).stream()
        .noneMatch(
            column ->
                column.nullable() || column.key().descending() != order.get(0).key().descending());
  }

  /** The conditions of that comparison. The values behind which it starts are bound first. */
  List<String> asRow() {
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

  /** Otherwise the conditions of each branch, deepest first. */
  List<List<String>> asBranches() {
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

  /** What is left of the end cursor for the rows that came out of the branches. */
  @Nullable String behindBranches(String from) {
    // An end cursor of one column is dealt with in the branches, unless they are deeper than that.
    return upTo == null || (upTo.size() == 1 && (after == null || after.size() == 1))
        ? null
        : upTo.holds(from);
  }

  // Pieces.

  private String column(int i) {
    return PageSql.qualified(alias, order.get(i).key().name());
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
}
