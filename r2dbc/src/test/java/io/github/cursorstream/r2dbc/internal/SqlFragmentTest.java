package io.github.cursorstream.r2dbc.internal;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import io.github.cursorstream.r2dbc.internal.SqlFragment.Kind;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** S20. */
class SqlFragmentTest {

  private static String rendered(String condition) {
    return SqlFragment.parse(Kind.CONDITION, condition).render(name -> "<" + name + ">");
  }

  @Test
  void namesAreFoundOutsideStringsCommentsAndCasts() {
    assertThat(rendered("a = :a AND b = :ab AND c = ':c' AND d::date = :a -- :e"))
        .isEqualTo("a = <a> AND b = <ab> AND c = ':c' AND d::date = <a> -- :e\n");
    assertThat(rendered("\":x\" = $$ :y $$ || $t$ :z $$ $t$ || E'\\':w' /* :v /* :u */ :t */"))
        .doesNotContain("<");
    assertThat(SqlFragment.parse(Kind.CONDITION, ":a = :b or :a = 1").names())
        .containsExactly("a", "b");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "true ORDER BY 1",
        "true limit 1",
        "true\nOFFSET 1",
        "true FETCH first row only",
        "true) or (true",
        "(true",
        "true)",
        "x[1) or (true]",
        "true; DROP TABLE canary",
        "'open",
        "\"open",
        "$$open",
        "$a$open$b$",
        "/* open /* */",
        "a = $1",
        "-- nothing",
        " ",
        "",
        "E'\\'",
        "a\0b",
        // A carriage return ends a comment.
        "true --\r) or (true",
        // Not E strings: part of a name that is not ASCII comes before.
        "×e'\\') or (true --'",
        "\u2003e'\\') or (true --'",
        // The second piece of an E string has backslashes too.
        "E'a'\n'\\' ' ) or (true --'",
        "E'a' -- comment\n '\\' ' ) or (true --'"
      })
  void whatCouldLeaveItsParenthesesIsRefused(String condition) {
    assertThatIllegalArgumentException()
        .isThrownBy(() -> SqlFragment.parse(Kind.CONDITION, condition))
        .withMessageContaining("required but the SQL was: ");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "id IN (SELECT id FROM t ORDER BY id LIMIT 3 OFFSET 1)",
        "t.\"order\" = 1 AND \"limit\" = 2",
        "t.offset = 1",
        "at::date = '2024-01-01'",
        "tag = 'a:b' AND x = 'it''s) ;'",
        "a[1] = 1 -- the end",
        "name = 'ORDER BY' /* limit 1 */",
        "e = E'a\\'b' AND é = 1",
        "body = $é$ ' ) $é$",
        "x$a$ = 1 AND y = 'z'"
      })
  void whatStandsByItselfIsKeptAsItIs(String condition) {
    assertThat(rendered(condition).strip()).isEqualTo(condition);
  }

  @Test
  void aQueryMayHoldWhatASubqueryMay() {
    String query = "SELECT * FROM t WHERE a = :a ORDER BY b LIMIT 5";
    assertThat(SqlFragment.parse(Kind.QUERY, query).render(name -> "$1")).contains("a = $1 ORDER");
    assertThatIllegalArgumentException()
        .isThrownBy(() -> SqlFragment.parse(Kind.QUERY, "SELECT 1) AS x, (SELECT 2"));
  }
}
