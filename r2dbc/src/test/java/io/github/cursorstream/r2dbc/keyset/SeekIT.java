package io.github.cursorstream.r2dbc.keyset;

import static io.github.cursorstream.r2dbc.keyset.KeyColumn.asc;
import static io.github.cursorstream.r2dbc.keyset.KeyColumn.desc;
import static org.assertj.core.api.Assertions.assertThat;

import io.github.cursorstream.testing.TestDatabase;
import io.github.cursorstream.testing.TestPostgres;
import io.r2dbc.pool.ConnectionPool;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** Page n reads at most what page 1 reads, and 5 buffers more for each branch. */
class SeekIT {

  // Far behind page 5,000: a sampled histogram is wrong by some thousand rows, and where it says
  // that next to nothing is left, the planner rightly reads all of it and sorts.
  private static final int ROWS = 520_000;
  private static final int PAGE = 100;
  private static final int PAGE_5000 = 4_999 * PAGE;
  private static final int[] PLACES = {
    1, 1_000, 100_000, 166_600, ROWS / 2 - 50, 334_000, PAGE_5000, ROWS - 10
  };

  private static TestDatabase database;
  private static ConnectionPool pool;

  @BeforeAll
  static void createTable() {
    database = TestPostgres.shared().createDatabase("seek");
    pool = database.pool(2);
    // two: the trap of two leading values; scattered: neighbours in the order are far apart on
    // disk.
    database.execute(
        "CREATE TABLE big AS SELECT i::bigint AS id, i % 2 AS two,"
            + " (i * 7919::bigint % 1000003)::int AS scattered,"
            + " CASE WHEN i % 3 > 0 THEN (i % 5)::int END AS sparse FROM generate_series(1, "
            + ROWS
            + ") i",
        "ALTER TABLE big ADD PRIMARY KEY (id)",
        "ALTER TABLE big ALTER two SET NOT NULL, ALTER scattered SET NOT NULL",
        "CREATE TABLE parent (id bigint PRIMARY KEY, name text)",
        "INSERT INTO parent SELECT i, 'n' || i FROM generate_series(1, 1000) i",
        "VACUUM ANALYZE big",
        "VACUUM ANALYZE parent");
  }

  @AfterAll
  static void dropDatabase() {
    database.close();
  }

  static Stream<Arguments> orders() {
    return Stream.of(
            List.of(desc("scattered")),
            List.of(asc("two"), asc("scattered")),
            List.of(asc("two"), desc("scattered")),
            List.of(desc("two"), asc("scattered"), desc("id")),
            List.of(asc("sparse")),
            List.of(asc("sparse").nullsFirst(), desc("scattered")),
            List.of(asc("two"), desc("sparse"), asc("scattered")))
        .map(Arguments::of);
  }

  @ParameterizedTest
  @MethodSource("orders")
  void theIndexThatExplainNamesMakesEachPageASeek(List<KeyColumn> order) {
    Keyset keyset = Keyset.table("big").orderBy(order.toArray(KeyColumn[]::new));
    KeysetPlan without = Reading.one(Reading.ids(pool, keyset).explain());
    assertThat(without.seeks()).as(without.plan()).isFalse();
    assertThat(without.createIndex()).startsWith("CREATE INDEX CONCURRENTLY ON ");
    database.execute(without.createIndex(), "VACUUM ANALYZE big");

    KeysetPlan with = Reading.one(Reading.ids(pool, keyset).explain(o -> o.pageSize(PAGE)));
    assertThat(with.createIndex()).isNull();
    assertThat(with.seeks()).as(with.plan()).isTrue();
    readsLittle(new Buffers(database, pool, keyset, PAGE));
  }

  @Test
  void thePrimaryKeyIsASeek() {
    Keyset keyset = Keyset.table("big");
    KeysetPlan plan = Reading.one(Reading.ids(pool, keyset).explain());
    assertThat(plan.seeks()).isTrue();
    assertThat(plan.createIndex()).isNull();
    readsLittle(new Buffers(database, pool, keyset, PAGE));
  }

  /** Scattered rows are a buffer each, so the first page of a query over a join reads the most. */
  @Test
  void aQueryOverAJoinSeeks() {
    Keyset keyset =
        Keyset.query("SELECT b.id, p.name FROM big b JOIN parent p ON p.id = b.id % 1000 + 1")
            .orderBy(asc("id"));
    KeysetPlan plan = Reading.one(Reading.ids(pool, keyset).explain(o -> o.pageSize(PAGE)));
    assertThat(plan.seeks()).as(plan.plan()).isTrue();
    readsLittle(new Buffers(database, pool, keyset, PAGE));
  }

  private static void readsLittle(Buffers buffers) {
    PageSql firstPage = buffers.sql(null, null);
    long first = buffers.read(firstPage);
    long firstTelling =
        firstPage.canTellEnd()
            ? buffers.read(firstPage.tellingEnd(), firstPage.binds(), "force_custom_plan")
            : 0;
    // The end is an end cursor that no row on the page reaches.
    List<String> last = buffers.keysAt(ROWS - 1);
    for (int place : PLACES) {
      List<String> after = buffers.keysAt(place);
      PageSql sql = buffers.sql(after, null);
      long most = first + 5L * Buffers.branches(sql);
      assertThat(buffers.read(sql)).as("behind row %d: %s", place, sql.text()).isLessThan(most + 1);
      assertThat(buffers.read(sql, "force_generic_plan"))
          .as("generic, behind row %d: %s", place, sql.text())
          .isLessThan(most + 1);
      if (sql.canTellEnd()) {
        long telling = buffers.read(sql.tellingEnd(), sql.binds(), "force_generic_plan");
        assertThat(telling)
            .as("telling the end, behind row %d: %s", place, sql.tellingEnd())
            .isLessThan(firstTelling + 5 + 1);
      }
      PageSql ended = buffers.sql(after, last);
      assertThat(buffers.read(ended))
          .as("up to the last, behind row %d: %s", place, ended.text())
          .isLessThan(first + 5L * Buffers.branches(ended) + 1);
    }
  }
}
