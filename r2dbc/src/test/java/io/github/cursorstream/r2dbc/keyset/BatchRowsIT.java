package io.github.cursorstream.r2dbc.keyset;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.github.cursorstream.cursor.Cursor;
import io.github.cursorstream.r2dbc.keyset.KeysetBatches.Lock;
import io.r2dbc.pool.ConnectionPool;
import io.r2dbc.spi.Connection;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.stream.LongStream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import reactor.core.publisher.Flux;
import reactor.core.publisher.Mono;

/** What a batch reads of its range, and what it leaves: together they are all of it. */
@Timeout(60)
class BatchRowsIT {

  private static final Duration SOON = Duration.ofSeconds(20);
  private static final Lock SKIP = Lock.FOR_UPDATE_SKIP_LOCKED;
  private static final int ALL = Integer.MAX_VALUE;

  @RegisterExtension static final CleanDatabase clean = new CleanDatabase();

  private ConnectionPool pool;
  private Connection mine;
  private Connection other;

  @BeforeEach
  void openTransactions() {
    pool = clean.pool(4);
    mine = open();
    other = open();
  }

  private Connection open() {
    Connection connection = Objects.requireNonNull(pool.create().block(SOON));
    Mono.from(connection.beginTransaction()).block(SOON);
    return connection;
  }

  @AfterEach
  void closeTransactions() {
    for (Connection connection : List.of(mine, other)) {
      Mono.from(connection.rollbackTransaction()).then(Mono.from(connection.close())).block(SOON);
    }
  }

  private void sql(Connection connection, String sql) {
    Flux.from(connection.createStatement(sql).execute())
        .concatMap(result -> result.getRowsUpdated())
        .blockLast(SOON);
  }

  private KeysetBatches<Long> numbers(long... ids) {
    clean
        .database()
        .execute(
            "DROP TABLE IF EXISTS t",
            "CREATE TABLE t (id bigint PRIMARY KEY, done boolean NOT NULL DEFAULT false)",
            "INSERT INTO t SELECT unnest('{%s}'::bigint[])"
                .formatted(String.join(",", LongStream.of(ids).mapToObj(i -> "" + i).toList())));
    return batches(Keyset.table("t"));
  }

  private KeysetBatches<Long> batches(Keyset keyset) {
    return KeysetBatches.of(
        CursorBasedRepository.create(pool, keyset, row -> row.get("id", Long.class)));
  }

  private static String at(KeysetBatches<?> batches, long id) {
    return Reading.one(batches.position(Cursor.of("id", id)));
  }

  private BatchRows<Long> rows(
      KeysetBatches<Long> batches, @Nullable String after, String upTo, Lock lock, int most) {
    return Reading.one(batches.rows(mine, after, upTo, lock, most));
  }

  private static List<String> parts(BatchRows<?> rows) {
    return rows.skipped().stream()
        .map(
            part ->
                "(%s, %s]"
                    .formatted(
                        part.after() == null ? "" : id(part.after()),
                        id(Objects.requireNonNull(part.upTo()))))
        .toList();
  }

  private static String id(Cursor cursor) {
    return String.join(" ", cursor.columns().stream().map(cursor::value).toList());
  }

  // B9

  @Test
  void whatSomebodyHoldsIsLeftInPartsThatHoldNothingElse() {
    KeysetBatches<Long> batches = numbers(1, 2, 3, 4, 5, 6, 7, 8, 9);
    sql(other, "SELECT FROM t WHERE id IN (1, 4, 5, 9) FOR UPDATE");
    BatchRows<Long> rows = rows(batches, null, at(batches, 20), SKIP, ALL);

    assertThat(rows.items()).containsExactly(2L, 3L, 6L, 7L, 8L);
    assertThat(parts(rows)).containsExactly("(, 1]", "(3, 5]", "(8, 9]");
    assertThat(parts(rows(batches, at(batches, 4), at(batches, 9), SKIP, ALL)))
        .containsExactly("(4, 5]", "(8, 9]");
    for (KeyRange part : rows.skipped()) {
      String after = part.after() == null ? null : part.after().token();
      String upTo = Objects.requireNonNull(part.upTo()).token();
      assertThat(rows(batches, after, upTo, SKIP, ALL).items()).isEmpty();
    }
  }

  @Test
  void rowsThatTheFilterLeavesOutAreNeitherReadNorSkipped() {
    numbers(1, 2, 3, 4, 5, 6, 7);
    clean.database().execute("UPDATE t SET done = true WHERE id IN (1, 3, 5, 7)");
    KeysetBatches<Long> batches = batches(Keyset.table("t").where("NOT done"));
    sql(other, "SELECT FROM t WHERE id IN (1, 2, 4, 5) FOR UPDATE");
    BatchRows<Long> rows = rows(batches, null, at(batches, 7), SKIP, ALL);

    assertThat(rows.items()).containsExactly(6L);
    assertThat(parts(rows)).containsExactly("(1, 4]");
  }

  @Test
  void keysOfSeveralColumnsAreToldApart() {
    clean
        .database()
        .execute(
            "CREATE TABLE pairs (a text, id bigint, at timestamptz, PRIMARY KEY (a, at, id))",
            "INSERT INTO pairs SELECT chr(97 + i / 3), i, '2024-10-27 00:00Z'::timestamptz"
                + " - i * interval '0.5 us' FROM generate_series(0, 8) i");
    KeysetBatches<Long> batches =
        batches(
            Keyset.table("pairs")
                .orderBy(KeyColumn.desc("a"), KeyColumn.desc("at"), KeyColumn.desc("id")));
    sql(other, "SELECT FROM pairs WHERE id IN (2, 3, 7) FOR UPDATE");
    BatchRows<Long> rows = rows(batches, null, Reading.one(batches.last()), SKIP, ALL);

    assertThat(rows.items()).hasSize(6).doesNotContain(2L, 3L, 7L);
    List<Long> held = new ArrayList<>();
    for (KeyRange part : rows.skipped()) {
      String after = part.after() == null ? null : part.after().token();
      String upTo = Objects.requireNonNull(part.upTo()).token();
      held.addAll(rows(batches, after, upTo, Lock.NONE, ALL).items());
    }
    assertThat(held).containsExactlyInAnyOrder(2L, 3L, 7L);
  }

  // PROTOCOL, hole 9

  @Test
  void aRangeThatHasGrownIsReadPieceByPiece() {
    KeysetBatches<Long> batches = numbers(LongStream.rangeClosed(1, 50).toArray());
    for (Lock lock : List.of(Lock.NONE, Lock.FOR_UPDATE, SKIP)) {
      String upTo = at(batches, 50);
      String after = null;
      List<Long> read = new ArrayList<>();
      while (!upTo.equals(after)) {
        BatchRows<Long> rows = rows(batches, after, upTo, lock, 7);
        assertThat(rows.items()).hasSizeBetween(1, 7);
        read.addAll(rows.items());
        after = rows.upTo();
      }
      assertThat(read).containsExactlyElementsOf(LongStream.rangeClosed(1, 50).boxed().toList());
    }
  }

  @Test
  void aRangeThatHasNotGrownIsReadToItsEnd() {
    KeysetBatches<Long> batches = numbers(1, 2, 3);
    BatchRows<Long> rows = rows(batches, null, at(batches, 9), Lock.FOR_UPDATE, 3);

    assertThat(rows.items()).containsExactly(1L, 2L, 3L);
    assertThat(rows.upTo()).isEqualTo(at(batches, 9));
  }

  @Test
  void aRowThatMovesAheadWhileItIsWaitedForHidesNoOther() {
    KeysetBatches<Long> batches = numbers(1, 2, 3, 4, 5, 6, 7, 8);
    sql(other, "UPDATE t SET id = 100 WHERE id = 4");
    CompletableFuture<BatchRows<Long>> reading =
        batches.rows(mine, null, at(batches, 200), Lock.FOR_UPDATE, 4).toFuture();
    await().until(() -> clean.database().count(WAITING) > 0);
    Mono.from(other.commitTransaction()).block(SOON);
    BatchRows<Long> rows = reading.orTimeout(20, TimeUnit.SECONDS).join();

    assertThat(rows.items()).containsExactly(1L, 2L, 3L, 5L);
    assertThat(rows(batches, rows.upTo(), at(batches, 200), Lock.NONE, ALL).items())
        .containsExactly(6L, 7L, 8L, 100L);
  }

  private static final String WAITING =
      "SELECT count(*) FROM pg_stat_activity"
          + " WHERE datname = current_database() AND wait_event_type = 'Lock'";
}
