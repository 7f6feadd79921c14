package io.github.cursorstream.r2dbc.keyset;

import static io.github.cursorstream.r2dbc.keyset.Reading.ids;
import static io.github.cursorstream.r2dbc.keyset.Reading.read;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.DynamicTest.dynamicTest;
import static org.junit.jupiter.params.provider.Arguments.arguments;

import io.github.cursorstream.testing.TestDatabase;
import io.github.cursorstream.testing.TestPostgres;
import io.r2dbc.pool.ConnectionPool;
import io.r2dbc.spi.R2dbcBadGrammarException;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

/** Which orders are proven to be unique, and what is said of the others. */
class UniqueOrderIT {

  private static TestDatabase database;
  private static ConnectionPool pool;

  @BeforeAll
  static void createDatabase() {
    database = TestPostgres.shared().createDatabase("unique_order");
    database.execute(
        "CREATE COLLATION ignore_case (provider = icu, locale = 'und-u-ks-level2',"
            + " deterministic = false)");
    pool = database.pool(2);
  }

  @AfterAll
  static void dropDatabase() {
    database.close();
  }

  /** A case that an older server cannot express. */
  private static <T> Stream<T> since(int version, T expressed) {
    return TestPostgres.shared().majorVersion() < version ? Stream.empty() : Stream.of(expressed);
  }

  private static void table(String name, String columns, String... more) {
    database.execute("CREATE TABLE " + name + " (" + columns + ")");
    for (String sql : more) {
      database.execute(sql.replace("@", name));
    }
  }

  private static CursorBasedRepository<Long> by(String table, KeyColumn... order) {
    Keyset keyset = Keyset.table(table);
    return ids(pool, order.length == 0 ? keyset : keyset.orderBy(order));
  }

  private static List<String> order(CursorBasedRepository<?> repository) {
    return Reading.one(
            repository.cursorBasedPages(o -> o.pageSize(1)).next().map(page -> page.cursor()))
        .columns();
  }

  /** All have the column id, whose unique index is described by the text behind it. */
  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "plain_not_null | id bigint NOT NULL | CREATE UNIQUE INDEX ON @ (id)",
        "constraint_not_null | id bigint NOT NULL UNIQUE | SELECT 1",
        "downwards | id bigint NOT NULL | CREATE UNIQUE INDEX ON @ (id DESC NULLS LAST)",
        "including | id bigint NOT NULL, b int | CREATE UNIQUE INDEX ON @ (id) INCLUDE (b)"
      })
  @MethodSource("indexesOf15")
  void aUniqueIndexProvesTheOrder(String name, String columns, String index) {
    table(name, columns, index, "INSERT INTO @ (id) SELECT generate_series(1, 5)");
    assertThat(read(by(name, KeyColumn.asc("id")), 2)).containsExactly(1L, 2L, 3L, 4L, 5L);
    // A table without a primary key and without orderBy: the cure is the orderBy.
    assertThatThrownBy(() -> read(by(name), 2))
        .isInstanceOf(InvalidKeysetException.class)
        .hasMessageContaining("has no immediate primary key")
        .hasMessageContaining("order by orderBy(KeyColumn.asc(\"id\"))");
  }

  static Stream<Arguments> indexesOf15() {
    return since(
        15,
        arguments(
            "nulls_not_distinct", "id bigint", "CREATE UNIQUE INDEX ON @ (id) NULLS NOT DISTINCT"));
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "admits_nulls | id bigint | CREATE UNIQUE INDEX ON @ (id)",
        "partial | id bigint NOT NULL | CREATE UNIQUE INDEX ON @ (id) WHERE id > 0",
        "expression | id bigint NOT NULL | CREATE UNIQUE INDEX ON @ ((id + 0))",
        "later | id bigint NOT NULL | ALTER TABLE @ ADD UNIQUE (id) DEFERRABLE INITIALLY DEFERRED",
        "later_now | id bigint NOT NULL | ALTER TABLE @ ADD UNIQUE (id) DEFERRABLE",
        "later_primary | id bigint | ALTER TABLE @ ADD PRIMARY KEY (id) DEFERRABLE",
        "wider | id bigint NOT NULL, b int NOT NULL | CREATE UNIQUE INDEX ON @ (id, b)",
        "not_unique | id bigint NOT NULL | CREATE INDEX ON @ (id)"
      })
  @MethodSource("constraintsOf18")
  void otherIndexesDoNot(String name, String columns, String index) {
    table(name, columns, index.split(";"));
    assertThatThrownBy(() -> read(by(name, KeyColumn.asc("id")), 2))
        .isInstanceOf(InvalidKeysetException.class)
        .hasMessageContaining("a unique order required")
        .hasMessageContaining("\"public\".\"" + name + "\" has no immediate primary key to append")
        .hasMessageContaining(
            name.equals("wider")
                ? "orderBy(KeyColumn.asc(\"id\"), KeyColumn.asc(\"b\"))"
                : "ALTER TABLE \"public\".\"" + name + "\" ADD PRIMARY KEY");
  }

  static Stream<Arguments> constraintsOf18() {
    return since(
        18,
        arguments(
            "not_validated",
            "id bigint",
            "ALTER TABLE @ ADD CONSTRAINT nn NOT NULL id NOT VALID;"
                + " CREATE UNIQUE INDEX ON @ (id)"));
  }

  @TestFactory
  Stream<DynamicTest> aNotNullConstraintThatIsNotValidatedLetsNullsThrough() {
    return since(18, dynamicTest("NOT VALID", UniqueOrderIT::readsNullsOfANotNullColumn));
  }

  private static void readsNullsOfANotNullColumn() {
    table(
        "old_nulls",
        "id bigint PRIMARY KEY, a int",
        "INSERT INTO @ SELECT i, nullif(i % 3, 0) FROM generate_series(1, 12) i",
        "ALTER TABLE @ ADD CONSTRAINT nn NOT NULL a NOT VALID");
    assertThat(
            Reading.strings(
                database,
                "SELECT attnotnull FROM pg_attribute WHERE attrelid = 'old_nulls'::regclass"
                    + " AND attname = 'a'"))
        .containsExactly("true");
    CursorBasedRepository<Long> repository = by("old_nulls", KeyColumn.asc("a"));
    List<Long> expected = Reading.numbers(database, "SELECT id FROM old_nulls ORDER BY a, id");
    for (int size = 1; size <= 13; size++) {
      assertThat(read(repository, size)).isEqualTo(expected);
    }
  }

  @Test
  void anInvalidIndexDoesNot() {
    table("invalid", "id bigint NOT NULL", "INSERT INTO @ VALUES (1), (1)");
    assertThatThrownBy(
            () -> database.execute("CREATE UNIQUE INDEX CONCURRENTLY broken ON invalid (id)"))
        .hasMessageContaining("could not create unique index");
    assertThat(
            Reading.strings(
                database,
                "SELECT indisunique AND NOT indisvalid FROM pg_index"
                    + " WHERE indexrelid = 'broken'::regclass"))
        .containsExactly("true");
    assertThatThrownBy(() -> read(by("invalid", KeyColumn.asc("id")), 2))
        .isInstanceOf(InvalidKeysetException.class);
  }

  @Test
  void anIndexOfAnotherCollationOrOperatorClassDoesNot() {
    // Unique by code point, yet 'a' and 'A' are equal in the order of the column.
    table(
        "collated",
        "id bigint PRIMARY KEY, name text COLLATE ignore_case NOT NULL",
        "CREATE UNIQUE INDEX ON @ (name COLLATE \"C\")",
        "INSERT INTO @ VALUES (1, 'a'), (2, 'A'), (3, 'b'), (4, 'B')");
    CursorBasedRepository<Long> repository = by("collated", KeyColumn.asc("name"));
    assertThat(order(repository)).containsExactly("name", "id");
    assertThat(read(repository, 1))
        .isEqualTo(Reading.numbers(database, "SELECT id FROM collated ORDER BY name, id"));
    table(
        "patterned",
        "id bigint PRIMARY KEY, name text NOT NULL",
        "CREATE UNIQUE INDEX ON @ (name text_pattern_ops)",
        "INSERT INTO @ VALUES (1, 'a')");
    assertThat(order(by("patterned", KeyColumn.asc("name")))).containsExactly("name", "id");
  }

  @Test
  void thePrimaryKeyIsAppendedInTheDirectionOfTheLastColumn() {
    table(
        "appended",
        "a int NOT NULL, id bigint, sub int, PRIMARY KEY (id, sub)",
        "INSERT INTO @ SELECT i % 3, i % 4, i FROM generate_series(1, 20) i");
    CursorBasedRepository<Long> down = by("appended", KeyColumn.asc("sub"), KeyColumn.desc("a"));
    assertThat(order(down)).containsExactly("sub", "a", "id");
    CursorBasedRepository<String> texts =
        Reading.texts(
            pool,
            Keyset.table("appended")
                .select("sub")
                .orderBy(KeyColumn.asc("a"), KeyColumn.desc("id")));
    assertThat(read(texts, 3))
        .isEqualTo(
            Reading.strings(database, "SELECT sub FROM appended ORDER BY a, id DESC, sub DESC"));
  }

  @Test
  void anOrderThatHoldsAUniqueIndexIsLeftAsItIs() {
    table(
        "enough",
        "id bigint PRIMARY KEY, email text NOT NULL UNIQUE, a int",
        "INSERT INTO @ VALUES (1, 'x', NULL)");
    assertThat(order(by("enough", KeyColumn.desc("email")))).containsExactly("email");
    assertThat(order(by("enough", KeyColumn.asc("a"), KeyColumn.asc("email"))))
        .containsExactly("a", "email");
    assertThat(order(by("enough"))).containsExactly("id");
  }

  @Test
  void tablesWithChildrenAreRefusedUnlessTheyArePartitioned() {
    table("parent", "id bigint PRIMARY KEY", "INSERT INTO @ VALUES (1)");
    database.execute("CREATE TABLE child () INHERITS (parent)", "INSERT INTO child VALUES (1)");
    assertThatThrownBy(() -> read(by("parent"), 2))
        .isInstanceOf(InvalidKeysetException.class)
        .hasMessageContaining("other tables inherit from")
        .hasMessageContaining("SELECT * FROM ONLY \"public\".\"parent\"");
    // A table that once had children has none any more.
    database.execute("DROP TABLE child");
    assertThat(read(by("parent"), 2)).containsExactly(1L);
  }

  @Test
  void aPartitionedTableIsReadAsOne() {
    table("parted", "id bigint PRIMARY KEY) PARTITION BY HASH (id");
    for (int i = 0; i < 3; i++) {
      database.execute(
          "CREATE TABLE parted_%1$d PARTITION OF parted FOR VALUES WITH (MODULUS 3, REMAINDER %1$d)"
              .formatted(i));
    }
    database.execute("INSERT INTO parted SELECT generate_series(1, 50)");
    assertThat(read(by("parted"), 7))
        .isEqualTo(Reading.numbers(database, "SELECT id FROM parted ORDER BY id"));
    assertThat(read(by("parted_1"), 7))
        .isEqualTo(Reading.numbers(database, "SELECT id FROM parted_1 ORDER BY id"));
  }

  @Test
  void viewsAndForeignTablesAreReadAsQueries() {
    table("base", "id bigint PRIMARY KEY", "INSERT INTO @ SELECT generate_series(1, 5)");
    database.execute(
        "CREATE VIEW looked_at AS SELECT * FROM base",
        "CREATE EXTENSION file_fdw",
        "CREATE SERVER files FOREIGN DATA WRAPPER file_fdw",
        "CREATE FOREIGN TABLE far (id bigint) SERVER files OPTIONS (filename '/dev/null')");
    for (String name : List.of("looked_at", "far")) {
      assertThatThrownBy(() -> read(by(name), 2))
          .isInstanceOf(InvalidKeysetException.class)
          .hasMessageContaining(
              "read it with Keyset.query(\"SELECT * FROM \"public\".\"" + name + "\"\")");
    }
    Keyset view = Keyset.query("SELECT * FROM looked_at").orderBy(KeyColumn.asc("id"));
    assertThat(read(ids(pool, view), 2)).containsExactly(1L, 2L, 3L, 4L, 5L);
  }

  /** Its columns are never NOT NULL, so before 15 none of its indexes proves anything. */
  @TestFactory
  Stream<DynamicTest> aMaterializedViewIsReadAsATable() {
    return since(
        15,
        dynamicTest(
            "NULLS NOT DISTINCT",
            () -> {
              database.execute(
                  "CREATE MATERIALIZED VIEW kept AS SELECT generate_series(1, 5)::bigint AS id",
                  "CREATE UNIQUE INDEX ON kept (id) NULLS NOT DISTINCT");
              assertThat(read(by("kept", KeyColumn.asc("id")), 2))
                  .containsExactly(1L, 2L, 3L, 4L, 5L);
            }));
  }

  @Test
  void anUnknownTableIsNamed() {
    assertThatThrownBy(() -> read(by("Base"), 2))
        .isInstanceOf(InvalidKeysetException.class)
        .hasMessage(
            "a table required but \"Base\" was not found; names are taken as they are written,"
                + " perhaps base; qualify it if its schema is not on the search path");
  }

  @Test
  void aTypeWhoseOperatorsAreNotFoundIsRefused() {
    // Without them citext would be sorted as citext and compared as text.
    database.execute("CREATE SCHEMA elsewhere", "CREATE EXTENSION citext SCHEMA elsewhere");
    table(
        "far_type",
        "id bigint PRIMARY KEY, name elsewhere.citext NOT NULL",
        "INSERT INTO @ VALUES (1, 'a'), (2, 'B'), (3, 'c')");
    assertThatThrownBy(() -> read(by("far_type", KeyColumn.asc("name")), 1))
        .isInstanceOf(InvalidKeysetException.class)
        .hasMessageContaining("on the search path required for key column \"name\"");
    ConnectionPool there =
        SweepTable.pool(
            database, builder -> builder.options(Map.of("search_path", "public, elsewhere")));
    Keyset keyset = Keyset.table("far_type").orderBy(KeyColumn.asc("name"));
    assertThat(read(ids(there, keyset), 1)).containsExactly(1L, 2L, 3L);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {"int[]", "int4range", "record_type", "json", "point", "xid"})
  void keysWithoutAnOrderOfTheirOwnTextAreRefusedOrFail(String type) {
    database.execute(
        "DROP TABLE IF EXISTS odd_key",
        "DROP TYPE IF EXISTS record_type",
        "CREATE TYPE record_type AS (a int, b timestamptz)");
    table("odd_key", "id bigint PRIMARY KEY, k " + type);
    assertThatThrownBy(() -> read(by("odd_key", KeyColumn.asc("k")), 2))
        .isInstanceOfAny(InvalidKeysetException.class, R2dbcBadGrammarException.class);
  }
}
