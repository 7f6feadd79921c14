package io.github.cursorstream.r2dbc.keyset;

import static io.github.cursorstream.r2dbc.keyset.KeyColumn.asc;
import static io.github.cursorstream.r2dbc.keyset.KeyColumn.desc;
import static io.github.cursorstream.r2dbc.keyset.Reading.ids;
import static io.github.cursorstream.r2dbc.keyset.Reading.numbers;
import static io.github.cursorstream.r2dbc.keyset.Reading.page;
import static io.github.cursorstream.r2dbc.keyset.Reading.read;
import static io.github.cursorstream.r2dbc.keyset.Reading.strings;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.github.cursorstream.cursor.Cursor;
import io.github.cursorstream.testing.TestDatabase;
import io.github.cursorstream.testing.TestPostgres;
import io.r2dbc.pool.ConnectionPool;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import reactor.core.publisher.Flux;

/** The acceptance cases of streams, each by its number. */
class StreamAcceptanceIT {

  private static TestDatabase database;
  private static ConnectionPool pool;

  @BeforeAll
  static void createTables() {
    database = TestPostgres.shared().createDatabase("acceptance");
    pool = database.pool(3);
    database.execute(
        "CREATE TABLE users (id bigint PRIMARY KEY, email text NOT NULL UNIQUE, country text"
            + " NOT NULL, born date NOT NULL)",
        "INSERT INTO users SELECT i, 6 - i || '@test.com', (ARRAY['PL', 'DE'])[i % 2 + 1],"
            + " date '2000-01-01' + (i * 37 % 11)::int FROM generate_series(1, 5) i",
        "CREATE TABLE cube AS SELECT a AS id_1, b AS id_2, c AS id_3 FROM generate_series(1, 5) a,"
            + " generate_series(1, 5) b, generate_series(1, 5) c",
        "ALTER TABLE cube ADD PRIMARY KEY (id_1, id_2, id_3)",
        "CREATE SCHEMA tenant_7",
        "CREATE TABLE tenant_7.users (LIKE users INCLUDING ALL)",
        "INSERT INTO tenant_7.users VALUES (70, 'x', 'PL', '2000-01-01')",
        "CREATE TABLE twenty (id bigint PRIMARY KEY, a int, b int NOT NULL)",
        "INSERT INTO twenty SELECT i, CASE WHEN i % 4 > 0 THEN i % 3 END, i % 3"
            + " FROM generate_series(1, 20) i");
  }

  @AfterAll
  static void dropDatabase() {
    database.close();
  }

  private static CursorBasedRepository<String> cube(KeyColumn... order) {
    return cube(Keyset.table("cube").orderBy(order));
  }

  private static CursorBasedRepository<String> cube(Keyset keyset) {
    return Reading.quiet(
        CursorBasedRepository.create(
            pool,
            keyset,
            row ->
                row.get("id_1", Integer.class)
                    + ","
                    + row.get("id_2", Integer.class)
                    + ","
                    + row.get("id_3", Integer.class)));
  }

  private static List<String> cubeReference(String where, String order) {
    return strings(
        database,
        "SELECT concat_ws(',', id_1, id_2, id_3) FROM cube WHERE " + where + " ORDER BY " + order);
  }

  private static Cursor at(int... ids) {
    Cursor cursor = Cursor.of("id_1", ids[0]);
    for (int i = 1; i < ids.length; i++) {
      cursor = cursor.and("id_" + (i + 1), ids[i]);
    }
    return Reading.sent(cursor);
  }

  private static Cursor prefix(int first, int second) {
    return Reading.sent(Cursor.prefix("id_1", first).and("id_2", second));
  }

  // S1, S2, S3, S7
  @Test
  void allRowsComeInTheOrderOfThePrimaryKeyAtEveryPageSize() {
    for (int size : new int[] {50, 5, 1, 2, 3}) {
      assertThat(read(ids(pool, Keyset.table("users")), size))
          .isEqualTo(numbers(database, "SELECT id FROM users ORDER BY id"));
      assertThat(read(ids(pool, Keyset.table("users").orderBy(desc("id"))), size))
          .isEqualTo(numbers(database, "SELECT id FROM users ORDER BY id DESC"));
    }
  }

  // S4, S6
  @Test
  void behindAnEmailComeTheOthers() {
    CursorBasedRepository<Long> users = ids(pool, Keyset.table("users").orderBy(asc("email")));
    assertThat(read(users, 2)).isEqualTo(numbers(database, "SELECT id FROM users ORDER BY email"));
    assertThat(read(users, o -> o.pageSize(2).after(Cursor.of("email", "1@test.com"))))
        .isEqualTo(
            numbers(database, "SELECT id FROM users WHERE email > '1@test.com' ORDER BY email"));
  }

  // S5, S8
  @Test
  void aCompositeOrderIsThatOfTheTuple() {
    for (int size = 1; size <= 6; size++) {
      assertThat(read(ids(pool, Keyset.table("users").orderBy(asc("country"), asc("born"))), size))
          .isEqualTo(numbers(database, "SELECT id FROM users ORDER BY country, born, id"));
      assertThat(
              read(ids(pool, Keyset.table("users").orderBy(desc("country"), desc("born"))), size))
          .isEqualTo(
              numbers(database, "SELECT id FROM users ORDER BY country DESC, born DESC, id DESC"));
    }
  }

  // S9
  @Test
  void theSchemaOfTheCallIsRead() {
    CursorBasedRepository<Long> users = ids(pool, Keyset.table("users"));
    assertThat(read(users, o -> o.schema("tenant_7"))).containsExactly(70L);
    assertThat(read(users, 9)).hasSize(5);
    assertThat(page(users, o -> o.schema("tenant_7")).items()).containsExactly(70L);
    assertThatThrownBy(() -> read(users, o -> o.schema("nowhere")))
        .isInstanceOf(InvalidKeysetException.class)
        .hasMessageContaining("\"nowhere\".\"users\" was not found");
  }

  // S11
  @Test
  void aFilteredCubeIsReadInBothDirectionsAtRandomPageSizes() {
    new Random(5)
        .ints(4, 1, 11)
        .forEach(
            size -> {
              for (boolean up : new boolean[] {true, false}) {
                String way = up ? "" : " DESC";
                KeyColumn[] order =
                    List.of("id_1", "id_2", "id_3").stream()
                        .map(name -> up ? asc(name) : desc(name))
                        .toArray(KeyColumn[]::new);
                assertThat(read(cube(order), size))
                    .hasSize(125)
                    .isEqualTo(cubeReference("true", "id_1@, id_2@, id_3@".replace("@", way)));
                Keyset filtered =
                    Keyset.table("cube")
                        .where("id_1 = :one")
                        .bind("one", 1)
                        .orderBy(order[1], order[2]);
                assertThat(read(cube(filtered), size))
                    .hasSize(25)
                    .isEqualTo(cubeReference("id_1 = 1", "id_2@, id_3@, id_1@".replace("@", way)));
              }
            });
  }

  // S12, S13
  @Test
  void behindAPrefixAndBehindARow() {
    CursorBasedRepository<String> up = cube(asc("id_1"), asc("id_2"), asc("id_3"));
    assertThat(read(up, o -> o.pageSize(7).after(prefix(2, 3))))
        .hasSize(85)
        .startsWith("2,4,1")
        .endsWith("5,5,5");
    assertThat(read(up, o -> o.pageSize(7).after(at(2, 3, 4)))).hasSize(86).startsWith("2,3,5");
    CursorBasedRepository<String> down = cube(desc("id_1"), desc("id_2"), desc("id_3"));
    assertThat(read(down, o -> o.pageSize(7).after(prefix(2, 3))))
        .hasSize(35)
        .startsWith("2,2,5")
        .endsWith("1,1,1");
    assertThat(read(down, o -> o.pageSize(7).after(at(2, 3, 4)))).hasSize(38).startsWith("2,3,3");
  }

  // S14, S15
  @Test
  void mixedDirectionsAndTheNextCursor() {
    assertThat(
            read(
                cube(asc("id_1"), desc("id_2"), asc("id_3")),
                o -> o.pageSize(7).after(at(2, 3, 2))))
        .hasSize(88)
        .startsWith("2,3,3")
        .endsWith("5,1,5")
        .isEqualTo(
            cubeReference(
                "id_1 > 2 OR id_1 = 2 AND (id_2 < 3 OR id_2 = 3 AND id_3 > 2)",
                "id_1, id_2 DESC, id_3"));
    var page =
        page(cube(asc("id_1"), asc("id_2"), asc("id_3")), o -> o.pageSize(20).after(at(2, 5, 2)));
    assertThat(page.items()).hasSize(20);
    assertThat(page.last()).isFalse();
    assertThat(page.cursor().values()).containsExactly("3", "4", "2");
  }

  // S17, S18
  @Test
  void tiesAndNullsLoseNothingAtAnyPageSize() {
    for (String way : List.of("", " DESC")) {
      KeyColumn a = way.isEmpty() ? asc("a") : desc("a");
      KeyColumn b = way.isEmpty() ? asc("b") : desc("b");
      for (KeyColumn[] order : new KeyColumn[][] {{b}, {a}, {a, b}, {b, a}}) {
        String by = String.join(", ", Flux.fromArray(order).map(k -> k.name() + way).toIterable());
        List<Long> expected =
            numbers(database, "SELECT id FROM twenty ORDER BY " + by + ", id" + way);
        CursorBasedRepository<Long> repository = ids(pool, Keyset.table("twenty").orderBy(order));
        for (int size = 1; size <= 21; size++) {
          assertThat(read(repository, size))
              .as("order by %s, page size %d", by, size)
              .hasSize(20)
              .isEqualTo(expected);
        }
      }
    }
  }

  // S19
  @Test
  void aJoinOrderedByTheParentGivesEachRowOrNamesTheTie() {
    String join = "SELECT c.id, u.id AS parent FROM users u JOIN twenty c ON c.b + 1 = u.id";
    CursorBasedRepository<Long> tied = ids(pool, Keyset.query(join).orderBy(asc("parent")));
    for (int size = 1; size <= 19; size++) {
      int pageSize = size;
      if (List.of(6, 13).contains(size)) {
        continue; // Every cut falls between two parents.
      }
      assertThatThrownBy(() -> read(tied, pageSize))
          .as("page size %d", size)
          .isInstanceOf(TiedKeysException.class)
          .hasMessageContaining("add a tie-breaker");
    }
    assertThat(read(tied, 20)).hasSize(20);
    CursorBasedRepository<Long> unique =
        ids(pool, Keyset.query(join).orderBy(asc("parent"), asc("id")));
    for (int size = 1; size <= 21; size++) {
      assertThat(read(unique, size))
          .isEqualTo(numbers(database, "SELECT id FROM (" + join + ") q ORDER BY parent, id"));
    }
  }

  // S20
  @ParameterizedTest
  @ValueSource(
      strings = {
        "id = 3 OR id > 15",
        "id IN (SELECT id FROM twenty ORDER BY b, id LIMIT 8)",
        "timestamp '2024-01-01 12:00'::date + b::int > '2024-01-01' AND 'a:b' = 'a:b'",
        "a IS NULL -- the rest is talk",
        "a IS NULL /* ) */ OR E'\\x29)' = 'x' OR $q$ ) $q$ = ''",
        "\"twenty\".id % 2 = 0",
        "twenty.b = 1 OR NOT a = 1"
      })
  void theFilterIsTheUsers(String filter) {
    CursorBasedRepository<Long> repository =
        ids(pool, Keyset.table("twenty").where(filter).orderBy(asc("a"), desc("b")));
    List<Long> expected =
        numbers(
            database, "SELECT id FROM twenty WHERE (" + filter + "\n) ORDER BY a, b DESC, id DESC");
    for (int size = 1; size <= expected.size() + 1; size++) {
      assertThat(read(repository, size)).isNotEmpty().isEqualTo(expected);
    }
  }

  // S28
  @Test
  void subscribingTwiceReadsTwice() {
    Flux<Long> stream = ids(pool, Keyset.table("users")).cursorBasedStream(o -> o.pageSize(2));
    assertThat(Reading.all(stream)).isEqualTo(Reading.all(stream)).hasSize(5);
  }
}
