package io.github.cursorstream.r2dbc.internal;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.cursorstream.r2dbc.internal.SqlFragment.Kind;
import io.github.cursorstream.testing.TestDatabase;
import io.github.cursorstream.testing.TestPostgres;
import io.r2dbc.postgresql.api.PostgresqlConnection;
import io.r2dbc.spi.R2dbcException;
import java.util.List;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import net.jqwik.api.lifecycle.AfterContainer;
import net.jqwik.api.lifecycle.BeforeContainer;
import reactor.core.publisher.Flux;

/** Whatever text is accepted, the server reads as one thing in its parentheses. */
class SqlFragmentIT {

  private static final List<String> PIECES =
      List.of(
          "'",
          "''",
          "\\",
          "\\'",
          "E'",
          "e'",
          "x",
          "×",
          "é",
          "\u2003",
          "\"",
          "$$",
          "$a$",
          "$",
          "--",
          "/*",
          "*/",
          "\n",
          "\r",
          "\t",
          "(",
          ")",
          "[",
          "]",
          " or ",
          " true ",
          ") or (true",
          "1",
          "=",
          "||",
          "::text",
          " in ",
          "U&'",
          "b'",
          ".",
          "*",
          "/",
          "-",
          "a");

  private static TestDatabase database;
  private static PostgresqlConnection connection;

  @BeforeContainer
  static void connect() {
    database = TestPostgres.shared().createDatabase("fragments");
    database.execute(
        // The text comes as a value, past the driver's own scanner, and is run as it is.
        """
        CREATE FUNCTION rows_of(sql text) RETURNS bigint LANGUAGE plpgsql AS $f$
        DECLARE n bigint;
        BEGIN
          EXECUTE sql INTO n;
          RETURN n;
        EXCEPTION WHEN OTHERS THEN
          RETURN -1;
        END $f$""");
    connection = database.connectionFactory().create().block();
  }

  @AfterContainer
  static void close() {
    connection.close().block();
    database.close();
  }

  @Provide
  Arbitrary<String> texts() {
    Arbitrary<String> any =
        Arbitraries.of(PIECES).list().ofMinSize(1).ofMaxSize(12).map(list -> String.join("", list));
    // What begins in a sound way gets further.
    return Arbitraries.of("", "true ", "true or ", "'a'=").flatMap(s -> any.map(t -> s + t));
  }

  @Property(tries = 5_000)
  void whatIsAcceptedCannotEndItsParentheses(@ForAll("texts") String text) {
    String rendered;
    try {
      rendered = SqlFragment.parse(Kind.CONDITION, text).render(name -> "NULL");
    } catch (IllegalArgumentException refused) {
      return;
    }
    String sql = "SELECT count(*) FROM (SELECT 1 WHERE false AND (" + rendered + ")) AS x";
    assertThat(rows(sql)).as("%s", text).isIn(0L, -1L);
    // And nothing behind it is swallowed.
    String behind = "SELECT count(*) FROM (SELECT 1 WHERE (" + rendered + ") AND false) AS x";
    assertThat(rows(behind)).as("%s", text).isIn(0L, -1L);
  }

  private static Long rows(String sql) {
    try {
      return Flux.from(connection.createStatement("SELECT rows_of($1)").bind("$1", sql).execute())
          .concatMap(result -> result.map((row, metadata) -> row.get(0, Long.class)))
          .blockLast();
    } catch (R2dbcException e) {
      return -1L;
    }
  }
}
