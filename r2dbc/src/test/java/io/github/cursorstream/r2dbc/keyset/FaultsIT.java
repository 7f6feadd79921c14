package io.github.cursorstream.r2dbc.keyset;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.github.cursorstream.cursor.Cursor;
import io.github.cursorstream.testing.TcpProxy;
import io.r2dbc.pool.ConnectionPool;
import io.r2dbc.spi.ConnectionFactory;
import io.r2dbc.spi.R2dbcException;
import io.r2dbc.spi.R2dbcTimeoutException;
import io.r2dbc.spi.Row;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import java.util.stream.LongStream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import reactor.core.Disposable;
import reactor.core.publisher.Flux;
import reactor.test.StepVerifier;

/** What a consumer sees when the network or the server fails, without a retry. */
@Timeout(60)
class FaultsIT {

  @RegisterExtension
  static final CleanDatabase clean =
      new CleanDatabase(
          CleanDatabase.table("t", 2000),
          "CREATE TABLE wide (id bigint PRIMARY KEY, v text)",
          "INSERT INTO wide SELECT i, repeat('x', 20000) FROM generate_series(1, 5000) i",
          "ANALYZE wide",
          "CREATE FUNCTION nap(s float8) RETURNS boolean VOLATILE LANGUAGE plpgsql AS"
              + " 'BEGIN PERFORM pg_sleep(s); RETURN true; END'");

  private static final Duration MOMENT = Duration.ofMillis(200);

  private TcpProxy proxy;
  private ConnectionPool pool;
  private CursorBasedRepository<Long> rows;

  @BeforeEach
  void open() {
    proxy = clean.proxy();
    pool = clean.pool(clean.through(proxy), 1);
    rows = repository(pool, Keyset.table("t"));
  }

  private static CursorBasedRepository<Long> repository(ConnectionFactory pool, Keyset keyset) {
    return CursorBasedRepository.create(pool, keyset, FaultsIT::id);
  }

  private static Long id(Row row) {
    return row.get("id", Long.class);
  }

  private static Keyset napping(String seconds) {
    return Keyset.table("t").where("nap(:s)").bind("s", Double.valueOf(seconds));
  }

  private static Long[] ids(long from, long to) {
    return LongStream.rangeClosed(from, to).boxed().toArray(Long[]::new);
  }

  /** Reads pages of 100, does something to the network behind row 250, and returns what came. */
  private List<Long> readAndBreak(Runnable fault, Consumer<Throwable> failure) {
    List<Long> seen = new ArrayList<>();
    Flux<Long> stream = rows.cursorBasedStream(o -> o.pageSize(100));
    StepVerifier.create(
            stream.doOnNext(
                id -> {
                  seen.add(id);
                  if (id == 250) {
                    fault.run();
                  }
                }))
        .thenConsumeWhile(id -> true)
        .expectErrorSatisfies(failure)
        .verify(Duration.ofSeconds(20));
    return seen;
  }

  private void assertWorks() {
    StepVerifier.create(rows.cursorBasedStream())
        .expectNext(ids(1, 2000))
        .expectComplete()
        .verify(Duration.ofSeconds(20));
  }

  private static void isTransient(Throwable failure) {
    assertThat(failure).isInstanceOf(R2dbcException.class);
    assertThat(StreamOptions.isTransient(failure)).as("%s", failure).isTrue();
  }

  @ParameterizedTest // S24: the fourth page breaks, after so many bytes of it.
  @ValueSource(ints = {0, 1, 100, 3000})
  void pagesBeforeACutAreDeliveredInFull(int bytes) {
    assertThat(readAndBreak(() -> proxy.cutAfterBytes(bytes), FaultsIT::isTransient))
        .containsExactly(ids(1, 300));
    assertWorks();
  }

  @Test
  void resetIsATransientFailure() {
    // Between pages nobody is told: the pool finds out when it lends the connection again.
    Flux<Long> slow =
        repository(pool, napping("0.01")).cursorBasedStream(o -> o.pageSize(100).upTo(to(100)));
    StepVerifier.create(slow)
        .then(() -> await().until(() -> !clean.database().running().isEmpty()))
        .then(proxy::reset)
        .expectErrorSatisfies(FaultsIT::isTransient)
        .verify(Duration.ofSeconds(20));
    assertWorks();
  }

  private static Cursor to(long id) {
    return Cursor.of("id", id);
  }

  @Test
  void connectionLostBetweenPagesIsReplacedByThePool() {
    StepVerifier.create(rows.cursorBasedStream(o -> o.pageSize(100)), 300)
        .expectNext(ids(1, 300))
        .then(proxy::reset)
        .expectNoEvent(Duration.ofMillis(200)) // for the driver to notice
        .thenRequest(Long.MAX_VALUE)
        .expectNext(ids(301, 2000))
        .expectComplete()
        .verify(Duration.ofSeconds(20));
  }

  @Test
  void endedBackendIsATransientFailure() {
    Flux<Long> slow = repository(pool, napping("0.05")).cursorBasedStream();
    StepVerifier.create(slow)
        .then(() -> await().until(() -> !clean.database().running().isEmpty()))
        .then(() -> clean.database().terminateBackends())
        .expectErrorSatisfies(FaultsIT::isTransient)
        .verify(Duration.ofSeconds(20));
    assertWorks();
  }

  @Test
  void stalledNetworkOnlyTakesLonger() {
    Flux<Long> stream =
        rows.cursorBasedStream(o -> o.pageSize(100))
            .doOnNext(
                id -> {
                  if (id == 250) {
                    proxy.stall();
                  }
                });
    StepVerifier.create(stream)
        .expectNext(ids(1, 300))
        .expectNoEvent(Duration.ofMillis(300))
        .then(proxy::resume)
        .expectNext(ids(301, 2000))
        .expectComplete()
        .verify(Duration.ofSeconds(20));
  }

  @ParameterizedTest
  @ValueSource(booleans = {true, false})
  void silentConnectionTimesOutAndNeverGoesBackToThePool(boolean blackHole) {
    rows = rows.defaults(o -> o.timeout(Duration.ofMillis(500)));
    List<Long> seen = new ArrayList<>();
    long[] silentAt = new long[1];
    StepVerifier.create(
            rows.cursorBasedStream(o -> o.pageSize(100))
                .doOnNext(
                    id -> {
                      seen.add(id);
                      if (id == 300) {
                        silentAt[0] = System.nanoTime();
                        if (blackHole) {
                          proxy.blackHole();
                        } else {
                          proxy.stall();
                        }
                      }
                    }))
        .thenConsumeWhile(id -> true)
        .expectErrorSatisfies(
            e ->
                assertThat(e)
                    .isInstanceOf(R2dbcTimeoutException.class)
                    .hasMessageContaining("timeout of 500 ms"))
        .verify(Duration.ofSeconds(20));
    Measured.record("timeout of 500 ms surfaces after", silentAt[0]);
    assertThat(Duration.ofNanos(System.nanoTime() - silentAt[0])).isLessThan(Duration.ofSeconds(4));
    assertThat(seen).containsExactly(ids(1, 300));

    int before = proxy.accepted();
    proxy.resume();
    rows = rows.defaults(o -> o.timeout(Duration.ofSeconds(10)));
    assertWorks();
    assertThat(proxy.accepted()).as("connections").isGreaterThan(before);
  }

  @Test
  void timedOutStatementIsCancelledOnTheServer() {
    StepVerifier.create(
            repository(pool, napping("0.1"))
                .cursorBasedStream(o -> o.timeout(Duration.ofMillis(300))))
        .expectError(R2dbcTimeoutException.class)
        .verify(Duration.ofSeconds(10));
    assertThat(clean.database().running()).isEmpty();
    await().atMost(Duration.ofSeconds(2)).until(() -> clean.database().sessions().isEmpty());
    assertWorks();
  }

  @Test // S25
  void failureOfALookAheadComesBehindTheRowsBeforeIt() {
    Keyset failing = Keyset.table("t").where("1 / (id - 250) IS NOT NULL");
    List<Long> seen = new ArrayList<>();
    StepVerifier.create(
            repository(pool, failing)
                .cursorBasedStream(o -> o.pageSize(100).prefetch(2))
                .doOnNext(seen::add),
            1)
        .expectNext(1L)
        .thenAwait(Duration.ofMillis(300))
        .thenRequest(Long.MAX_VALUE)
        .thenConsumeWhile(id -> true)
        .expectErrorSatisfies(e -> assertThat(e).hasMessageContaining("division by zero"))
        .verify(Duration.ofSeconds(10));
    assertThat(seen).containsExactly(ids(1, 200));
  }

  @Test
  void failingMapperDoesNotLeaveItsQueryToTheNextBorrower() {
    // Wide rows leave the server as they are found: the first at once, the sixth after 20 s.
    CursorBasedRepository<Long> failing =
        CursorBasedRepository.create(
            pool,
            Keyset.table("wide").where("id <= 5 OR nap(20)"),
            row -> {
              throw new IllegalStateException("planned");
            });
    StepVerifier.create(failing.cursorBasedStream(o -> o.pageSize(10)))
        .expectErrorMessage("planned")
        .verify(Duration.ofSeconds(15));
    long start = System.nanoTime();
    assertWorks();
    assertThat(Duration.ofNanos(System.nanoTime() - start)).isLessThan(Duration.ofSeconds(5));
  }

  @Test
  void catalogQueryWithoutAnAnswerTrapsNobody() {
    ConnectionPool two = clean.pool(clean.through(proxy), 2);
    Flux.range(0, 2)
        .flatMap(
            i ->
                Flux.usingWhen(
                    two.create(), c -> Flux.just(c).delayElements(MOMENT), c -> c.close()))
        .blockLast(Duration.ofSeconds(10));
    CursorBasedRepository<Long> fresh = repository(two, Keyset.table("t"));
    proxy.blackHole();

    Disposable patient = fresh.cursorBasedStream().subscribe();
    await().until(() -> two.getMetrics().orElseThrow().acquiredSize() == 1);
    StepVerifier.create(fresh.cursorBasedStream(o -> o.timeout(MOMENT)))
        .expectError(R2dbcTimeoutException.class)
        .verify(Duration.ofSeconds(4));

    patient.dispose();
    proxy.resume();
    StepVerifier.create(fresh.cursorBasedStream())
        .expectNextCount(2000)
        .expectComplete()
        .verify(Duration.ofSeconds(10));
  }
}
