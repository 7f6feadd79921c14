package io.github.cursorstream.r2dbc.keyset;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.github.cursorstream.cursor.Cursor;
import io.github.cursorstream.testing.TestDatabase;
import io.github.cursorstream.testing.TestPostgres;
import io.r2dbc.pool.ConnectionPool;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import reactor.test.StepVerifier;

/** S27, and tables that are altered under a running application. */
class ChangingRowsIT {

  private static TestDatabase database;

  private ConnectionPool pool;
  private CursorBasedRepository<Long> repository;

  @BeforeAll
  static void createDatabase() {
    database = TestPostgres.shared().createDatabase("changing");
  }

  @AfterAll
  static void dropDatabase() {
    database.close();
  }

  @BeforeEach
  void createTable() {
    database.execute(
        "DROP TABLE IF EXISTS t",
        "CREATE TABLE t (id int PRIMARY KEY, name text, other text)",
        "INSERT INTO t SELECT i * 10, 'n' || i FROM generate_series(1, 6) i");
    pool = database.pool(1);
    repository = Reading.ids(pool, Keyset.table("t"));
  }

  /** Reads two rows of the first page of two, then lets that happen, then reads the rest. */
  private List<Long> readWhile(String... statements) {
    List<Long> read = new ArrayList<>();
    StepVerifier.create(repository.cursorBasedStream(o -> o.pageSize(2)), 2)
        .recordWith(() -> read)
        .expectNextCount(2)
        .then(() -> database.execute(statements))
        .thenRequest(Long.MAX_VALUE)
        .thenConsumeWhile(id -> true)
        .verifyComplete();
    return read;
  }

  // S27
  @Test
  void rowsAheadAndAtTheEndAreMetAndRowsBehindAreNot() {
    assertThat(readWhile("INSERT INTO t VALUES (5), (25), (65)"))
        .containsExactly(10L, 20L, 25L, 30L, 40L, 50L, 60L, 65L);
  }

  @Test
  void deletedRowsAreNotMetAlsoIfThePageEndedAtThem() {
    assertThat(readWhile("DELETE FROM t WHERE id IN (20, 40)"))
        .containsExactly(10L, 20L, 30L, 50L, 60L);
  }

  @Test
  void aRowMovedAheadIsMetTwiceAndOneMovedBehindNever() {
    assertThat(readWhile("UPDATE t SET id = 55 WHERE id = 10", "UPDATE t SET id = 5 WHERE id = 30"))
        .containsExactly(10L, 20L, 40L, 50L, 55L, 60L);
  }

  @Test
  void aColumnAddedIsNoMatter() {
    assertThat(readWhile("ALTER TABLE t ADD more int DEFAULT 1")).hasSize(6);
    assertThat(Reading.read(repository, 2)).hasSize(6);
  }

  @Test
  void afterAColumnIsDroppedTheNextSubscriptionReads() {
    assertThat(Reading.read(repository, 2)).hasSize(6);
    database.execute("ALTER TABLE t DROP other");
    assertThatThrownBy(() -> Reading.read(repository, 2)).hasMessageContaining("does not exist");
    assertThat(Reading.read(repository, 2)).hasSize(6);
    database.execute("ALTER TABLE t RENAME name TO title");
    assertThatThrownBy(() -> Reading.read(repository, 2)).hasMessageContaining("does not exist");
    assertThat(Reading.read(repository, 2)).hasSize(6);
  }

  @Test
  void afterTheKeyIsWidenedTheNextSubscriptionsRead() {
    assertThat(Reading.read(repository, 2)).hasSize(6);
    database.execute(
        "ALTER TABLE t ALTER id TYPE bigint", "INSERT INTO t VALUES (3000000000), (3000000001)");
    recovers(8);
  }

  @Test
  void tokensOutliveTheWideningOfAnIntegerKey() {
    String token =
        Objects.requireNonNull(Reading.page(repository, o -> o.pageSize(2)).cursor()).token();
    database.execute("ALTER TABLE t ALTER id TYPE bigint");
    CursorBasedRepository<Long> redeployed = Reading.ids(pool, Keyset.table("t"));
    assertThat(Reading.read(redeployed, o -> o.after(Cursor.parse(token))))
        .isEqualTo(List.of(30L, 40L, 50L, 60L));
  }

  @Test
  void theKeyMayBeWidenedWhileItIsRead() {
    List<Long> read = new ArrayList<>();
    StepVerifier.create(repository.cursorBasedStream(o -> o.pageSize(2)), 2)
        .recordWith(() -> read)
        .expectNextCount(2)
        .then(
            () ->
                database.execute(
                    "ALTER TABLE t ALTER id TYPE bigint",
                    "INSERT INTO t SELECT 3000000000 + i FROM generate_series(1, 5) i"))
        .thenRequest(Long.MAX_VALUE)
        .thenConsumeWhile(id -> true)
        .thenCancel()
        .verifyThenAssertThat();
    recovers(11);
  }

  /** A few subscriptions may fail while what is known of the table is stale; not for ever. */
  private void recovers(int rows) {
    List<Throwable> failures = new ArrayList<>();
    List<Long> read = List.of();
    for (int i = 0; i < 3 && read.isEmpty(); i++) {
      try {
        read = Reading.read(repository, 2);
      } catch (RuntimeException e) {
        failures.add(e);
      }
    }
    assertThat(failures).hasSizeLessThanOrEqualTo(1);
    assertThat(read)
        .hasSize(rows)
        .isEqualTo(Reading.numbers(database, "SELECT id FROM t ORDER BY id"));
    Long last = Objects.requireNonNull(read.get(rows - 1));
    assertThat(Reading.read(repository, o -> o.after(Cursor.of("id", last - 1))))
        .containsExactly(last);
  }
}
