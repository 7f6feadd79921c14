package io.github.cursorstream.r2dbc.keyset;

import static io.github.cursorstream.r2dbc.keyset.KeyColumn.asc;
import static io.github.cursorstream.r2dbc.keyset.KeyColumn.desc;
import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.github.cursorstream.cursor.Cursor;
import io.r2dbc.pool.ConnectionPool;
import io.r2dbc.pool.ConnectionPoolConfiguration;
import io.r2dbc.postgresql.PostgresqlConnectionFactory;
import io.r2dbc.spi.R2dbcTransientResourceException;
import io.r2dbc.spi.Row;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Function;
import java.util.function.UnaryOperator;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.LongStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;
import reactor.core.publisher.Flux;
import reactor.core.publisher.Mono;
import reactor.core.scheduler.Schedulers;
import reactor.netty.resources.LoopResources;
import reactor.util.retry.Retry;

/** With look-ahead, a page is asked for once the one before it has told where it ends. */
@Timeout(60)
class ToldEndIT {

  private static final String TOLD = "cursorstream_end";

  @RegisterExtension
  static final CleanDatabase clean =
      new CleanDatabase(
          Stream.concat(
                  SweepType.DDL.stream(),
                  Stream.of(
                      CleanDatabase.table("t", 1000),
                      "CREATE TABLE empty (id bigint PRIMARY KEY)",
                      "CREATE TABLE pairs AS SELECT i::bigint AS id, i % 7 AS a,"
                          + " nullif(i % 5, 0) AS b FROM generate_series(1, 200) i",
                      "ALTER TABLE pairs ADD PRIMARY KEY (id), ALTER a SET NOT NULL",
                      "CREATE INDEX ON pairs (a, id)",
                      "CREATE INDEX ON pairs (a DESC, id)",
                      "CREATE INDEX ON pairs (b NULLS FIRST, id)"))
              .toArray(String[]::new));

  private static LoopResources loops;

  private final QueryLog log = new QueryLog();

  @BeforeAll
  static void start() {
    // Of an odd number of loops, two connections get different ones.
    loops = LoopResources.create("told-end", 3, true);
  }

  @AfterAll
  static void stop() {
    loops.disposeLater(Duration.ZERO, Duration.ofSeconds(5)).block();
  }

  private ConnectionPool pool(int size) {
    return clean.pool(
        log.over(
            new PostgresqlConnectionFactory(
                clean.database().configuration().loopResources(loops).build())),
        size);
  }

  private CursorBasedRepository<Long> rows(Keyset keyset, int connections) {
    return Reading.ids(pool(connections), keyset);
  }

  private CursorBasedRepository<Long> rows(
      ConnectionPool pool, Function<? super Row, Long> mapper) {
    return CursorBasedRepository.create(pool, Keyset.table("t"), mapper);
  }

  private static Long id(Row row) {
    return row.get("id", Long.class);
  }

  private static List<Long> numbers(long first, long last) {
    return LongStream.rangeClosed(first, last).boxed().toList();
  }

  private boolean tells() {
    return log.all().stream().anyMatch(sql -> sql.contains(TOLD));
  }

  @Test
  void thePageBehindIsAskedForWhileThePageIsRead() {
    CursorBasedRepository<Long> rows =
        rows(
            pool(2),
            row -> {
              Long id = id(row);
              if (id == 2) {
                // On the event loop of the first page's connection.
                await().atMost(Duration.ofSeconds(20)).until(() -> log.pages() == 2);
              }
              return id;
            });
    assertThat(Reading.read(rows, o -> o.prefetch(1))).isEqualTo(numbers(1, 1000));
  }

  @ParameterizedTest
  @CsvSource({"1, 1", "1, 10", "2, 999", "1, 1000", "3, 1001", "3, 7"})
  void noPageIsAskedForTwiceOrInVain(int prefetch, int pageSize) {
    CursorBasedRepository<Long> rows = rows(Keyset.table("t"), 2);
    assertThat(Reading.read(rows, o -> o.pageSize(pageSize).prefetch(prefetch)))
        .isEqualTo(numbers(1, 1000));
    assertThat(log.pages()).isEqualTo(1000 / pageSize + 1);
    assertThat(tells()).isTrue();
  }

  @Test
  void itKeepsToItsBounds() {
    CursorBasedRepository<Long> rows = rows(Keyset.table("t"), 2);
    for (int last : new int[] {100, 109, 110, 111, 999, 1000, 2000}) {
      UnaryOperator<StreamOptions> bounds =
          o -> o.pageSize(10).prefetch(2).after(Cursor.of("id", 99)).upTo(Cursor.of("id", last));
      assertThat(Reading.read(rows, bounds)).isEqualTo(numbers(100, Math.min(last, 1000)));
    }
    assertThat(tells()).isTrue();
    for (KeyRange range : Reading.all(rows.ranges(3))) {
      List<Long> read = Reading.read(rows, o -> o.pageSize(10).prefetch(1).within(range));
      assertThat(read).isEqualTo(Reading.read(rows, o -> o.pageSize(10).within(range)));
    }
  }

  @Test
  void anEmptyTableIsOneQuery() {
    assertThat(Reading.read(rows(Keyset.table("empty"), 2), o -> o.prefetch(3))).isEmpty();
    assertThat(log.pages()).isEqualTo(1);
  }

  /** What a page tells is what its own cursor says, or every page would be read twice. */
  @ParameterizedTest
  @MethodSource("types")
  void everyTypeOfKeyIsToldAsItIsRead(SweepType type) {
    String table = "told_" + type.name();
    String values =
        IntStream.range(0, 9)
            .mapToObj(i -> "(%s, %d)".formatted(type.values().get(i % type.values().size()), i))
            .collect(Collectors.joining(", "));
    clean
        .database()
        .execute(
            "CREATE TABLE %s (k %s, id int, PRIMARY KEY (k, id))".formatted(table, type.sql()),
            "INSERT INTO %s VALUES %s".formatted(table, values));
    List<Long> expected =
        Reading.numbers(clean.database(), "SELECT id FROM " + table + " ORDER BY k, id");
    for (boolean binary : new boolean[] {false, true}) {
      ConnectionPool pool =
          clean.pool(
              log.over(
                  new PostgresqlConnectionFactory(
                      clean.database().configuration().forceBinary(binary).build())),
              2);
      // Without its rendered form among the columns, and with it.
      for (Keyset keyset : List.of(Keyset.table(table), Keyset.table(table).select("id"))) {
        long before = log.pages();
        CursorBasedRepository<Long> rows =
            CursorBasedRepository.create(pool, keyset, row -> row.get("id", Long.class));
        assertThat(Reading.read(rows, o -> o.pageSize(2).prefetch(2))).isEqualTo(expected);
        assertThat(log.pages() - before).isEqualTo(5);
      }
    }
    assertThat(tells()).isTrue();
  }

  static List<SweepType> types() {
    return SweepType.ALL;
  }

  static Stream<Map.Entry<String, Keyset>> untold() {
    return Map.of(
        "filtered", Keyset.table("t").where("id > 0"),
        "a query", Keyset.query("SELECT * FROM t").orderBy(asc("id")),
        "without an index", Keyset.table("t").orderBy(asc("v")))
        .entrySet()
        .stream();
  }

  @ParameterizedTest
  @MethodSource("untold")
  void whatWouldBeReadTwiceForItIsNotTold(Map.Entry<String, Keyset> keyset) {
    CursorBasedRepository<Long> rows = rows(keyset.getValue(), 2);
    Reading.page(rows, o -> o);
    long before = log.pages() + log.others();
    assertThat(Reading.read(rows, o -> o.pageSize(30).prefetch(2))).hasSize(1000);
    assertThat(log.pages() + log.others() - before).isEqualTo(34);
    assertThat(tells()).isFalse();
  }

  static Stream<List<KeyColumn>> orders() {
    return Stream.of(
        List.of(asc("a")), List.of(desc("a"), asc("id")), List.of(asc("b").nullsFirst()));
  }

  /** Branches are not told; the first page of such an order has none. */
  @ParameterizedTest
  @MethodSource("orders")
  void tiesAndNullsComeInOrder(List<KeyColumn> order) {
    Keyset keyset = Keyset.table("pairs").orderBy(order.toArray(KeyColumn[]::new));
    for (int pageSize : new int[] {7, 50, 200}) {
      CursorBasedRepository<Long> rows = rows(keyset, 2);
      long before = log.pages() + log.others();
      assertThat(Reading.read(rows, o -> o.pageSize(pageSize).prefetch(2)))
          .isEqualTo(Reading.read(rows, o -> o.pageSize(1000)))
          .hasSize(200);
      assertThat(log.pages() + log.others() - before).isEqualTo(200 / pageSize + 2);
    }
    assertThat(tells()).isTrue();
  }

  @Test
  void aRetriedPageThatEndsElsewhereLosesAndRepeatsNothing() {
    clean.database().execute(CleanDatabase.table("shrinking", 100));
    AtomicBoolean failed = new AtomicBoolean();
    CursorBasedRepository<Long> rows =
        CursorBasedRepository.create(
            pool(2),
            Keyset.table("shrinking"),
            row -> {
              Long id = id(row);
              if (id == 3 && failed.compareAndSet(false, true)) {
                await().atMost(Duration.ofSeconds(20)).until(() -> log.pages() == 2);
                CompletableFuture.runAsync(
                        () ->
                            clean
                                .database()
                                .execute("DELETE FROM shrinking WHERE id IN (1, 5, 12)"))
                    .join();
                throw new R2dbcTransientResourceException("planned");
              }
              return id;
            });
    List<Long> read =
        Reading.read(
            rows,
            o -> o.pageSize(10).prefetch(1).retry(Retry.max(1).filter(StreamOptions::isTransient)));
    assertThat(read).isEqualTo(Reading.numbers(clean.database(), "SELECT id FROM shrinking"));
    // Without the one that failed and the one that began too early: ten.
    assertThat(log.pages()).isEqualTo(12);
  }

  /** As if it had not been begun: the page before it has the only connection. */
  @Test
  void lookingAheadNeverFailsAStream() {
    ConnectionPool pool =
        new ConnectionPool(
            ConnectionPoolConfiguration.builder(log.over(clean.database().connectionFactory()))
                .initialSize(0)
                .maxSize(1)
                .maxAcquireTime(Duration.ofMillis(100))
                .build());
    try {
      CursorBasedRepository<Long> rows =
          rows(
              pool,
              row -> {
                Long id = id(row);
                if (id == 2) {
                  assertThat(pool.getMetrics().orElseThrow().pendingAcquireSize()).isEqualTo(1);
                  await().until(() -> pool.getMetrics().orElseThrow().pendingAcquireSize() == 0);
                }
                return id;
              });
      assertThat(Reading.read(rows, o -> o.pageSize(100).prefetch(1))).isEqualTo(numbers(1, 1000));
    } finally {
      pool.disposeLater().block();
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 3})
  void rowsThatStayAreMetOnceWhateverHappensBetweenThem(int prefetch) {
    clean
        .database()
        .execute(
            "CREATE TABLE churn_"
                + prefetch
                + " AS SELECT i * 10::bigint AS id"
                + " FROM generate_series(1, 150) i",
            "ALTER TABLE churn_" + prefetch + " ADD PRIMARY KEY (id)");
    CursorBasedRepository<Long> rows = Reading.ids(pool(4), Keyset.table("churn_" + prefetch));
    AtomicBoolean over = new AtomicBoolean();
    // Every row of the others comes and goes, at the ends of pages too.
    Mono<Void> churn =
        Mono.<Void>fromRunnable(
                () -> {
                  for (int i = 0; !over.get(); i++) {
                    clean
                        .database()
                        .execute(
                            "INSERT INTO churn_%d SELECT i FROM generate_series(1, 1500) i WHERE i %% 10 > 0 AND (i + %d) %% 3 = 0 ON CONFLICT DO NOTHING"
                                .formatted(prefetch, i),
                            "DELETE FROM churn_%d WHERE id %% 10 > 0 AND (id + %d) %% 3 > 0"
                                .formatted(prefetch, i));
                  }
                })
            .subscribeOn(Schedulers.boundedElastic());
    Flux<List<Long>> readings =
        Flux.range(0, 4)
            .concatMap(
                i -> rows.cursorBasedStream(o -> o.pageSize(7).prefetch(prefetch)).collectList())
            .doFinally(signal -> over.set(true));
    List<List<Long>> read = Reading.all(readings.mergeWith(churn.then(Mono.empty())));
    assertThat(read).hasSize(4);
    for (List<Long> ids : read) {
      assertThat(ids).isSorted().doesNotHaveDuplicates();
      assertThat(ids.stream().filter(id -> id % 10 == 0).count()).isEqualTo(150);
    }
    assertThat(read).anyMatch(ids -> ids.size() > 150);
  }
}
