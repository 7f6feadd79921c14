package io.github.cursorstream.r2dbc.keyset;

import static io.github.cursorstream.r2dbc.keyset.KeyColumn.asc;
import static io.github.cursorstream.r2dbc.keyset.KeyColumn.desc;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.github.cursorstream.cursor.Cursor;
import io.github.cursorstream.cursor.InvalidCursorException;
import io.github.cursorstream.r2dbc.internal.Identifiers;
import io.github.cursorstream.testing.TestDatabase;
import io.github.cursorstream.testing.TestPostgres;
import io.r2dbc.pool.ConnectionPool;
import io.r2dbc.spi.R2dbcException;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Names and values are data, whatever they look like. */
class HostileNamesIT {

  private static final String ATTACK = "x'; DROP TABLE canary; --";

  private static TestDatabase database;
  private static ConnectionPool pool;

  @BeforeAll
  static void createDatabase() {
    database = TestPostgres.shared().createDatabase("hostile");
    pool = database.pool(2);
    database.execute("CREATE TABLE canary (id bigint PRIMARY KEY)");
  }

  @AfterAll
  static void dropDatabase() {
    database.close();
  }

  @AfterEach
  void theCanaryLives() {
    assertThat(database.count("SELECT count(*) FROM canary")).isZero();
  }

  static List<String> names() {
    return List.of(
        "Upper Case",
        "we\"ird",
        "a.b",
        "a;b--",
        "select",
        "order",
        "tabelle_äöü_😀",
        "x".repeat(63),
        "\"; DROP TABLE canary; --",
        "cursorstream_key_1",
        "cursorstream_tie",
        "cursorstream_part_1",
        "p",
        "q",
        "s",
        "w",
        "$1",
        ":name",
        "n",
        "total",
        "key_1");
  }

  @ParameterizedTest
  @MethodSource("names")
  void anyNameIsANameOfSchemasTablesAndColumns(String name) {
    String quoted = Identifiers.quote(name);
    String table = quoted + "." + quoted;
    database.execute(
        "CREATE SCHEMA " + quoted,
        "CREATE TABLE %s (%s int, id bigint, rest text, PRIMARY KEY (id))"
            .formatted(table, name.equals("id") ? "other" : quoted),
        "INSERT INTO %s SELECT nullif(i %% 4, 0), i, 'r' FROM generate_series(1, 11) i"
            .formatted(table));
    for (KeyColumn key : List.of(asc(name), desc(name).nullsLast())) {
      String by = quoted + key.suffix() + ", id" + (key.descending() ? " DESC" : "");
      List<Long> expected =
          Reading.numbers(database, "SELECT id FROM " + table + " ORDER BY " + by);
      Keyset whole = Keyset.table(table).orderBy(key);
      KeyColumn id = key.descending() ? desc("id") : asc("id");
      for (Keyset keyset :
          List.of(
              whole,
              whole.select("id"),
              whole.select(name, "id"),
              whole.where(quoted + " IS NULL OR " + quoted + " < 9"),
              Keyset.query("SELECT * FROM " + table).orderBy(key, id),
              Keyset.query("SELECT * FROM " + table).orderBy(key, id).select("id"))) {
        CursorBasedRepository<Long> repository = Reading.ids(pool, keyset);
        assertThat(Reading.read(repository, 3)).isEqualTo(expected);
        assertThat(
                Reading.all(
                    repository
                        .ranges(3)
                        .concatMap(r -> repository.cursorBasedStream(o -> o.within(r)))))
            .isEqualTo(expected);
      }
    }
    Keyset unqualified = Keyset.table(quoted);
    assertThat(Reading.read(Reading.ids(pool, unqualified).defaults(o -> o.schema(name)), 4))
        .hasSize(11);
    assertThat(Reading.one(Reading.ids(pool, Keyset.table(table).orderBy(asc(name))).explain()))
        .satisfies(plan -> database.execute(plan.createIndex()));
  }

  @Test
  void anyTextIsAValue() {
    database.execute("CREATE TABLE texts (k text PRIMARY KEY, id bigint NOT NULL)");
    List<String> hostile =
        List.of(
            ATTACK,
            "",
            "'",
            "\\",
            "$1",
            ":a",
            "\u0001\n\r\t",
            "𝔘\uFFFD",
            "y".repeat(2_000),
            "%s ' \" $$");
    for (int i = 0; i < hostile.size(); i++) {
      database.execute("INSERT INTO texts VALUES ($q$" + hostile.get(i) + "$q$, " + i + ")");
    }
    // 10 kB, which fits into the index because it compresses well.
    database.execute("INSERT INTO texts VALUES (repeat('ab', 5000), 99)");
    CursorBasedRepository<Long> repository = Reading.ids(pool, Keyset.table("texts"));
    List<Long> expected = Reading.numbers(database, "SELECT id FROM texts ORDER BY k");
    assertThat(Reading.read(repository, 1)).isEqualTo(expected);
    List<Cursor> cursors = Reading.cursors(repository);
    for (int i = 0; i < cursors.size(); i++) {
      Cursor after = cursors.get(i);
      assertThat(Reading.read(repository, o -> o.pageSize(4).after(after)))
          .isEqualTo(expected.subList(i + 1, expected.size()));
    }
    assertThatThrownBy(() -> Cursor.of("k", "a\0b")).isInstanceOf(InvalidCursorException.class);
  }

  @ParameterizedTest
  @ValueSource(strings = {ATTACK, "1) OR (1=1", "1; DROP TABLE canary", "NULL", "1::text", ""})
  void aHostileCursorValueIsRefusedOrAValue(String value) {
    database.execute(
        "DROP TABLE IF EXISTS keyed",
        "CREATE TABLE keyed (id bigint PRIMARY KEY, at date, n numeric)",
        "INSERT INTO keyed VALUES (1, '2024-01-01', 1)");
    Cursor[] cursors = {
      Cursor.of("id", value),
      Cursor.of("at", value).and("id", 1),
      Cursor.of("n", value).and("id", 1)
    };
    for (Cursor cursor : cursors) {
      CursorBasedRepository<Long> repository =
          Reading.ids(pool, Keyset.table("keyed").orderBy(asc(cursor.columns().get(0))));
      assertThatThrownBy(() -> Reading.read(repository, o -> o.after(Reading.sent(cursor))))
          .isInstanceOfAny(InvalidCursorException.class, R2dbcException.class);
      assertThatThrownBy(() -> Reading.read(repository, o -> o.after(Cursor.of(ATTACK, 1))))
          .isInstanceOf(InvalidCursorException.class);
    }
  }

  @Test
  void bindsWhoseNamesBeginAlikeKeepTheirValues() {
    database.execute(
        "CREATE TABLE binds (id bigint PRIMARY KEY, a text, ab text)",
        "INSERT INTO binds VALUES (1, 'x', 'y'), (2, 'y', 'x'), (3, 'x', ':a')");
    Keyset keyset =
        Keyset.table("binds")
            .where("a = :a AND ab = :ab OR ab = ':a' AND a = :a")
            .bind("ab", "y")
            .bind("a", "x");
    assertThat(Reading.read(Reading.ids(pool, keyset), 1)).containsExactly(1L, 3L);
    Keyset query =
        Keyset.query("SELECT * FROM binds WHERE a <> :ab AND id > :a")
            .where("ab <> :ab AND :b::int = 1")
            .bind("b", 1)
            .bind("a", 0L)
            .bind("ab", "y")
            .orderBy(asc("id"));
    assertThat(Reading.read(Reading.ids(pool, query), 1)).containsExactly(3L);
    assertThatThrownBy(() -> keyset.bind("abc", 1)).hasMessageContaining(":abc");
    assertThatThrownBy(() -> Reading.ids(pool, Keyset.table("binds").where("id = :x")))
        .hasMessageContaining("have none: [x]");
    Keyset attacked = Keyset.table("binds").where("a = :a").bind("a", ATTACK);
    assertThat(Reading.read(Reading.ids(pool, attacked), 1)).isEmpty();
  }
}
