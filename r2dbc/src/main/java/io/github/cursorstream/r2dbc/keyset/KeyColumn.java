package io.github.cursorstream.r2dbc.keyset;

import io.github.cursorstream.r2dbc.internal.Identifiers;

/**
 * One column of an order: {@code KeyColumn.desc("published_at").nullsLast()}.
 *
 * @param name the column, as the catalog spells it; it is quoted in SQL
 * @param direction up or down
 * @param nulls where NULLs come
 */
public record KeyColumn(String name, Direction direction, Nulls nulls) {

  /** Up or down. */
  public enum Direction {
    /** Smallest first. */
    ASC,
    /** Largest first. */
    DESC
  }

  /** Where NULLs come. */
  public enum Nulls {
    /** PostgreSQL's default, also of its indexes: last when ascending, first when descending. */
    DEFAULT,
    /** Before all values. */
    FIRST,
    /** Behind all values. */
    LAST
  }

  /**
   * Refuses an empty name.
   *
   * @param name the column, as the catalog spells it
   * @param direction up or down
   * @param nulls where NULLs come
   */
  public KeyColumn {
    Identifiers.check(name, "key column");
  }

  /**
   * Ascending, NULLs last.
   *
   * @param name the column
   * @return a key column
   */
  public static KeyColumn asc(String name) {
    return new KeyColumn(name, Direction.ASC, Nulls.DEFAULT);
  }

  /**
   * Descending, NULLs first.
   *
   * @param name the column
   * @return a key column
   */
  public static KeyColumn desc(String name) {
    return new KeyColumn(name, Direction.DESC, Nulls.DEFAULT);
  }

  /**
   * The same with NULLs before all values.
   *
   * @return a key column
   */
  public KeyColumn nullsFirst() {
    return new KeyColumn(name, direction, Nulls.FIRST);
  }

  /**
   * The same with NULLs behind all values.
   *
   * @return a key column
   */
  public KeyColumn nullsLast() {
    return new KeyColumn(name, direction, Nulls.LAST);
  }

  boolean descending() {
    return direction == Direction.DESC;
  }

  /** Where NULLs come in fact. */
  boolean nullsComeFirst() {
    return nulls == Nulls.DEFAULT ? descending() : nulls == Nulls.FIRST;
  }

  KeyColumn reversed() {
    return new KeyColumn(
        name,
        descending() ? Direction.ASC : Direction.DESC,
        switch (nulls) {
          case DEFAULT -> Nulls.DEFAULT;
          case FIRST -> Nulls.LAST;
          case LAST -> Nulls.FIRST;
        });
  }

  /** {@code DESC NULLS LAST}, or nothing where it is the default. */
  String suffix() {
    return (descending() ? " DESC" : "")
        + switch (nulls) {
          case DEFAULT -> "";
          case FIRST -> " NULLS FIRST";
          case LAST -> " NULLS LAST";
        };
  }
}
