package io.github.cursorstream.r2dbc.keyset;

/** What happens where no index covers the order of a table, so that pages cannot seek. */
public enum KeysetCheck {
  /** Log a warning with the CREATE INDEX that cures it, once for each repository. The default. */
  WARN,
  /** Fail before the first page, with an {@link InvalidKeysetException} that says the same. */
  FAIL,
  /** Say nothing. */
  OFF
}
