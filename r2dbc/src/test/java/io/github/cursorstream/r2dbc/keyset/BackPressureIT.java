package io.github.cursorstream.r2dbc.keyset;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.github.cursorstream.concurrency.Concurrency;
import io.r2dbc.pool.ConnectionPool;
import java.time.Duration;
import java.util.List;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.function.Function;
import java.util.stream.LongStream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import reactor.core.Disposable;
import reactor.core.publisher.Flux;
import reactor.core.publisher.Mono;
import reactor.core.scheduler.Schedulers;
import reactor.test.StepVerifier;

/** Fewer consumers, fewer queries. */
@Timeout(60)
class BackPressureIT {

  private static final int ROWS = 1000;
  private static final List<Long> ALL = LongStream.rangeClosed(1, ROWS).boxed().toList();

  @RegisterExtension
  static final CleanDatabase clean = new CleanDatabase(CleanDatabase.table("t", ROWS));

  private final QueryLog log = new QueryLog();
  private ConnectionPool pool;
  private CursorBasedRepository<Long> rows;

  @BeforeEach
  void open() {
    pool = clean.pool(log.over(clean.database().connectionFactory()), 2);
    rows =
        CursorBasedRepository.<Long>create(
                pool, Keyset.table("t"), row -> row.get("id", Long.class))
            .defaults(o -> o.pageSize(100));
  }

  private void assertPages(long pages) {
    await()
        .during(Duration.ofMillis(80))
        .atMost(Duration.ofSeconds(10))
        .pollInterval(Duration.ofMillis(10))
        .until(() -> log.pages() == pages);
  }

  @Test // As WebFlux writes: 128 first, then 64 each time 64 are written.
  void consumerLikeWebFluxReadsOnlyWhatItWrites() {
    StepVerifier.create(rows.cursorBasedStream().limitRate(128, 64), 0)
        .expectSubscription()
        .thenRequest(1)
        .expectNextCount(1)
        .then(() -> assertPages(2)) // 128 asked for
        .thenRequest(70)
        .expectNextCount(70)
        .then(() -> assertPages(2)) // 192
        .thenRequest(60)
        .expectNextCount(60)
        .then(() -> assertPages(3)) // 256
        .thenRequest(Long.MAX_VALUE)
        .expectNextCount(ROWS - 131)
        .expectComplete()
        .verify(Duration.ofSeconds(20));
  }

  @Test
  void consumerThatAsksForAFewAtATimeGetsAll() {
    StepVerifier.create(rows.cursorBasedStream(o -> o.pageSize(7)).limitRate(3))
        .expectNextSequence(ALL)
        .expectComplete()
        .verify(Duration.ofSeconds(20));
    StepVerifier.create(
            rows.cursorBasedStream(o -> o.pageSize(7)).publishOn(Schedulers.parallel(), 16))
        .expectNextSequence(ALL)
        .expectComplete()
        .verify(Duration.ofSeconds(20));
  }

  @Test
  void eightQueriesAtATimeShareAPoolOfTwoWithTheStream() {
    StepVerifier.create(
            rows.cursorBasedStream(o -> o.prefetch(1))
                .flatMap(id -> rows.cursorBasedPage(o -> o.pageSize(1)).thenReturn(id), 8))
        .expectNextCount(ROWS)
        .expectComplete()
        .verify(Duration.ofSeconds(40));
  }

  @Test
  void limitOfZeroStopsThePagesAndAHigherOneGoesOn() {
    Concurrency limit = Concurrency.of(2);
    Queue<Long> seen = new ConcurrentLinkedQueue<>();
    Function<Flux<Long>, Flux<Long>> slowly =
        limit.flatMap(id -> Mono.just(id).delayElement(Duration.ofMillis(1)));
    Mono<Void> done =
        rows.cursorBasedStream(o -> o.pageSize(5))
            .transform(slowly)
            .doOnNext(
                id -> {
                  seen.add(id);
                  if (seen.size() == 100) {
                    limit.set(0);
                  }
                })
            .then()
            .cache();
    Disposable running = done.subscribe();

    await().until(() -> limit.get() == 0 && limit.inUse() == 0);
    clean.awaitQuiet();
    long pages = log.pages();
    assertPages(pages);
    assertThat(pages).as("pages of 5 for 100 rows and those in flight").isBetween(20L, 22L);
    assertThat(running.isDisposed()).isFalse();

    limit.set(4);
    StepVerifier.create(done).expectComplete().verify(Duration.ofSeconds(20));
    assertThat(seen).containsExactlyInAnyOrderElementsOf(ALL);
  }
}
