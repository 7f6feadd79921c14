package io.github.cursorstream.r2dbc.keyset;

import java.util.List;

/**
 * A range of keys as a condition, for work that is one statement.
 *
 * @param sql to be put behind WHERE or AND: comparisons joined by AND
 * @param binds the values of its placeholders, in their order, as text: the first is that of the
 *     first placeholder, whatever its number
 */
public record RangeCondition(String sql, List<Object> binds) {

  /**
   * Keeps copies.
   *
   * @param sql to be put behind WHERE or AND: comparisons joined by AND
   * @param binds the values of its placeholders, in their order
   */
  public RangeCondition {
    binds = List.copyOf(binds);
  }
}
