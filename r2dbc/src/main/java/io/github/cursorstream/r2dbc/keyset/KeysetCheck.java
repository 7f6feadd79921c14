package io.github.cursorstream.r2dbc.keyset;

/**
 * What happens where no index covers the order of a table, so that pages cannot seek. Judged by the
 * names of columns: a leading column of an index counts as fixed if the filter mentions it, and a
 * partial index never counts. {@link CursorBasedRepository#explain} asks the planner.
 */
public enum KeysetCheck {
  /** Log a warning with the CREATE INDEX that cures it, once for each repository. The default. */
  WARN,
  /** Fail before the first page, with an {@link InvalidKeysetException} that says the same. */
  FAIL,
  /** Say nothing. */
  OFF
}
