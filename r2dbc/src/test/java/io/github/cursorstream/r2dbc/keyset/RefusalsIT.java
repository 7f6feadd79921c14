package io.github.cursorstream.r2dbc.keyset;

import static io.github.cursorstream.r2dbc.keyset.KeyColumn.asc;
import static io.github.cursorstream.r2dbc.keyset.KeyColumn.desc;
import static io.github.cursorstream.r2dbc.keyset.Reading.ids;
import static io.github.cursorstream.r2dbc.keyset.Reading.page;
import static io.github.cursorstream.r2dbc.keyset.Reading.read;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.github.cursorstream.cursor.Cursor;
import io.github.cursorstream.cursor.InvalidCursorException;
import io.github.cursorstream.testing.TestDatabase;
import io.github.cursorstream.testing.TestPostgres;
import io.r2dbc.pool.ConnectionPool;
import io.r2dbc.spi.R2dbcException;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.UUID;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import reactor.core.publisher.Mono;
import reactor.test.StepVerifier;

/** What is refused before a page is read, each with the rule and the value. */
class RefusalsIT {

  private static TestDatabase database;
  private static ConnectionPool pool;

  @BeforeAll
  static void createTables() {
    database = TestPostgres.shared().createDatabase("refusals");
    pool = database.pool(2);
    database.execute(
        "CREATE TABLE users (id bigint PRIMARY KEY)",
        "INSERT INTO users SELECT generate_series(1, 5)",
        "CREATE TABLE cube (id_1 int, id_2 int, id_3 int, PRIMARY KEY (id_1, id_2, id_3))");
  }

  @AfterAll
  static void dropDatabase() {
    database.close();
  }

  private static CursorBasedRepository<String> cube(KeyColumn... order) {
    Keyset cube = Keyset.table("cube");
    return Reading.texts(pool, order.length == 0 ? cube : cube.orderBy(order));
  }

  // S16
  @Test
  void anUnknownColumnOfAQueryIsRefusedWhereverItIsNamed() {
    Keyset query = Keyset.query("SELECT id FROM users");
    for (Keyset wrong :
        List.of(query.orderBy(asc("nope")), query.select("nope").orderBy(asc("id")))) {
      assertThatThrownBy(() -> read(Reading.texts(pool, wrong), 2))
          .isInstanceOf(InvalidKeysetException.class)
          .hasMessageContaining("nope");
    }
  }

  @Test
  void aPageThatCannotBeLookedBehindIsRefused() {
    assertThatIllegalArgumentException()
        .isThrownBy(() -> ids(pool, Keyset.table("users")).defaults(o -> o.pageSize(2147483647)))
        .withMessageContaining("2147483647");
  }

  // S16
  @Test
  void wrongOrdersAndCursorsAreRefusedWithTheRuleAndTheValue() {
    assertThatIllegalArgumentException()
        .isThrownBy(() -> Keyset.table("cube").orderBy())
        .withMessage("an order of one column or more required but it was empty");
    assertThatIllegalArgumentException()
        .isThrownBy(() -> Keyset.table("cube").orderBy(asc("id_1"), desc("id_1")))
        .withMessageContaining("\"id_1\" occurs twice");
    assertThatThrownBy(() -> read(cube(asc("nope")), 1))
        .isInstanceOf(InvalidKeysetException.class)
        .hasMessageContaining("required as column of the order but it was \"nope\"");
    refused(cube(), Cursor.of("id_1", 1), "leaves out [id_2, id_3]");
    refused(
        cube(),
        Cursor.of("id_1", 1).and("id_2", 2).and("id_3", 3).and("id_9", 1),
        "there was \"id_9\"");
    refused(cube(), Cursor.prefix("id_1", 1).and("id_3", 3), "\"id_2\" is missing");
    refused(ids(pool, Keyset.table("users")), Cursor.of("id", 1).and("email", 2), "\"email\"");
    refused(ids(pool, Keyset.table("users")), Cursor.of("id", null), "NOT NULL column \"id\"");
    refused(ids(pool, Keyset.table("users")), Cursor.of("id", "x"), "a value of type bigint");
  }

  @Test
  void aCursorThatOnlyTheDatabaseCanReadIsRefusedByIt() {
    database.execute(
        "CREATE TABLE moments (at date NOT NULL, n numeric NOT NULL, id bigint PRIMARY KEY)",
        "INSERT INTO moments VALUES ('2024-01-01', 1, 1)");
    CursorBasedRepository<Long> byDay = ids(pool, Keyset.table("moments").orderBy(asc("at")));
    refused(byDay, Cursor.of("at", "today-ish").and("id", 1), "today-ish");
    refused(byDay, Cursor.of("at", "2024-02-30").and("id", 1), "2024-02-30");
    CursorBasedRepository<Long> byNumber = ids(pool, Keyset.table("moments").orderBy(asc("n")));
    refused(byNumber, Cursor.of("n", "x").and("id", 1), "cannot read those of");
    // A row that the filter cannot read is not the cursor's fault.
    CursorBasedRepository<Long> broken =
        ids(pool, Keyset.table("moments").where("1 / (n - 1) > 0"));
    for (Cursor cursor : List.of(Cursor.of("id", 0), Cursor.of("id", -1))) {
      assertThatThrownBy(() -> read(broken, o -> o.after(cursor).upTo(Cursor.of("id", 9))))
          .isInstanceOfSatisfying(
              R2dbcException.class, e -> assertThat(e.getSqlState()).isEqualTo("22012"));
    }
  }

  private static void refused(CursorBasedRepository<?> repository, Cursor cursor, String message) {
    for (UnaryOperator<StreamOptions> options :
        List.<UnaryOperator<StreamOptions>>of(
            o -> o.after(cursor), o -> o.upTo(cursor), o -> o.after(cursor).readAhead(2))) {
      StepVerifier.create(repository.cursorBasedStream(options))
          .expectErrorSatisfies(
              e ->
                  assertThat(e)
                      .isInstanceOf(InvalidCursorException.class)
                      .hasMessageContaining("required")
                      .hasMessageContaining(message))
          .verify();
    }
    assertThatThrownBy(() -> page(repository, o -> o.before(cursor)))
        .isInstanceOf(InvalidCursorException.class);
    for (Mono<?> other :
        List.of(
            repository.ranges(2, o -> o.after(cursor)).then(),
            repository.explain(o -> o.upTo(cursor)))) {
      assertThatThrownBy(other::block).isInstanceOf(InvalidCursorException.class);
    }
  }

  // S30
  @ParameterizedTest
  @ValueSource(ints = {0, -1, Integer.MIN_VALUE})
  void aPageSizeBelowOneIsRefusedAtTheCall(int size) {
    CursorBasedRepository<Long> users = ids(pool, Keyset.table("users"));
    assertThatIllegalArgumentException()
        .isThrownBy(() -> users.cursorBasedStream(o -> o.pageSize(size)))
        .withMessage("pageSize >= 1 required but it was " + size);
    assertThatIllegalArgumentException().isThrownBy(() -> users.ranges(size));
  }

  // S31
  @Test
  void aForgedTokenAndOneOfAnotherOrderAreRefused() {
    byte[] key = UUID.randomUUID().toString().getBytes(StandardCharsets.UTF_8);
    CursorBasedRepository<Long> signed =
        ids(pool, Keyset.table("users")).defaults(o -> o.tokenKey(key).pageSize(2));
    CursorBasedRepository<Long> plain = ids(pool, Keyset.table("users"));
    Cursor issued = page(signed, o -> o).cursor();
    assertThat(read(signed, o -> o.after(Reading.sent(issued)))).containsExactly(3L, 4L, 5L);
    for (Cursor forged :
        List.of(
            Reading.sent(page(plain, o -> o.pageSize(2)).cursor()),
            Reading.sent(Cursor.of("id", 1)),
            Reading.sent(issued.and("x", 1)))) {
      assertThatThrownBy(() -> read(signed, o -> o.after(forged)))
          .isInstanceOf(InvalidCursorException.class)
          .hasMessageContaining("a token signed with the token key required");
    }
    Cursor other =
        Reading.sent(
            page(ids(pool, Keyset.table("users").orderBy(desc("id"))), o -> o.pageSize(1))
                .cursor());
    assertThatThrownBy(() -> read(plain, o -> o.after(other)))
        .isInstanceOf(InvalidCursorException.class)
        .hasMessageContaining("a token of this order required");
    String token = issued.token();
    for (int i = 0; i < token.length(); i++) {
      char flipped = token.charAt(i) == 'A' ? 'B' : 'A';
      String damaged = token.substring(0, i) + flipped + token.substring(i + 1);
      assertThatThrownBy(() -> read(signed, o -> o.after(Cursor.parse(damaged))))
          .isInstanceOf(InvalidCursorException.class);
    }
  }
}
