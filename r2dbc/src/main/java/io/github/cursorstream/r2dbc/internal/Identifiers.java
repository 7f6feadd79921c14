package io.github.cursorstream.r2dbc.internal;

import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.stream.Collectors;

/** Names as SQL. Not API. */
public final class Identifiers {

  private Identifiers() {}

  /**
   * Quotes a name: {@code we"ird} becomes {@code "we""ird"}.
   *
   * @param name as the catalog spells it
   * @return SQL
   */
  public static String quote(String name) {
    return '"' + name.replace("\"", "\"\"") + '"';
  }

  /**
   * Quotes the parts of a qualified name and joins them with dots.
   *
   * @param parts from the outermost
   * @return SQL
   */
  public static String quote(List<String> parts) {
    return parts.stream().map(Identifiers::quote).collect(Collectors.joining("."));
  }

  /**
   * Checks a name: not empty, and without NUL, which PostgreSQL cannot hold.
   *
   * @param name the name
   * @param what what it names, for the message
   * @return the name
   */
  public static String check(String name, String what) {
    Objects.requireNonNull(name, what);
    if (name.isEmpty() || name.indexOf('\0') >= 0) {
      throw new IllegalArgumentException(
          "a name without NUL characters, not empty, required as "
              + what
              + " but it was \""
              + name.replace('\0', '\uFFFD')
              + '"');
    }
    return name;
  }

  /**
   * Splits {@code app.users} into its parts. Double quotes hold a part together: {@code
   * "my.schema".users}.
   *
   * @param qualified one or two parts
   * @return the parts, unquoted
   */
  public static List<String> split(String qualified) {
    check(qualified, "table name");
    List<String> parts = new ArrayList<>();
    StringBuilder part = new StringBuilder();
    boolean quoted = false;
    for (int i = 0; i < qualified.length(); i++) {
      char c = qualified.charAt(i);
      if (c == '"' && quoted && i + 1 < qualified.length() && qualified.charAt(i + 1) == '"') {
        part.append('"');
        i++;
      } else if (c == '"') {
        quoted = !quoted;
      } else if (c == '.' && !quoted) {
        parts.add(part.toString());
        part.setLength(0);
      } else {
        part.append(c);
      }
    }
    parts.add(part.toString());
    if (quoted || parts.size() > 2 || parts.contains("")) {
      throw new IllegalArgumentException(
          "a table name such as users, app.users or \"odd.name\" required but it was " + qualified);
    }
    return List.copyOf(parts);
  }
}
