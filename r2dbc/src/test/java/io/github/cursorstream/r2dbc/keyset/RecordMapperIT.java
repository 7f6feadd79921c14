package io.github.cursorstream.r2dbc.keyset;

import static io.github.cursorstream.r2dbc.keyset.KeyColumn.asc;
import static io.github.cursorstream.r2dbc.keyset.KeyColumn.desc;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.github.cursorstream.testing.TestDatabase;
import io.github.cursorstream.testing.TestPostgres;
import io.r2dbc.pool.ConnectionPool;
import java.time.LocalDate;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/** Rows become records; projections keep the key out; warnings come once. */
class RecordMapperIT {

  enum Mood {
    SAD,
    HAPPY
  }

  record Person(long id, String firstName, Mood mood, LocalDate born, Integer age) {}

  record Aged(long id, int age) {}

  record Unknown(long id, String nickName) {}

  record Name(String firstName) {}

  record Moody(Mood mood) {}

  private static TestDatabase database;
  private static ConnectionPool pool;

  @BeforeAll
  static void createTable() {
    database = TestPostgres.shared().createDatabase("records");
    pool = database.pool(2);
    database.execute(
        "CREATE TABLE people (id bigint PRIMARY KEY, first_name text, mood text, born date, age"
            + " int)",
        "INSERT INTO people VALUES (1, 'Anna', 'happy', '2000-01-02', NULL),"
            + " (2, 'Bob', 'SAD', NULL, 40), (3, 'Cid', NULL, NULL, 41)");
  }

  @AfterAll
  static void dropDatabase() {
    database.close();
  }

  private static <T extends Record> List<T> read(Keyset keyset, Class<T> type) {
    return Reading.read(Reading.quiet(CursorBasedRepository.create(pool, keyset, type)), 2);
  }

  @Test
  void theExactNameGoesBeforeItsSnakeCase() {
    Keyset both =
        Keyset.query("SELECT id, first_name, 'exact ' || id AS \"firstName\" FROM people")
            .orderBy(asc("id"));
    assertThat(read(both, Name.class))
        .extracting(Name::firstName)
        .isEqualTo(List.of("exact 1", "exact 2", "exact 3"));
  }

  @Test
  void componentsTakeColumnsByNameAndBySnakeCase() {
    assertThat(read(Keyset.table("people"), Person.class))
        .containsExactly(
            new Person(1, "Anna", Mood.HAPPY, LocalDate.of(2000, 1, 2), null),
            new Person(2, "Bob", Mood.SAD, null, 40),
            new Person(3, "Cid", null, null, 41));
    assertThat(
            read(
                Keyset.query("SELECT id, first_name AS \"firstName\", age FROM people")
                    .orderBy(asc("id")),
                Name.class))
        .containsExactly(new Name("Anna"), new Name("Bob"), new Name("Cid"));
  }

  @Test
  void nullIsRefusedForAPrimitive() {
    assertThatThrownBy(() -> read(Keyset.table("people"), Aged.class))
        .hasMessageContaining("a value required for Aged.age, which is a int")
        .hasMessageContaining("declare it as Integer");
    assertThat(read(Keyset.table("people").where("age IS NOT NULL"), Aged.class))
        .containsExactly(new Aged(2, 40), new Aged(3, 41));
  }

  @Test
  void aMissingColumnAndAnUnknownConstantAreRefused() {
    assertThatThrownBy(() -> read(Keyset.table("people"), Unknown.class))
        .hasMessageContaining("a column nick_name required for Unknown.nickName");
    assertThatThrownBy(
            () ->
                read(
                    Keyset.query("SELECT 1 AS id, 'grim' AS mood").orderBy(asc("id")), Moody.class))
        .hasMessageContaining("but the column holds grim");
  }

  // S21
  @Test
  void theKeyNeedNotBeSelected() {
    for (KeyColumn[] order :
        new KeyColumn[][] {{asc("id")}, {desc("mood"), asc("id")}, {asc("born")}, {desc("age")}}) {
      Keyset keyset = Keyset.table("people").select("first_name").orderBy(order);
      List<Name> expected =
          Reading.read(
                  Reading.texts(
                      pool, Keyset.table("people").orderBy(order).select("first_name", "id")),
                  9)
              .stream()
              .map(Name::new)
              .toList();
      assertThat(read(keyset, Name.class)).hasSize(3).isEqualTo(expected);
    }
  }

  @Test
  void aColumnThatIsNotThereCannotBeSelected() {
    assertThatThrownBy(() -> read(Keyset.table("people").select("nope"), Name.class))
        .isInstanceOf(InvalidKeysetException.class)
        .hasMessageContaining("required as selected column but it was \"nope\"");
  }

  @Test
  void aQueryMayHaveAColumnTwiceUnlessItIsOfTheOrder() {
    String twice = "SELECT p.*, q.first_name FROM people p JOIN people q USING (id)";
    assertThat(read(Keyset.query(twice).orderBy(asc("id")), Name.class)).hasSize(3);
    assertThatThrownBy(
            () -> read(Keyset.query(twice).orderBy(asc("first_name"), asc("id")), Name.class))
        .isInstanceOf(InvalidKeysetException.class)
        .hasMessageContaining("each once, required in orderBy");
  }

  @Test
  void checkFailsWhereNoIndexCoversTheOrder() {
    Keyset keyset = Keyset.table("people").orderBy(desc("born"));
    assertThatThrownBy(
            () -> Reading.read(Reading.ids(pool, keyset), o -> o.check(KeysetCheck.FAIL)))
        .isInstanceOf(InvalidKeysetException.class)
        .hasMessageContaining("no index covers the order [born, id] of people")
        .hasMessageEndingWith(
            "create one: CREATE INDEX CONCURRENTLY ON \"public\".\"people\" (\"born\" DESC,"
                + " \"id\" DESC)");
    assertThat(Reading.read(Reading.ids(pool, keyset), o -> o.check(KeysetCheck.OFF))).hasSize(3);
  }

  @Test
  @ExtendWith(LoggedWarnings.class)
  void checkWarnsOnceForEachRepository(LoggedWarnings warnings) {
    CursorBasedRepository<Long> repository =
        Reading.ids(pool, Keyset.table("people").orderBy(desc("born")))
            .defaults(o -> o.check(KeysetCheck.WARN));
    Reading.read(repository, 1);
    Reading.read(repository, 2);
    Reading.read(repository.defaults(o -> o.pageSize(3)), 2);
    assertThat(warnings.messages())
        .singleElement()
        .asString()
        .contains("no index covers the order [born, id] of people");
    Reading.read(repository, o -> o.check(KeysetCheck.OFF));
    assertThat(warnings.messages()).hasSize(1);
  }

  @Test
  void anIndexIsRecognised() {
    database.execute(
        "CREATE TABLE indexed (id bigint PRIMARY KEY, kind text NOT NULL, a int, b int NOT NULL)",
        "CREATE INDEX ON indexed (a DESC NULLS LAST, b, id)",
        "CREATE INDEX ON indexed (kind, b DESC, id)",
        "CREATE INDEX partial ON indexed (b, id) WHERE b > 0");
    Keyset keyset = Keyset.table("indexed");
    covered(keyset, true);
    covered(keyset.orderBy(desc("id")), true);
    covered(keyset.orderBy(desc("a").nullsLast(), asc("b"), asc("id")), true);
    covered(keyset.orderBy(asc("a").nullsFirst(), desc("b")), true);
    covered(keyset.orderBy(asc("a"), desc("b")), false);
    covered(keyset.orderBy(desc("a"), asc("b")), false);
    covered(keyset.orderBy(asc("b")), false);
    covered(keyset.orderBy(desc("b"), asc("id")), false);
    covered(keyset.where("kind = :k").bind("k", "x").orderBy(desc("b"), asc("id")), true);
    covered(keyset.where("kind = :k").bind("k", "x").orderBy(asc("b"), desc("id")), true);
    covered(keyset.where("kind = :k").bind("k", "x").orderBy(asc("b"), asc("id")), false);
  }

  private static void covered(Keyset keyset, boolean covered) {
    KeysetPlan plan = Reading.one(Reading.ids(pool, keyset).explain());
    assertThat(plan.createIndex() == null).as(plan.toString()).isEqualTo(covered);
    assertThat(plan.seeks()).as(plan.toString()).isEqualTo(covered);
  }
}
