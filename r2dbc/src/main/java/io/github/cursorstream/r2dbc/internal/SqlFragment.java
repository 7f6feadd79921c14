package io.github.cursorstream.r2dbc.internal;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.function.UnaryOperator;

/**
 * A piece of the user's SQL, read just far enough to find its {@code :names} and to know that it
 * ends where it seems to end: outside strings, quoted names, dollar quotes and comments, with its
 * parentheses balanced. Not API.
 */
public final class SqlFragment {

  /** What the piece is, and with that what it may hold outside parentheses. */
  public enum Kind {
    /**
     * A condition for WHERE: no ORDER BY, LIMIT, OFFSET or FETCH, which would cut rows silently.
     */
    CONDITION,
    /** A whole SELECT: it becomes a subquery, so it may hold whatever a subquery may. */
    QUERY
  }

  private static final Set<String> CLAUSES = Set.of("order", "limit", "offset", "fetch");

  private final String sql;
  // The text before, between and behind the binds.
  private final List<String> texts = new ArrayList<>();
  private final List<String> binds = new ArrayList<>();
  private boolean blank = true;

  private SqlFragment(Kind kind, String sql) {
    this.sql = sql;
    read(kind);
  }

  /**
   * Reads a piece of SQL.
   *
   * @param kind what it is
   * @param sql the text
   * @return the piece
   * @throws IllegalArgumentException if it could not stand in parentheses as one thing
   */
  public static SqlFragment parse(Kind kind, String sql) {
    return new SqlFragment(kind, sql);
  }

  /**
   * The names that are bound in it.
   *
   * @return each once, without the colon
   */
  public Set<String> names() {
    return new LinkedHashSet<>(binds);
  }

  /**
   * The text with its binds replaced, safe to be followed by a closing parenthesis.
   *
   * @param placeholder gives what stands for a name
   * @return SQL
   */
  public String render(UnaryOperator<String> placeholder) {
    StringBuilder out = new StringBuilder(texts.get(0));
    for (int i = 0; i < binds.size(); i++) {
      out.append(placeholder.apply(binds.get(i))).append(texts.get(i + 1));
    }
    return out.toString();
  }

  private void read(Kind kind) {
    if (sql.indexOf('\0') >= 0) {
      throw refuse("text without NUL characters");
    }
    Deque<Character> closers = new ArrayDeque<>();
    int from = 0;
    boolean endsInComment = false;
    for (int i = 0; i < sql.length(); ) {
      char c = sql.charAt(i);
      int start = i;
      if (c == '-' && at(i + 1) == '-') {
        i = afterLine(i);
        endsInComment = i == sql.length();
        continue;
      }
      if (c == '/' && at(i + 1) == '*') {
        i = afterComment(i);
        continue;
      }
      if (isSpace(c)) {
        i++;
        continue;
      }
      blank = false;
      if (c == '\'') {
        i = afterQuote(i, c, false);
      } else if (c == '"') {
        i = afterQuote(i, c, false);
      } else if (c == '$') {
        i = afterDollar(i);
      } else if (c == ':' && at(i + 1) == ':') {
        i += 2;
      } else if (c == ':' && isNameStart(at(i + 1))) {
        i = afterName(i + 1);
        texts.add(sql.substring(from, start));
        binds.add(sql.substring(start + 1, i));
        from = i;
      } else if (isNameStart(c)) {
        i = afterName(i);
        if (at(i) == '\'' && i == start + 1 && (c == 'e' || c == 'E')) {
          i = afterQuote(i, '\'', true);
          refuseContinuation(i);
        } else if (closers.isEmpty() && kind == Kind.CONDITION && !follows(start, '.')) {
          refuseClause(sql.substring(start, i).toLowerCase(Locale.ROOT));
        }
      } else {
        if (c == '(' || c == '[') {
          closers.push(c == '(' ? ')' : ']');
        } else if ((c == ')' || c == ']') && (closers.isEmpty() || closers.pop() != c)) {
          throw refuse("balanced parentheses");
        }
        if (c == ';') {
          throw refuse("one piece without ;");
        }
        i++;
      }
    }
    if (!closers.isEmpty()) {
      throw refuse("balanced parentheses");
    }
    if (blank) {
      throw refuse("something");
    }
    texts.add(sql.substring(from) + (endsInComment ? "\n" : ""));
  }

  private void refuseClause(String word) {
    if (CLAUSES.contains(word)) {
      throw refuse(
          "a condition without "
              + word.toUpperCase(Locale.ROOT)
              + " outside a subquery (order by Keyset.orderBy, limit by take)");
    }
  }

  /** PostgreSQL goes on with a string behind a line break, and with its backslashes. */
  private void refuseContinuation(int end) {
    int i = end;
    while (isSpace(at(i)) || (at(i) == '-' && at(i + 1) == '-')) {
      i = isSpace(at(i)) ? i + 1 : afterLine(i);
    }
    if (at(i) == '\'') {
      throw refuse("each E'' string in one piece");
    }
  }

  private int afterLine(int start) {
    int i = start;
    while (i < sql.length() && sql.charAt(i) != '\n' && sql.charAt(i) != '\r') {
      i++;
    }
    return i;
  }

  private int afterComment(int start) {
    int depth = 0;
    for (int i = start; i + 1 < sql.length(); ) {
      if (sql.startsWith("/*", i)) {
        depth++;
        i += 2;
      } else if (sql.startsWith("*/", i)) {
        depth--;
        i += 2;
        if (depth == 0) {
          return i;
        }
      } else {
        i++;
      }
    }
    throw refuse("every /* closed");
  }

  private int afterQuote(int start, char quote, boolean backslashes) {
    for (int i = start + 1; i < sql.length(); i++) {
      char c = sql.charAt(i);
      if (c == '\\' && backslashes) {
        i++;
      } else if (c == quote && at(i + 1) == quote) {
        i++;
      } else if (c == quote) {
        return i + 1;
      }
    }
    throw refuse("every " + quote + " closed");
  }

  private int afterDollar(int start) {
    int end = isNameStart(at(start + 1)) ? afterTag(start + 1) : start + 1;
    if (at(end) != '$') {
      throw refuse("names such as :kind, not $1, as binds");
    }
    String tag = sql.substring(start, end + 1);
    int close = sql.indexOf(tag, end + 1);
    if (close < 0) {
      throw refuse("every " + tag + " closed");
    }
    return close + tag.length();
  }

  private int afterTag(int start) {
    int i = start;
    while (isNameStart(at(i)) || isDigit(at(i))) {
      i++;
    }
    return i;
  }

  private int afterName(int start) {
    int i = start;
    while (isNameStart(at(i)) || isDigit(at(i)) || at(i) == '$') {
      i++;
    }
    return i;
  }

  private boolean follows(int index, char before) {
    int i = index - 1;
    while (i >= 0 && isSpace(sql.charAt(i))) {
      i--;
    }
    return i >= 0 && sql.charAt(i) == before;
  }

  // As PostgreSQL's scanner has it: whatever is not ASCII is part of a name.

  private static boolean isNameStart(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c >= 0x80;
  }

  private static boolean isDigit(char c) {
    return c >= '0' && c <= '9';
  }

  private static boolean isSpace(char c) {
    return c == ' ' || (c >= '\t' && c <= '\r');
  }

  /** The character there, or NUL, which the text does not hold. */
  private char at(int index) {
    return index < sql.length() ? sql.charAt(index) : '\0';
  }

  private IllegalArgumentException refuse(String rule) {
    return new IllegalArgumentException(rule + " required but the SQL was: " + sql);
  }

  @Override
  public String toString() {
    return sql;
  }
}
