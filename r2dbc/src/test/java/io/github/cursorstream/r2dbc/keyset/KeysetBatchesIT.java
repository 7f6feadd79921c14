package io.github.cursorstream.r2dbc.keyset;

import static io.github.cursorstream.r2dbc.keyset.KeyColumn.asc;
import static io.github.cursorstream.r2dbc.keyset.KeyColumn.desc;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import io.github.cursorstream.cursor.Cursor;
import io.github.cursorstream.cursor.InvalidCursorException;
import io.github.cursorstream.r2dbc.internal.Identifiers;
import io.github.cursorstream.r2dbc.keyset.KeysetBatches.Lock;
import io.github.cursorstream.testing.TestDatabase;
import io.github.cursorstream.testing.TestPostgres;
import io.r2dbc.pool.ConnectionPool;
import io.r2dbc.spi.Connection;
import io.r2dbc.spi.Statement;
import java.time.Duration;
import java.time.OffsetDateTime;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Objects;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import java.util.stream.LongStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;
import reactor.core.publisher.Flux;
import reactor.core.publisher.Mono;

/** Batches cover the keys exactly, whatever the keys are; and who writes is waited for. */
@Timeout(120)
class KeysetBatchesIT {

  private static final int ROWS = 13;
  private static final Duration SOON = Duration.ofSeconds(20);
  private static final Duration POLL = Duration.ofMillis(20);

  private static TestDatabase database;
  private static ConnectionPool pool;

  @BeforeAll
  static void createDatabase() {
    database = TestPostgres.shared().createDatabase("batches");
    pool = database.pool(4);
  }

  @AfterAll
  static void dropDatabase() {
    database.close();
  }

  /** A table's key columns, the key of row i, and the order. */
  private record Keys(String columns, String values, String primary, List<KeyColumn> order) {
    Keys(String columns, String values, String primary, KeyColumn... order) {
      this(columns, values, primary, List.of(order));
    }
  }

  static Stream<Arguments> keys() {
    return Stream.of(
        Arguments.of("int", new Keys("k int", "(i - 7) * 1000003", "k")),
        Arguments.of("bigint", new Keys("k bigint", "(i - 7) * 1317624576693539401", "k")),
        Arguments.of("bigint down", new Keys("k bigint", "i - 7", "k", desc("k"))),
        Arguments.of("numeric", new Keys("k numeric", "(i - 7) / 3.00", "k")),
        Arguments.of("uuid", new Keys("k uuid", "md5(i::text)::uuid", "k")),
        Arguments.of(
            "timestamptz",
            new Keys(
                "k timestamptz",
                "timestamptz '2024-10-27 02:59:59.999993+02' + i * interval '1 microsecond'",
                "k")),
        Arguments.of("text", new Keys("k text", "repeat('ä\"''', i % 3) || i || E'\\\\\\n'", "k")),
        Arguments.of(
            "composite", new Keys("a int, k date", "i % 3 - 1, date '2024-02-26' + i", "a, k")),
        Arguments.of(
            "composite down",
            new Keys("a int, k text", "i % 3 - 1, 'k' || i", "a, k", desc("a"), desc("k"))),
        Arguments.of(
            "down with tie-breaker",
            new Keys("a int NOT NULL, k bigint", "i % 2, i", "k", desc("a"))));
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("keys")
  void batchesCoverTheKeysExactly(String name, Keys keys) {
    database.execute(
        "DROP TABLE IF EXISTS covered",
        "CREATE TABLE covered (%s, id bigint NOT NULL, PRIMARY KEY (%s))"
            .formatted(keys.columns, keys.primary),
        "INSERT INTO covered SELECT %s, i FROM generate_series(1, %d) i"
            .formatted(keys.values, ROWS));
    Keyset keyset =
        keys.order.isEmpty()
            ? Keyset.table("covered")
            : Keyset.table("covered").orderBy(keys.order.toArray(KeyColumn[]::new));
    assertCovered(keyset, "covered", orderBy(keys));
    assertCompared(keyset);
    for (Lock lock : Lock.values()) {
      KeysetBatches<Long> batches = KeysetBatches.of(Reading.ids(pool, keyset));
      String upTo = Reading.one(batches.last());
      BatchRows<Long> all =
          Reading.one(
              Mono.usingWhen(
                  pool.create(), c -> batches.rows(c, null, upTo, lock, ROWS), Connection::close));
      assertThat(all.items()).hasSize(ROWS);
      assertThat(all.upTo()).isEqualTo(upTo);
      assertThat(all.skipped()).isEmpty();
    }
  }

  private static String orderBy(Keys keys) {
    if (keys.order.isEmpty()) {
      return keys.primary;
    }
    String order = String.join(", ", keys.order.stream().map(c -> c.name() + c.suffix()).toList());
    return order.contains("k") ? order : order + ", k DESC";
  }

  private static void assertCovered(Keyset keyset, String table, String orderBy) {
    List<Long> expected =
        Reading.numbers(database, "SELECT id FROM " + table + " ORDER BY " + orderBy);
    KeysetBatches<Long> batches = KeysetBatches.of(Reading.ids(pool, keyset));
    String upTo = Reading.one(batches.last());
    for (int size = 1; size <= expected.size() + 1; size++) {
      for (int count : new int[] {1, 3, 100}) {
        List<List<Long>> walked = new ArrayList<>();
        List<List<Long>> updated = new ArrayList<>();
        String after = null;
        while (!upTo.equals(after)) {
          List<String> ends = Reading.one(batches.ends(after, upTo, size, count));
          assertThat(ends).hasSizeBetween(1, count);
          for (String end : ends) {
            if (count == 3) {
              walked.add(rows(batches, after, end, Lock.NONE));
            }
            updated.add(touched(batches, table, after, end));
            after = end;
          }
        }
        assertThat(updated.subList(0, updated.size() - 1)).allSatisfy(sized(size));
        assertThat(updated).allSatisfy(batch -> assertThat(batch).isNotEmpty());
        assertThat(updated.stream().flatMap(List::stream))
            .doesNotHaveDuplicates()
            .containsExactlyInAnyOrderElementsOf(expected);
        if (count == 3) {
          assertThat(walked.stream().flatMap(List::stream).toList()).isEqualTo(expected);
        }
      }
    }
  }

  private static void assertCompared(Keyset keyset) {
    KeysetBatches<Long> batches = KeysetBatches.of(Reading.ids(pool, keyset));
    List<String> inOrder =
        Reading.one(batches.ends(null, Reading.one(batches.last()), 1, 2 * ROWS));
    List<String> shuffled = new ArrayList<>(inOrder);
    Collections.shuffle(shuffled, new Random(1));
    shuffled.sort(Reading.one(batches.order(List.copyOf(shuffled))));
    assertThat(shuffled).isEqualTo(inOrder);
    for (int i = 1; i <= ROWS; i++) {
      String upTo = inOrder.get(i - 1);
      assertThat(Reading.one(batches.matches(null, upTo, 3)))
          .isEqualTo(new KeysetBatches.Matches(i, inOrder.subList(0, Math.min(i, 3))));
    }
    assertThat(Reading.all(batches.matches(shuffled))).isEqualTo(inOrder);
  }

  private static Consumer<List<Long>> sized(int size) {
    return batch -> assertThat(batch).hasSize(size);
  }

  private static <T> List<T> rows(KeysetBatches<T> batches, String after, String upTo, Lock lock) {
    return Reading.one(
        Mono.usingWhen(pool.create(), c -> rows(batches, c, after, upTo, lock), Connection::close));
  }

  private static <T> Mono<List<T>> rows(
      KeysetBatches<T> batches, Connection connection, String after, String upTo, Lock lock) {
    return batches.rows(connection, after, upTo, lock, Integer.MAX_VALUE).map(BatchRows::items);
  }

  /** What an UPDATE by the condition of a range meets. */
  private static List<Long> touched(
      KeysetBatches<?> batches, String table, String after, String upTo) {
    RangeCondition range = Reading.one(batches.predicate(after, upTo, "u", 2));
    return Reading.all(
        Flux.usingWhen(
            pool.create(),
            c -> {
              Statement statement =
                  c.createStatement(
                      "UPDATE "
                          + table
                          + " AS u SET id = id + $1::bigint WHERE "
                          + range.sql()
                          + " RETURNING u.id");
              statement.bind(0, 0L);
              for (int i = 0; i < range.binds().size(); i++) {
                statement.bind(i + 1, range.binds().get(i));
              }
              return Flux.from(statement.execute())
                  .concatMap(result -> result.map((row, m) -> row.get("id", Long.class)));
            },
            Connection::close));
  }

  private static KeysetBatches<Long> numbers(String table, int rows) {
    database.execute(
        "DROP TABLE IF EXISTS " + table,
        "CREATE TABLE %s (id bigint PRIMARY KEY, note text)".formatted(table),
        "INSERT INTO %s SELECT i, 'n' || i FROM generate_series(1, %d) i".formatted(table, rows));
    return KeysetBatches.of(Reading.ids(pool, Keyset.table(table)));
  }

  private static String at(KeysetBatches<?> batches, long id) {
    return Reading.one(batches.position(Cursor.of("id", id)));
  }

  @Test
  void anEmptyTableHasNoLastKey() {
    KeysetBatches<Long> batches = numbers("nobody", 0);
    assertThat(batches.last().blockOptional(SOON)).isEmpty();
    String upTo = at(batches, 5);
    assertThat(Reading.one(batches.ends(null, upTo, 10, 4))).containsExactly(upTo);
    assertThat(rows(batches, null, upTo, Lock.FOR_UPDATE)).isEmpty();
    assertThat(batches.middle(null, upTo).blockOptional(SOON)).isEmpty();
    assertThat(batches.json(null, upTo).blockOptional(SOON)).isEmpty();
  }

  @Test
  void oneRowIsOneBatchThatCannotBeHalved() {
    KeysetBatches<Long> batches = numbers("single", 1);
    String upTo = Reading.one(batches.last());
    assertThat(Reading.one(batches.ends(null, upTo, 1, 4))).containsExactly(upTo);
    assertThat(Reading.one(batches.ends(upTo, upTo, 1, 4))).containsExactly(upTo);
    assertThat(batches.middle(null, upTo).blockOptional(SOON)).isEmpty();
    assertThat(Reading.one(batches.json(null, upTo))).isEqualTo("{\"id\": 1, \"note\": \"n1\"}");
    database.execute("DELETE FROM single");
    assertThat(batches.json(null, upTo).blockOptional(SOON)).isEmpty();
  }

  @Test
  void halvingEndsWithSingleKeys() {
    KeysetBatches<Long> batches = numbers("halved", 11);
    List<List<Long>> found = new ArrayList<>();
    halve(batches, null, Reading.one(batches.last()), found);
    assertThat(found).hasSize(11).allSatisfy(sized(1));
    assertThat(found.stream().flatMap(List::stream)).isSorted();
    assertThat(rows(batches, null, Reading.one(batches.middle(null, at(batches, 9))), Lock.NONE))
        .containsExactly(1L, 2L, 3L, 4L);
  }

  private static void halve(
      KeysetBatches<Long> batches, String after, String upTo, List<List<Long>> found) {
    String middle = batches.middle(after, upTo).block(SOON);
    if (middle == null) {
      found.add(rows(batches, after, upTo, Lock.NONE));
    } else {
      halve(batches, after, middle, found);
      halve(batches, middle, upTo, found);
    }
  }

  @Test
  void theFilterChoosesRowsAndNotBounds() {
    numbers("sparse", 50);
    KeysetBatches<Long> batches =
        KeysetBatches.of(
            Reading.ids(
                pool,
                Keyset.table("sparse").where("id % :n = :zero").bind("n", 20L).bind("zero", 0L)));
    String upTo = Reading.one(batches.last());
    assertThat(upTo).isEqualTo(at(batches, 50));
    List<String> ends = Reading.one(batches.ends(null, upTo, 15, 9));
    assertThat(ends)
        .containsExactly(at(batches, 15), at(batches, 30), at(batches, 45), at(batches, 50));
    assertThat(rows(batches, null, ends.get(0), Lock.NONE)).isEmpty();
    assertThat(rows(batches, ends.get(0), ends.get(1), Lock.FOR_UPDATE)).containsExactly(20L);
    assertThat(rows(batches, null, upTo, Lock.FOR_NO_KEY_UPDATE)).containsExactly(20L, 40L);
    assertThat(Reading.one(batches.middle(null, upTo))).isEqualTo(at(batches, 25));
    assertThat(Reading.one(batches.matches(ends.get(0), upTo, 1)))
        .isEqualTo(new KeysetBatches.Matches(2, List.of(at(batches, 20))));
    assertThat(batches.matches(null, ends.get(0), 1).blockOptional(SOON)).isEmpty();
    List<String> keys = LongStream.of(60, 41, 40, 20).mapToObj(id -> at(batches, id)).toList();
    assertThat(Reading.all(batches.matches(keys))).containsExactly(keys.get(3), keys.get(2));
    assertThat(Reading.one(batches.json(null, upTo))).contains("\"n1\"");
    assertThat(touched(batches, "sparse", null, ends.get(0))).hasSize(15);
  }

  @Test
  void anEndThatIsGoneIsStillTheEnd() {
    KeysetBatches<Long> batches = numbers("shrunk", 10);
    String upTo = Reading.one(batches.last());
    database.execute("DELETE FROM shrunk WHERE id > 8", "INSERT INTO shrunk VALUES (11)");
    List<String> ends = Reading.one(batches.ends(null, upTo, 4, 2));
    assertThat(ends).containsExactly(at(batches, 4), at(batches, 8));
    assertThat(Reading.one(batches.ends(ends.get(1), upTo, 4, 2))).containsExactly(upTo);
    assertThat(rows(batches, ends.get(1), upTo, Lock.NONE)).isEmpty();
  }

  @Test
  void aUsersCursorBecomesTheSamePositionAsTheRowsOwn() {
    database.execute(
        "CREATE TABLE moments (at timestamptz, n numeric, id bigint NOT NULL, PRIMARY KEY (at, n))",
        "INSERT INTO moments VALUES ('2024-10-27 01:00:00.000001+02', 1.50, 1)");
    KeysetBatches<Long> batches = KeysetBatches.of(Reading.ids(pool, Keyset.table("moments")));
    Cursor cursor =
        Cursor.of("at", OffsetDateTime.parse("2024-10-26T23:00:00.000001Z")).and("n", "01.50");
    assertThat(Reading.one(batches.position(cursor))).isEqualTo(Reading.one(batches.last()));
    assertThatThrownBy(
            () -> Reading.one(batches.position(Cursor.of("at", "today-ish").and("n", 1))))
        .isInstanceOf(InvalidCursorException.class)
        .hasMessageContaining("cannot read");
    assertThatThrownBy(() -> Reading.one(batches.position(Cursor.of("n", 1))))
        .isInstanceOf(InvalidCursorException.class);
    assertThatThrownBy(() -> Reading.one(batches.ends(null, "x", 1, 1)))
        .isInstanceOf(InvalidCursorException.class);
    assertThatThrownBy(() -> Reading.one(batches.ends(null, at(numbers("o", 1), 1), 1, 1)))
        .isInstanceOf(InvalidCursorException.class)
        .hasMessageContaining("another one");
  }

  @Test
  void signedCursorsBecomeUnsignedPositions() {
    numbers("signed", 3);
    CursorBasedRepository<Long> repository =
        Reading.ids(pool, Keyset.table("signed")).defaults(o -> o.tokenKey(new byte[16]));
    KeysetBatches<Long> batches = KeysetBatches.of(repository);
    Cursor signed = Reading.cursors(repository).get(1);
    Cursor forged = Reading.cursors(Reading.ids(pool, Keyset.table("signed"))).get(1);
    assertThat(Reading.one(batches.position(signed))).isEqualTo(forged.token());
    assertThatThrownBy(() -> Reading.one(batches.position(forged)))
        .isInstanceOf(InvalidCursorException.class);
    assertThat(Reading.one(batches.ends(forged.token(), Reading.one(batches.last()), 1, 9)))
        .hasSize(1);
  }

  private static String at(KeysetBatches<?> batches, String country, long id) {
    return Reading.one(batches.position(Cursor.of("country", country).and("id", id)));
  }

  @Test
  void aPrefixIsAPositionBehindAllThatShareIt() {
    database.execute(
        "CREATE TABLE cities (country text, id bigint, PRIMARY KEY (country, id))",
        "INSERT INTO cities SELECT chr(96 + i % 4 + 1), i FROM generate_series(0, 19) i");
    KeysetBatches<Long> batches = KeysetBatches.of(Reading.ids(pool, Keyset.table("cities")));
    String a = Reading.one(batches.position(Cursor.prefix("country", "a")));
    String c = Reading.one(batches.position(Cursor.prefix("country", "c")));
    List<String> sorted = new ArrayList<>(List.of(c, at(batches, "c", 3), at(batches, "d", 0), a));
    sorted.sort(Reading.one(batches.order(sorted)));
    assertThat(sorted).containsExactly(a, at(batches, "c", 3), c, at(batches, "d", 0));
    assertThat(rows(batches, a, c, Lock.FOR_UPDATE))
        .containsExactly(1L, 5L, 9L, 13L, 17L, 2L, 6L, 10L, 14L, 18L);
    List<String> ends = Reading.one(batches.ends(a, c, 4, 9));
    assertThat(ends).hasSize(3).endsWith(c);
    assertThat(rows(batches, ends.get(0), ends.get(1), Lock.NONE))
        .containsExactly(17L, 2L, 6L, 10L);
    assertThat(touched(batches, "cities", ends.get(1), c)).containsExactlyInAnyOrder(14L, 18L);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "Upper Case",
        "we\"ird",
        "a.b",
        "select",
        "\"; DROP TABLE canary; --",
        "p",
        "r",
        "s",
        "n",
        "key_1",
        "total",
        "item",
        "u",
        "$1",
        ":name",
        "cursorstream_key_1"
      })
  void anyNameIsANameOfSchemasTablesAndColumns(String name) {
    String quoted = Identifiers.quote(name);
    String table = quoted + "." + quoted;
    database.execute(
        "CREATE SCHEMA " + quoted,
        "CREATE TABLE %s (%s int, id bigint NOT NULL, PRIMARY KEY (%s))"
            .formatted(table, quoted, quoted),
        "INSERT INTO %s SELECT i, i FROM generate_series(1, 5) i".formatted(table));
    assertCovered(Keyset.table(table), table, quoted);
    KeysetBatches<Long> batches =
        KeysetBatches.of(Reading.ids(pool, Keyset.table(quoted)).defaults(o -> o.schema(name)));
    String upTo = Reading.one(batches.last());
    assertThat(rows(batches, null, upTo, Lock.FOR_UPDATE_SKIP_LOCKED)).hasSize(5);
    assertThat(Reading.one(batches.middle(null, upTo))).isNotNull();
    assertThat(Reading.one(batches.json(null, upTo))).contains("\"id\": 1");
    batches.writersGone(POLL).block(SOON);
  }

  @Test
  void lockedRowsAreLeftOut() {
    KeysetBatches<Long> batches = numbers("locked", 5);
    String upTo = Reading.one(batches.last());
    Connection other = open();
    Connection mine = open();
    try {
      sql(other, "SELECT id FROM locked WHERE id IN (2, 4) FOR UPDATE");
      assertThat(Reading.one(rows(batches, mine, null, upTo, Lock.FOR_NO_KEY_UPDATE_SKIP_LOCKED)))
          .containsExactly(1L, 3L, 5L);
      assertThat(Reading.one(rows(batches, mine, null, upTo, Lock.NONE))).hasSize(5);
      assertThat(Reading.numbers(database, "SELECT id FROM locked FOR KEY SHARE SKIP LOCKED"))
          .containsExactly(1L, 3L, 5L);
      assertThat(Reading.one(rows(batches, mine, null, upTo, Lock.FOR_UPDATE_SKIP_LOCKED)))
          .containsExactly(1L, 3L, 5L);
      assertThat(Reading.numbers(database, "SELECT id FROM locked FOR KEY SHARE SKIP LOCKED"))
          .isEmpty();
      CompletableFuture<List<Long>> waiting =
          rows(batches, mine, null, upTo, Lock.FOR_UPDATE).toFuture();
      await().during(Duration.ofMillis(200)).until(() -> !waiting.isDone());
      Mono.from(other.commitTransaction()).block(SOON);
      assertThat(waiting.orTimeout(20, TimeUnit.SECONDS).join()).hasSize(5);
    } finally {
      close(mine);
      close(other);
    }
  }

  private static Connection open() {
    Connection connection = Objects.requireNonNull(pool.create().block(SOON));
    Mono.from(connection.beginTransaction()).block(SOON);
    return connection;
  }

  private static void close(Connection connection) {
    Mono.from(connection.rollbackTransaction()).then(Mono.from(connection.close())).block(SOON);
  }

  private static void sql(Connection connection, String sql) {
    Flux.from(connection.createStatement(sql).execute())
        .concatMap(result -> result.getRowsUpdated())
        .blockLast(SOON);
  }

  @Test
  void aWriterIsWaitedForAndAReaderIsNot() {
    KeysetBatches<Long> batches = numbers("written", 10);
    Connection writer = open();
    Connection reader = open();
    Connection late = open();
    try {
      sql(reader, "SELECT count(*) FROM written");
      sql(reader, "SELECT id FROM written WHERE id = 1 FOR UPDATE");
      batches.writersGone(POLL).block(SOON);
      sql(writer, "INSERT INTO written VALUES (0, 'below')");
      String upTo = Reading.one(batches.last());
      CompletableFuture<Void> gone = batches.writersGone(POLL).toFuture();
      await().during(Duration.ofMillis(300)).until(() -> !gone.isDone());
      sql(late, "INSERT INTO written VALUES (-1, 'late')");
      assertThat(rows(batches, null, upTo, Lock.NONE)).hasSize(10);
      Mono.from(writer.commitTransaction()).block(SOON);
      gone.orTimeout(20, TimeUnit.SECONDS).join();
      assertThat(rows(batches, null, upTo, Lock.NONE)).hasSize(11);
    } finally {
      close(late);
      close(reader);
      close(writer);
    }
  }

  @Test
  void aWriterOfAPartitionIsWaitedFor() {
    database.execute(
        "CREATE TABLE parts (id bigint PRIMARY KEY) PARTITION BY RANGE (id)",
        "CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (100)");
    KeysetBatches<Long> batches = KeysetBatches.of(Reading.ids(pool, Keyset.table("parts")));
    Connection writer = open();
    try {
      sql(writer, "INSERT INTO parts_1 VALUES (1)");
      CompletableFuture<Void> gone = batches.writersGone(POLL).toFuture();
      await().during(Duration.ofMillis(300)).until(() -> !gone.isDone());
      Mono.from(writer.rollbackTransaction()).block(SOON);
      gone.orTimeout(20, TimeUnit.SECONDS).join();
    } finally {
      close(writer);
    }
  }

  @Test
  void aTransactionThatIsPreparedMeanwhileIsWaitedFor() {
    try (TestPostgres server = TestPostgres.start("max_prepared_transactions=3");
        TestDatabase own = server.createDatabase()) {
      own.execute("CREATE TABLE t (id bigint PRIMARY KEY)");
      ConnectionPool connections = own.pool(2);
      KeysetBatches<Long> batches = KeysetBatches.of(Reading.ids(connections, Keyset.table("t")));
      Connection writer = Objects.requireNonNull(connections.create().block(SOON));
      Mono.from(writer.beginTransaction()).block(SOON);
      sql(writer, "INSERT INTO t VALUES (1)");
      CompletableFuture<Void> gone = batches.writersGone(POLL).toFuture();
      await().during(Duration.ofMillis(200)).until(() -> !gone.isDone());
      sql(writer, "PREPARE TRANSACTION 'p'");
      await().during(Duration.ofMillis(300)).until(() -> !gone.isDone());
      CompletableFuture<Void> later = batches.writersGone(POLL).toFuture();
      await().during(Duration.ofMillis(200)).until(() -> !later.isDone());
      sql(writer, "COMMIT PREPARED 'p'");
      gone.orTimeout(20, TimeUnit.SECONDS).join();
      later.orTimeout(20, TimeUnit.SECONDS).join();
      Mono.from(writer.close()).block(SOON);
    }
  }

  @Test
  void theFractionFollowsTheDistribution() {
    database.execute(
        "CREATE TABLE skewed (id bigint, b int, PRIMARY KEY (id, b))",
        "INSERT INTO skewed SELECT i * i, 1 FROM generate_series(1, 10000) i");
    KeysetBatches<Long> up = KeysetBatches.of(Reading.ids(pool, Keyset.table("skewed")));
    String upTo = Reading.one(up.last());
    String quarter = Reading.one(up.position(Cursor.of("id", 2_500L * 2_500).and("b", 1)));
    String half = Reading.one(up.position(Cursor.of("id", 5_000L * 5_000).and("b", 1)));
    assertThat(up.fraction(null, half, upTo).blockOptional(SOON)).isEmpty();
    database.execute("ANALYZE skewed");
    assertThat(Reading.one(up.fraction(null, half, upTo))).isBetween(0.45, 0.55);
    assertThat(Reading.one(up.fraction(quarter, half, upTo))).isBetween(0.28, 0.38);
    assertThat(Reading.one(up.fraction(quarter, quarter, upTo))).isZero();
    assertThat(Reading.one(up.fraction(half, quarter, upTo))).isZero();
    assertThat(Reading.one(up.fraction(null, upTo, upTo))).isEqualTo(1);
    assertThat(up.fraction(upTo, upTo, upTo).blockOptional(SOON)).isEmpty();
    KeysetBatches<Long> down =
        KeysetBatches.of(Reading.ids(pool, Keyset.table("skewed").orderBy(desc("id"), desc("b"))));
    String first = Reading.one(down.last());
    String high = Reading.one(down.position(Cursor.of("id", 7_500L * 7_500).and("b", 1)));
    assertThat(Reading.one(down.fraction(null, high, first))).isBetween(0.2, 0.3);
  }

  @Test
  void aQueryHasBatchesAndNoTable() {
    database.execute(
        "CREATE TABLE ties (id bigint, v int)",
        "INSERT INTO ties SELECT i / 3, i FROM generate_series(0, 8) i");
    Keyset query =
        Keyset.query("SELECT * FROM ties WHERE v >= :least")
            .where("v <> :not")
            .bind("not", 4)
            .bind("least", 0)
            .orderBy(asc("id"));
    KeysetBatches<Long> batches = KeysetBatches.of(Reading.ids(pool, query));
    String upTo = Reading.one(batches.last());
    assertThat(rows(batches, null, upTo, Lock.NONE)).hasSize(8);
    List<String> ends = Reading.one(batches.ends(null, upTo, 1, 4));
    assertThat(ends).containsExactly(at(batches, 0), at(batches, 1));
    assertThat(rows(batches, ends.get(0), ends.get(1), Lock.NONE)).containsExactly(1L, 1L);
    assertThat(Reading.one(batches.middle(null, upTo))).isEqualTo(at(batches, 1));
    assertThat(batches.middle(ends.get(0), ends.get(1)).blockOptional(SOON)).isEmpty();
    assertThat(Reading.one(batches.json(ends.get(1), upTo))).isEqualTo("{\"v\": 6, \"id\": 2}");
    for (Mono<?> refused :
        List.<Mono<?>>of(
            batches.predicate(null, upTo, null, 1),
            batches.writersGone(POLL),
            batches.fraction(null, upTo, upTo),
            Mono.usingWhen(
                pool.create(),
                c -> rows(batches, c, null, upTo, Lock.FOR_UPDATE),
                Connection::close))) {
      assertThatThrownBy(() -> refused.block(SOON))
          .isInstanceOf(InvalidKeysetException.class)
          .hasMessageContaining("a Keyset.table required");
    }
  }

  @Test
  void anOrderThatNoRowComparisonTellsIsRefused() {
    numbers("refused", 3);
    KeysetBatches<Long> batches =
        KeysetBatches.of(Reading.ids(pool, Keyset.table("refused").orderBy(asc("note"))));
    assertThatThrownBy(() -> batches.last().block(SOON))
        .isInstanceOf(InvalidKeysetException.class)
        .hasMessageContaining("\"note\" (admits NULLs), \"id\"");
  }
}
