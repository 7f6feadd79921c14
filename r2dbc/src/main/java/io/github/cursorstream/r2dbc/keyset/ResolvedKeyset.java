package io.github.cursorstream.r2dbc.keyset;

import io.github.cursorstream.cursor.Cursor;
import io.github.cursorstream.cursor.CursorCodec;
import io.github.cursorstream.cursor.InvalidCursorException;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * A {@link Keyset} after its look into the catalog: everything that SQL is made from.
 *
 * @param name how messages and observations call it
 * @param from the item behind FROM
 * @param alias what qualifies its columns
 * @param sampled what TABLESAMPLE can be put behind, with the relation's name as text; null if
 *     nothing
 * @param columns what is read of it; empty means all columns of a query
 * @param filter the user's condition, or null
 * @param binds the values of {@code $1…} in {@code from} and {@code filter}
 * @param order the whole order, tie-breaker included
 * @param proven whether the order is unique
 * @param createIndex the index that is missing, or null
 * @param codec binds cursors to this order
 */
record ResolvedKeyset(
    String name,
    String from,
    String alias,
    @Nullable String sampled,
    List<String> columns,
    @Nullable String filter,
    List<Object> binds,
    List<OrderColumn> order,
    boolean proven,
    @Nullable String createIndex,
    CursorCodec codec) {

  /**
   * One column of the order.
   *
   * @param key name, direction, NULLs
   * @param type its type
   * @param nullable whether it may hold NULL
   */
  record OrderColumn(KeyColumn key, KeyType type, boolean nullable) {

    OrderColumn reversed() {
      return new OrderColumn(key.reversed(), type, nullable);
    }
  }

  /** The same rows with nothing but the columns of the order. */
  ResolvedKeyset keysOnly() {
    return new ResolvedKeyset(
        name, from, alias, sampled, orderNames(), filter, binds, order, true, createIndex, codec);
  }

  /**
   * The same rows and those that the filter leaves out.
   *
   * @param queryBinds how many of the values belong to {@code from}
   */
  ResolvedKeyset unfiltered(int queryBinds) {
    return new ResolvedKeyset(
        name,
        from,
        alias,
        sampled,
        columns,
        null,
        binds.subList(0, queryBinds),
        order,
        proven,
        createIndex,
        codec);
  }

  List<String> orderNames() {
    return order.stream().map(column -> column.key().name()).toList();
  }

  /**
   * The values of a cursor in this order: of all its columns, or of its first ones for a prefix.
   */
  List<@Nullable String> values(Cursor cursor) {
    List<String> names = orderNames();
    for (String column : cursor.columns()) {
      if (!names.contains(column)) {
        throw new InvalidCursorException(
            "columns of the order "
                + names
                + " required but there was \""
                + column
                + "\" in "
                + cursor);
      }
    }
    List<@Nullable String> values = new ArrayList<>();
    for (OrderColumn column : order.subList(0, cursor.columns().size())) {
      String name = column.key().name();
      if (!cursor.columns().contains(name)) {
        throw new InvalidCursorException(
            "the columns of the order "
                + names
                + " without a gap required but \""
                + name
                + "\" is missing in "
                + cursor);
      }
      String value = cursor.value(name);
      if (value != null) {
        column.type().check(name, value);
      } else if (!column.nullable()) {
        throw new InvalidCursorException(
            "a value required for NOT NULL column \"" + name + "\" but it was NULL in " + cursor);
      }
      values.add(value);
    }
    if (!cursor.isPrefix() && values.size() < names.size()) {
      throw new InvalidCursorException(
          "a value for every column of the order "
              + names
              + " required but "
              + cursor
              + " leaves out "
              + names.subList(values.size(), names.size())
              + "; for all rows that share these values use Cursor.prefix");
    }
    return values;
  }
}
