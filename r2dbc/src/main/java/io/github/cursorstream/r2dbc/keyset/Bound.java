package io.github.cursorstream.r2dbc.keyset;

import io.github.cursorstream.r2dbc.keyset.ResolvedKeyset.OrderColumn;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/** The values of a cursor on their way into one statement: each is bound once, where first used. */
final class Bound {

  private final List<OrderColumn> order;
  private final List<@Nullable String> values;
  private final List<Object> binds;
  private final @Nullable String[] references;

  /**
   * Begins to bind.
   *
   * @param order the order that the statement reads in
   * @param values of all its columns, or of the first
   * @param binds the values of {@code $1…} of the statement, added to
   */
  Bound(List<OrderColumn> order, List<@Nullable String> values, List<Object> binds) {
    this.order = order;
    this.values = values;
    this.binds = binds;
    this.references = new String[values.size()];
  }

  /** How many columns it has. */
  int size() {
    return values.size();
  }

  boolean isNull(int i) {
    return values.get(i) == null;
  }

  /**
   * Whether another bound has the same first values. Told by their text: equal values that are
   * written differently count as different.
   */
  boolean startsLike(Bound other, int columns) {
    return values.subList(0, columns).equals(other.values.subList(0, columns));
  }

  /** The value in SQL, cast from text: the type reads what it wrote itself. */
  String value(int i) {
    String known = references[i];
    if (known == null) {
      binds.add(Objects.requireNonNull(values.get(i)));
      known = "$" + binds.size() + "::" + order.get(i).type().sql();
      references[i] = known;
    }
    return known;
  }

  /**
   * The condition that a row of {@code from} is here or before. Right for every direction and NULL,
   * and no index seeks by it: for rows that have been read, not for finding them. May be NULL for a
   * row that is behind.
   */
  String holds(String from) {
    return holds(from, 0);
  }

  private String holds(String from, int i) {
    KeyColumn key = order.get(i).key();
    String column = PageSql.qualified(from, key.name());
    String before;
    String equal;
    if (isNull(i)) {
      before = key.nullsComeFirst() ? "false" : column + " IS NOT NULL";
      equal = column + " IS NULL";
    } else {
      before = column + (key.descending() ? " > " : " < ") + value(i);
      equal = column + " = " + value(i);
      if (key.nullsComeFirst() && order.get(i).nullable()) {
        before += " OR " + column + " IS NULL";
      }
    }
    return i == size() - 1
        ? "(" + before + " OR " + equal + ")"
        : "(" + before + " OR " + equal + " AND " + holds(from, i + 1) + ")";
  }
}
