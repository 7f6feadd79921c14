package io.github.cursorstream.r2dbc.keyset;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.cursorstream.testing.TcpProxy;
import io.github.cursorstream.testing.TestDatabase;
import io.github.cursorstream.testing.TestPostgres;
import io.r2dbc.pool.ConnectionPool;
import java.time.Duration;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import reactor.core.publisher.Flux;
import reactor.core.publisher.Mono;
import reactor.core.scheduler.Schedulers;
import reactor.test.StepVerifier;
import reactor.util.retry.Retry;
import reactor.util.retry.RetryBackoffSpec;

/** Every row once, in order, whatever happens to the connections. */
@Timeout(120)
class RetryIT {

  private static final int ROWS = 100_000;

  @RegisterExtension
  static final CleanDatabase clean = new CleanDatabase(CleanDatabase.table("t", ROWS));

  private static final RetryBackoffSpec POLICY =
      Retry.backoff(30, Duration.ofMillis(20))
          .maxBackoff(Duration.ofMillis(500))
          .filter(StreamOptions::isTransient);

  private static CursorBasedRepository<Long> rows(ConnectionPool pool) {
    return CursorBasedRepository.create(pool, Keyset.table("t"), row -> row.get("id", Long.class));
  }

  /** All rows in order, each once. */
  private static void assertComplete(Flux<Long> stream) {
    StepVerifier.create(
            stream.scan(0L, (before, id) -> id == before + 1 ? id : -1_000_000L).skip(1))
        .thenConsumeWhile(id -> id > 0 && id < ROWS)
        .expectNext((long) ROWS)
        .expectComplete()
        .verify(Duration.ofSeconds(60));
  }

  @ParameterizedTest
  @ValueSource(ints = {0, 1})
  void everyRowArrivesOnceThroughFourCuts(int prefetch) {
    TcpProxy proxy = clean.proxy();
    Random random = new Random(prefetch);
    AtomicInteger retries = new AtomicInteger();
    Set<Long> cuts = Set.of(20_001L, 40_500L, 60_000L, 80_250L);
    Flux<Long> stream =
        rows(clean.pool(clean.through(proxy), 2))
            .cursorBasedStream(
                o ->
                    o.pageSize(500)
                        .prefetch(prefetch)
                        .retry(POLICY.doBeforeRetry(signal -> retries.incrementAndGet())));
    assertComplete(
        stream.doOnNext(
            id -> {
              if (cuts.contains(id)) {
                proxy.cutAfterBytes(random.nextInt(15_000));
              }
            }));
    assertThat(retries.get()).isGreaterThanOrEqualTo(4);
  }

  @Test
  void everyRowArrivesOnceThroughFourCutsOfSeveralPagesAtOnce() {
    TcpProxy proxy = clean.proxy();
    Set<Long> cuts = Set.of(20_001L, 40_500L, 60_000L, 80_250L);
    Flux<Long> stream =
        rows(clean.pool(clean.through(proxy), 3))
            .cursorBasedStream(o -> o.pageSize(500).readAhead(2).retry(POLICY));
    assertComplete(
        stream.doOnNext(
            id -> {
              if (cuts.contains(id)) {
                proxy.cut();
              }
            }));
  }

  @ParameterizedTest
  @ValueSource(ints = {0, 1})
  void everyRowArrivesOnceThroughEndedBackends(int prefetch) {
    Set<Long> ends = Set.of(10_000L, 50_000L, 90_000L);
    Flux<Long> stream =
        rows(clean.pool(2))
            .cursorBasedStream(o -> o.pageSize(500).prefetch(prefetch).retry(POLICY))
            .concatMap(
                id ->
                    ends.contains(id)
                        ? Mono.fromCallable(() -> clean.database().terminateBackends())
                            .subscribeOn(Schedulers.boundedElastic())
                            .thenReturn(id)
                        : Mono.just(id));
    assertComplete(stream);
  }

  @Test
  void everyRowArrivesOnceThroughABlackHole() {
    TcpProxy proxy = clean.proxy();
    AtomicInteger retries = new AtomicInteger();
    Retry policy =
        POLICY.doBeforeRetry(
            signal -> {
              retries.incrementAndGet();
              proxy.resume();
            });
    Flux<Long> stream =
        rows(clean.pool(clean.through(proxy), 1))
            .cursorBasedStream(o -> o.pageSize(500).timeout(Duration.ofMillis(800)).retry(policy))
            .doOnNext(
                id -> {
                  if (id == 50_000) {
                    proxy.blackHole();
                  }
                });
    assertComplete(stream);
    assertThat(retries.get()).isPositive();
  }

  @ParameterizedTest
  @ValueSource(ints = {0, 1})
  void everyRowArrivesOnceThroughARestartOfTheServer(int prefetch) {
    try (TestPostgres postgres = TestPostgres.start();
        TestDatabase database = postgres.createDatabase()) {
      database.execute(CleanDatabase.table("t", ROWS));
      AtomicInteger retries = new AtomicInteger();
      Flux<Long> stream =
          rows(database.pool(2))
              .cursorBasedStream(
                  o ->
                      o.pageSize(500)
                          .prefetch(prefetch)
                          .retry(POLICY.doBeforeRetry(signal -> retries.incrementAndGet())));
      Mono<Void> restart =
          Mono.<Void>fromRunnable(postgres::restart).subscribeOn(Schedulers.boundedElastic());
      // The restart goes on while the stream does.
      assertComplete(
          stream.publish(
              all ->
                  all.mergeWith(
                      all.filter(id -> id == 20_000).flatMap(id -> restart).cast(Long.class))));
      assertThat(retries.get()).isPositive();
    }
  }

  @Test
  void failuresThatStayAreNotRetried() {
    CursorBasedRepository<Long> failing =
        CursorBasedRepository.create(
            clean.pool(1),
            Keyset.table("t").where("1 / (id - 600) IS NOT NULL"),
            row -> row.get("id", Long.class));
    AtomicInteger retries = new AtomicInteger();
    Retry policy = POLICY.doBeforeRetry(signal -> retries.incrementAndGet());
    StepVerifier.create(failing.cursorBasedStream(o -> o.pageSize(500).retry(policy)))
        .expectNextCount(500)
        .expectErrorSatisfies(e -> assertThat(e).hasMessageContaining("division by zero"))
        .verify(Duration.ofSeconds(20));
    assertThat(retries).hasValue(0);
  }
}
