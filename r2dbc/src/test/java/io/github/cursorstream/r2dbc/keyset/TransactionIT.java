package io.github.cursorstream.r2dbc.keyset;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.github.cursorstream.cursor.Cursor;
import io.r2dbc.pool.ConnectionPool;
import io.r2dbc.spi.Connection;
import io.r2dbc.spi.R2dbcTimeoutException;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.LongStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import reactor.core.Disposable;
import reactor.core.publisher.Flux;
import reactor.core.publisher.Mono;
import reactor.test.StepVerifier;
import reactor.util.retry.Retry;

/** S29: reading over the caller's connection, of which there is only one. */
@Timeout(60)
class TransactionIT {

  private static final Duration SOON = Duration.ofSeconds(10);

  @RegisterExtension
  static final CleanDatabase clean =
      new CleanDatabase(
          CleanDatabase.table("t", 100),
          "CREATE TABLE written (id bigint PRIMARY KEY)",
          "CREATE FUNCTION nap(s float8) RETURNS boolean VOLATILE LANGUAGE plpgsql AS"
              + " 'BEGIN PERFORM pg_sleep(s); RETURN true; END'");

  private final QueryLog log = new QueryLog();
  private ConnectionPool pool;
  private Connection connection;

  @BeforeEach
  void begin() {
    clean.database().execute("TRUNCATE written");
    pool = clean.pool(log.over(clean.database().connectionFactory()), 1);
    connection = pool.create().block(SOON);
    run(connection.beginTransaction());
  }

  @AfterEach
  void close() {
    run(connection.close());
  }

  private static void run(org.reactivestreams.Publisher<Void> work) {
    Mono.from(work).block(SOON);
  }

  private void sql(String statement) {
    Flux.from(connection.createStatement(statement).execute())
        .concatMap(result -> result.getRowsUpdated())
        .blockLast(SOON);
  }

  private String show(String setting) {
    return Flux.from(connection.createStatement("SHOW " + setting).execute())
        .concatMap(result -> result.map((row, metadata) -> row.get(0, String.class)))
        .blockLast(SOON);
  }

  private CursorBasedRepository<Long> repository(Keyset keyset) {
    return CursorBasedRepository.<Long>create(pool, keyset, row -> row.get("id", Long.class))
        .defaults(o -> o.pageSize(10))
        .using(connection);
  }

  /** It can still write, and commits. */
  private void assertUsable() {
    sql("INSERT INTO written VALUES (1)");
    run(connection.commitTransaction());
    assertThat(clean.database().count("SELECT count(*) FROM written")).isEqualTo(1);
    assertThat(pool.getMetrics().orElseThrow().allocatedSize()).isEqualTo(1);
    assertThat(log.pings()).isZero();
  }

  private static List<Long> ids(long from, long to) {
    return LongStream.rangeClosed(from, to).boxed().toList();
  }

  @Test
  void readsOwnWritesThatNobodyElseSees() {
    sql("INSERT INTO t SELECT i, 'new' FROM generate_series(101, 125) i");
    StepVerifier.create(repository(Keyset.table("t")).cursorBasedStream())
        .expectNextSequence(ids(1, 125))
        .expectComplete()
        .verify(SOON);
    assertThat(clean.database().count("SELECT count(*) FROM t")).isEqualTo(100);
    run(connection.rollbackTransaction());
  }

  @Test
  void whatATransactionTakesTheTableForIsNotTakenByOthers() {
    sql("CREATE SCHEMA tenant");
    sql("CREATE TABLE tenant.t AS SELECT i::bigint AS id FROM generate_series(1, 5) i");
    sql("ALTER TABLE tenant.t ADD PRIMARY KEY (id)");
    sql("SET LOCAL search_path = tenant");
    CursorBasedRepository<Long> others =
        CursorBasedRepository.create(
            clean.pool(1), Keyset.table("t"), row -> row.get(0, Long.class));
    StepVerifier.create(others.using(connection).cursorBasedStream())
        .expectNextSequence(ids(1, 5))
        .expectComplete()
        .verify(SOON);
    StepVerifier.create(others.cursorBasedStream())
        .expectNextSequence(ids(1, 100))
        .expectComplete()
        .verify(SOON);
    StepVerifier.create(others.using(connection).cursorBasedStream())
        .expectNextSequence(ids(1, 5))
        .expectComplete()
        .verify(SOON);
    run(connection.rollbackTransaction());
  }

  @Test
  void readsATableThatTheTransactionHasCreated() {
    sql("CREATE TABLE mine AS SELECT i::bigint AS id FROM generate_series(1, 25) i");
    sql("ALTER TABLE mine ADD PRIMARY KEY (id)");
    StepVerifier.create(repository(Keyset.table("mine")).cursorBasedStream())
        .expectNextSequence(ids(1, 25))
        .expectComplete()
        .verify(SOON);
    run(connection.rollbackTransaction());
  }

  @Test
  void takingAFewRowsLeavesTheTransactionUsable() {
    StepVerifier.create(repository(Keyset.table("t")).cursorBasedStream().take(5))
        .expectNextSequence(ids(1, 5))
        .expectComplete()
        .verify(SOON);
    assertUsable();
  }

  @Test
  void runningPageIsDrainedAfterACancel() {
    Keyset napping = Keyset.table("t").where("nap(0.1)");
    Disposable stream = repository(napping).cursorBasedStream().subscribe();
    await()
        .until(() -> clean.database().running().stream().anyMatch(s -> s.query().contains("nap(")));
    stream.dispose();
    // Waits for the page to be drained.
    assertUsable();
  }

  @Test
  void cancelsAtAnyMomentLeaveTheTransactionUsable() {
    CursorBasedRepository<Long> rows = repository(Keyset.table("t"));
    for (int i = 0; i < 100; i++) {
      Disposable stream = rows.cursorBasedStream().subscribe();
      long until = System.nanoTime() + i * 20_000L;
      while (System.nanoTime() < until) {
        Thread.onSpinWait();
      }
      stream.dispose();
    }
    assertUsable();
  }

  @Test
  void explainRestoresTheSettings() {
    repository(Keyset.table("t")).explain().block(SOON);
    assertThat(show("enable_seqscan")).isEqualTo("on");
    assertThat(show("enable_sort")).isEqualTo("on");
    assertUsable();
  }

  @Test
  void failedExplainRestoresTheTransaction() {
    CursorBasedRepository<Long> rows = repository(Keyset.table("t").where("nap(0) AND nope > 0"));
    StepVerifier.create(rows.explain(o -> o.after(Cursor.of("id", 1))))
        .expectErrorSatisfies(e -> assertThat(e).hasMessageContaining("nope"))
        .verify(SOON);
    assertThat(show("enable_seqscan")).isEqualTo("on");
    assertUsable();
  }

  @Test
  void cancelledExplainRestoresTheSettings() {
    CursorBasedRepository<Long> rows = repository(Keyset.table("t"));
    for (int i = 0; i < 300; i++) {
      Disposable explain = rows.explain(o -> o.after(Cursor.of("id", 1))).subscribe();
      long until = System.nanoTime() + i * 15_000L;
      while (System.nanoTime() < until) {
        Thread.onSpinWait();
      }
      explain.dispose();
      assertThat(show("enable_seqscan")).as("after cancel %s", i).isEqualTo("on");
    }
    assertUsable();
  }

  @Test
  void timeoutIsAnErrorAndTheConnectionStays() {
    CursorBasedRepository<Long> rows = repository(Keyset.table("t").where("nap(0.1)"));
    StepVerifier.create(rows.cursorBasedStream(o -> o.timeout(Duration.ofMillis(300))))
        .expectError(R2dbcTimeoutException.class)
        .verify(Duration.ofSeconds(5));
    assertUsable();
  }

  @Test
  void neitherLookAheadNorRetryApplies() {
    AtomicInteger retries = new AtomicInteger();
    Retry policy = Retry.max(3).doBeforeRetry(signal -> retries.incrementAndGet());
    CursorBasedRepository<Long> rows =
        repository(Keyset.table("t")).defaults(o -> o.pageSize(10).prefetch(3).retry(policy));
    StepVerifier.create(rows.cursorBasedStream(), 1)
        .expectNext(1L)
        .expectNoEvent(Duration.ofMillis(100))
        .thenCancel()
        .verify(SOON);
    assertThat(log.pages()).isEqualTo(1);

    CursorBasedRepository<Long> failing =
        repository(Keyset.table("t").where("1 / (id - 5) IS NOT NULL"))
            .defaults(o -> o.retry(policy));
    StepVerifier.create(failing.cursorBasedStream()).expectError().verify(SOON);
    StepVerifier.create(failing.cursorBasedPage(o -> o)).expectError().verify(SOON);
    assertThat(retries).hasValue(0);
    run(connection.rollbackTransaction());
  }
}
