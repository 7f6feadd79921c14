package io.github.cursorstream.r2dbc.keyset;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.github.cursorstream.cursor.Cursor;
import io.github.cursorstream.cursor.Page;
import io.github.cursorstream.testing.TcpProxy;
import io.r2dbc.spi.ConnectionFactory;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.UnaryOperator;
import java.util.stream.LongStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;
import reactor.core.scheduler.Schedulers;
import reactor.test.StepVerifier;
import reactor.util.retry.Retry;

/** Several pages at once, delivered in order. */
@Timeout(60)
class ReadAheadIT {

  @RegisterExtension
  static final CleanDatabase clean =
      new CleanDatabase(
          CleanDatabase.table("t", 1000),
          CleanDatabase.table("growing", 100),
          "CREATE TABLE empty (id bigint PRIMARY KEY)",
          "CREATE TABLE mixed AS SELECT i::bigint AS id, nullif(i % 7, 0) AS a"
              + " FROM generate_series(1, 200) i",
          "ALTER TABLE mixed ADD PRIMARY KEY (id)",
          "CREATE TABLE pairs AS SELECT i::bigint AS id, 'n' || i % 7 AS a FROM generate_series(1, 500) i",
          "ALTER TABLE pairs ADD PRIMARY KEY (id), ALTER a SET NOT NULL",
          "CREATE INDEX ON pairs (a, id)");

  private final QueryLog log = new QueryLog();

  private CursorBasedRepository<Long> rows(Keyset keyset, int connections) {
    return rows(keyset, clean.database().connectionFactory(), connections);
  }

  private CursorBasedRepository<Long> rows(Keyset keyset, ConnectionFactory factory, int pool) {
    return CursorBasedRepository.create(
        clean.pool(log.over(factory), pool), keyset, row -> row.get("id", Long.class));
  }

  private static List<Long> numbers(long first, long last) {
    return LongStream.rangeClosed(first, last).boxed().toList();
  }

  private long rowQueries() {
    return log.all().stream().filter(sql -> sql.contains("\"v\"") && sql.contains("LIMIT")).count();
  }

  @ParameterizedTest
  @CsvSource({"1, 1", "1, 7", "2, 10", "4, 1", "4, 10", "4, 333", "8, 1000", "3, 1001"})
  void everyRowComesInOrder(int readAhead, int pageSize) {
    CursorBasedRepository<Long> rows = rows(Keyset.table("t"), 4);
    assertThat(
            rows.cursorBasedStream(o -> o.pageSize(pageSize).readAhead(readAhead))
                .collectList()
                .block())
        .isEqualTo(numbers(1, 1000));
    assertThat(
            rows.cursorBasedPages(o -> o.pageSize(pageSize).readAhead(readAhead))
                .concatMapIterable(Page::items)
                .collectList()
                .block())
        .isEqualTo(numbers(1, 1000));
  }

  @Test
  void itKeepsToItsBounds() {
    CursorBasedRepository<Long> rows = rows(Keyset.table("t"), 4);
    for (int last : new int[] {100, 101, 110, 999, 1000}) {
      assertThat(
              rows.cursorBasedStream(
                      o ->
                          o.pageSize(10)
                              .readAhead(3)
                              .after(Cursor.of("id", 99))
                              .upTo(Cursor.of("id", last)))
                  .collectList()
                  .block())
          .isEqualTo(numbers(100, last));
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 3, 50, 300})
  void mixedDirectionsAndNullsComeInOrder(int pageSize) {
    Keyset keyset = Keyset.table("mixed").orderBy(KeyColumn.desc("a"), KeyColumn.asc("id"));
    List<Long> expected =
        clean.database().query("SELECT id FROM mixed ORDER BY a DESC, id").stream()
            .map(row -> (Long) row.get(0))
            .toList();
    assertThat(
            rows(keyset, 4)
                .cursorBasedStream(o -> o.pageSize(pageSize).readAhead(3).check(KeysetCheck.OFF))
                .collectList()
                .block())
        .isEqualTo(expected);
  }

  static Stream<Keyset> pairs() {
    Keyset up = Keyset.table("pairs").orderBy(KeyColumn.asc("a"), KeyColumn.asc("id"));
    return Stream.of(
        up,
        up.where("id % 3 > :rest").bind("rest", 0),
        Keyset.table("pairs").orderBy(KeyColumn.desc("a")));
  }

  @ParameterizedTest
  @MethodSource("pairs")
  void endsOfPagesAreSoughtOneBehindTheOther(Keyset keyset) {
    CursorBasedRepository<Long> rows = rows(keyset, 4);
    Cursor from = Cursor.of("a", "n2").and("id", 100);
    Cursor to = Cursor.of("a", "n5").and("id", 300);
    boolean up = keyset.order.get(0).direction() == KeyColumn.Direction.ASC;
    for (int pageSize : new int[] {1, 7, 100}) {
      for (UnaryOperator<StreamOptions> bounds :
          List.<UnaryOperator<StreamOptions>>of(
              o -> o,
              o -> o.after(up ? from : to).upTo(up ? to : from),
              o -> o.after(Cursor.prefix("a", "n3")),
              o -> o.upTo(Cursor.prefix("a", "n3")))) {
        List<Long> read = Reading.read(rows, o -> bounds.apply(o.pageSize(pageSize)).readAhead(3));
        assertThat(read).isNotEmpty();
        assertThat(read).isEqualTo(Reading.read(rows, o -> bounds.apply(o.pageSize(1000))));
      }
    }
    assertThat(log.all()).anyMatch(sql -> sql.startsWith("WITH RECURSIVE "));
  }

  @Test
  void anEmptyTableEndsAtOnce() {
    StepVerifier.create(rows(Keyset.table("empty"), 2).cursorBasedStream(o -> o.readAhead(4)))
        .verifyComplete();
  }

  @Test
  void nothingIsReadBeforeTheFirstRequestAndNoMorePagesThanPromised() {
    CursorBasedRepository<Long> rows = rows(Keyset.table("t"), 8);
    StepVerifier.create(rows.cursorBasedStream(o -> o.pageSize(10).readAhead(3)), 0)
        .expectSubscription()
        .then(() -> assertThat(log.all()).isEmpty())
        .thenRequest(1)
        .expectNext(1L)
        // The page of that row, and three ahead of it.
        .then(() -> assertRowQueries(4))
        .thenRequest(9)
        .expectNextCount(9)
        .then(() -> assertRowQueries(4))
        .thenRequest(1)
        .expectNext(11L)
        .then(() -> assertRowQueries(5))
        .thenCancel()
        .verify();
  }

  private void assertRowQueries(long expected) {
    await()
        .during(Duration.ofMillis(80))
        .atMost(Duration.ofSeconds(10))
        .untilAsserted(() -> assertThat(rowQueries()).isEqualTo(expected));
  }

  @Test
  void rowsInsertedAheadMeanwhileAreDeliveredAndPagesStayWithinTheirSize() {
    CursorBasedRepository<Long> rows =
        rows(Keyset.table("growing").orderBy(KeyColumn.asc("v"), KeyColumn.asc("id")), 4);
    List<Integer> sizes = new CopyOnWriteArrayList<>();
    AtomicBoolean inserted = new AtomicBoolean();
    List<Long> read =
        rows.cursorBasedPages(o -> o.pageSize(10).readAhead(1).check(KeysetCheck.OFF))
            .limitRate(1)
            .publishOn(Schedulers.boundedElastic(), 1)
            .doOnNext(
                page -> {
                  sizes.add(page.items().size());
                  if (inserted.compareAndSet(false, true)) {
                    // Between rows 80 and 81: into a range whose ends are known already.
                    clean
                        .database()
                        .execute(
                            "INSERT INTO growing SELECT 1000 + i, lpad('80', 20, 'x') || i"
                                + " FROM generate_series(100, 149) i");
                  }
                })
            .concatMapIterable(Page::items)
            .collectList()
            .block();
    assertThat(read).hasSize(150).doesNotHaveDuplicates();
    assertThat(sizes).allMatch(size -> size <= 10);
    assertThat(read)
        .isEqualTo(
            clean.database().query("SELECT id FROM growing ORDER BY v, id").stream()
                .map(row -> (Long) row.get(0))
                .toList());
  }

  @Test
  void anErrorComesAfterThePagesBeforeIt() { // S24, S25
    CursorBasedRepository<Long> rows =
        CursorBasedRepository.create(
            clean.pool(4),
            Keyset.table("t"),
            row -> {
              Long id = row.get("id", Long.class);
              if (id == 25) {
                throw new IllegalStateException("planned");
              }
              return id;
            });
    StepVerifier.create(rows.cursorBasedStream(o -> o.pageSize(10).readAhead(4)))
        .expectNextSequence(numbers(1, 20))
        .verifyErrorMessage("planned");
  }

  @Test
  void pagesAreDeliveredThoughTheEndsOfLaterOnesCannotBeRead() {
    CursorBasedRepository<Long> rows =
        rows(Keyset.table("t").where("10 / (id - 900) IS NOT NULL"), 4);
    // Their ends are read 32 pages at a time.
    StepVerifier.create(rows.cursorBasedStream(o -> o.pageSize(10).readAhead(4)))
        .expectNextSequence(numbers(1, 640))
        .verifyErrorMatches(e -> e.getMessage().contains("division by zero"));
  }

  @Test
  void aFailedPageIsFetchedAgainWithoutLossOrRepetition() {
    TcpProxy proxy = clean.proxy();
    CursorBasedRepository<Long> rows = rows(Keyset.table("t"), clean.through(proxy), 6);
    AtomicBoolean cut = new AtomicBoolean();
    assertThat(
            rows.cursorBasedStream(
                    o ->
                        o.pageSize(10)
                            .readAhead(3)
                            .retry(
                                Retry.backoff(5, Duration.ofMillis(20))
                                    .filter(StreamOptions::isTransient)))
                .doOnNext(
                    id -> {
                      if (id == 300 && cut.compareAndSet(false, true)) {
                        proxy.cut();
                      }
                    })
                .collectList()
                .block())
        .isEqualTo(numbers(1, 1000));
    assertThat(cut).isTrue();
  }

  /** Of a type that nothing else discards. */
  private record Numbered(long id) {}

  @Test
  void cancellingStopsWhatWasReadAheadAndDiscardsIt() {
    CursorBasedRepository<Numbered> rows =
        CursorBasedRepository.create(clean.pool(6), Keyset.table("t"), Numbered.class);
    List<Numbered> seen = new CopyOnWriteArrayList<>();
    StepVerifier.create(
            rows.cursorBasedStream(o -> o.pageSize(10).readAhead(3))
                .doOnDiscard(Numbered.class, seen::add)
                .doOnDiscard(Page.class, page -> discard(page, seen))
                .take(15)
                .doOnNext(seen::add))
        .expectNextCount(15)
        .verifyComplete();
    clean.awaitQuiet();
    assertThat(seen.stream().map(Numbered::id))
        .doesNotHaveDuplicates()
        .startsWith(1L, 2L, 3L)
        .contains(16L, 20L);
  }

  private static void discard(Page<?> page, List<Numbered> seen) {
    page.items().forEach(item -> seen.add((Numbered) item));
  }

  @Test
  void aPoolOfOneIsEnough() {
    CursorBasedRepository<Long> rows = rows(Keyset.table("t"), 1);
    assertThat(
            rows.cursorBasedStream(o -> o.pageSize(10).readAhead(4))
                .flatMap(id -> rows.cursorBasedPage(o -> o.pageSize(1)).thenReturn(id), 4)
                .count()
                .block())
        .isEqualTo(1000);
  }

  @Test
  void inTheCallersTransactionPagesComeOneAfterTheOther() {
    CursorBasedRepository<Long> rows = rows(Keyset.table("t"), 1);
    var connection = clean.database().connectionFactory().create().block();
    assertThat(
            rows.using(connection)
                .cursorBasedStream(o -> o.pageSize(10).readAhead(4))
                .collectList()
                .block())
        .isEqualTo(numbers(1, 1000));
    connection.close().block();
  }
}
