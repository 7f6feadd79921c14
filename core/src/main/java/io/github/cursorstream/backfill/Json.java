package io.github.cursorstream.backfill;

/** As much of JSON as a text needs. */
final class Json {

  private Json() {}

  /** A string literal, without what no database takes: NUL, and halves of surrogate pairs. */
  static String text(String text) {
    StringBuilder json = new StringBuilder("\"");
    text.codePoints()
        .forEach(
            c -> {
              if (c == '"' || c == '\\') {
                json.append('\\').append((char) c);
              } else if (c == 0 || Character.getType(c) == Character.SURROGATE) {
                json.append('\uFFFD');
              } else if (c < ' ') {
                json.append(String.format("\\u%04x", c));
              } else {
                json.appendCodePoint(c);
              }
            });
    return json.append('"').toString();
  }
}
