package io.github.cursorstream.r2dbc.keyset;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.github.cursorstream.cursor.Page;
import io.r2dbc.pool.ConnectionPool;
import io.r2dbc.spi.ConnectionFactory;
import java.time.Duration;
import java.util.List;
import java.util.Queue;
import java.util.Random;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import reactor.core.Disposable;
import reactor.core.publisher.Flux;
import reactor.core.publisher.Mono;
import reactor.test.StepVerifier;

/** S26: a cancel stops what runs, leaves nothing behind and disturbs nobody. */
@Timeout(150)
class CancelIT {

  private static final int ROWS = 400;
  private static final List<Long> ALL = LongStream.rangeClosed(1, ROWS).boxed().toList();

  @RegisterExtension
  static final CleanDatabase clean =
      new CleanDatabase(
          CleanDatabase.table("t", ROWS),
          "CREATE FUNCTION nap(s float8) RETURNS boolean VOLATILE LANGUAGE plpgsql AS"
              + " 'BEGIN PERFORM pg_sleep(s); RETURN true; END'");

  private static CursorBasedRepository<Long> rows(ConnectionFactory factory, Keyset keyset) {
    return CursorBasedRepository.create(factory, keyset, row -> row.get("id", Long.class));
  }

  private static Keyset napping(double seconds) {
    return Keyset.table("t").where("nap(:s)").bind("s", seconds);
  }

  private static Disposable subscribeAndAwaitRunning(Flux<?> stream) {
    Disposable running = stream.subscribe();
    await()
        .pollInterval(Duration.ofMillis(10))
        .until(
            () ->
                clean.database().running().stream()
                    .anyMatch(session -> session.query().contains("nap(")));
    return running;
  }

  @Test
  void cancelStopsTheStatementAndTheNextBorrowerIsNotDelayed() {
    ConnectionPool pool = clean.pool(1);
    Disposable stream = subscribeAndAwaitRunning(rows(pool, napping(60)).cursorBasedStream());

    long cancelled = System.nanoTime();
    stream.dispose();
    StepVerifier.create(rows(pool, Keyset.table("t")).cursorBasedStream())
        .expectNextSequence(ALL)
        .expectComplete()
        .verify(Duration.ofSeconds(10));

    Measured.record("cancel, then 400 rows by the next borrower, after", cancelled);
    assertThat(Duration.ofNanos(System.nanoTime() - cancelled)).isLessThan(Duration.ofSeconds(2));
    assertThat(pool.getMetrics().orElseThrow().allocatedSize()).as("same connection").isEqualTo(1);
    assertThat(clean.database().running()).isEmpty();
  }

  @Test
  void cancelStopsAStatementUnderWrappers() {
    QueryLog log = new QueryLog();
    ConnectionFactory wrapped =
        log.over(clean.pool(log.over(clean.database().connectionFactory()), 1));
    Disposable stream = subscribeAndAwaitRunning(rows(wrapped, napping(60)).cursorBasedStream());
    stream.dispose();
    await().atMost(Duration.ofSeconds(2)).until(() -> clean.database().running().isEmpty());
  }

  @Test
  void cancelStopsTheStatementOfAConnectionThatIsNotPooled() {
    CursorBasedRepository<Long> rows = rows(clean.database().connectionFactory(), napping(60));
    subscribeAndAwaitRunning(rows.cursorBasedStream()).dispose();
    await().atMost(Duration.ofSeconds(2)).until(() -> clean.database().sessions().isEmpty());
  }

  @Test
  void cancelOfRangesAndExplainLeavesNothing() {
    ConnectionPool pool = clean.pool(1);
    CursorBasedRepository<Long> rows = rows(pool, Keyset.table("t"));
    CursorBasedRepository<Long> slow = rows(pool, napping(60));
    subscribeAndAwaitRunning(slow.ranges(4)).dispose();
    clean.awaitQuiet();
    Random random = new Random(7);
    Flux<?> cancels =
        Flux.range(0, 400)
            .concatMap(
                i -> {
                  Flux<?> work = i % 2 == 0 ? rows.ranges(4) : rows.explain().flux();
                  Duration later = Duration.ofNanos(random.nextInt(8_000_000));
                  return work.takeUntilOther(Mono.delay(later)).then();
                });
    StepVerifier.create(cancels).expectComplete().verify(Duration.ofSeconds(60));
    clean.awaitQuiet();
    StepVerifier.create(rows.cursorBasedStream())
        .expectNextCount(ROWS)
        .expectComplete()
        .verify(Duration.ofSeconds(10));
  }

  @Test
  void rowsBehindTheCancelAreNotMapped() {
    AtomicInteger mapped = new AtomicInteger();
    CursorBasedRepository<Integer> rows =
        CursorBasedRepository.create(
            clean.pool(1), Keyset.table("t"), row -> mapped.incrementAndGet());
    StepVerifier.create(rows.cursorBasedStream(o -> o.pageSize(10)).take(10))
        .expectNextCount(10)
        .verifyComplete();
    assertThat(mapped).hasValue(10);
  }

  @Test
  void nothingOfTheCleanUpIsDiscardedOnTheUser() {
    Queue<Long> discarded = new ConcurrentLinkedQueue<>();
    CursorBasedRepository<Long> slow = rows(clean.pool(1), napping(60));
    subscribeAndAwaitRunning(slow.cursorBasedStream().doOnDiscard(Long.class, discarded::add))
        .dispose();
    clean.awaitQuiet();
    assertThat(discarded).isEmpty();
  }

  @Test
  void waitingForAConnectionCanBeCancelled() {
    ConnectionPool pool = clean.pool(1);
    CursorBasedRepository<Long> rows = rows(pool, Keyset.table("t"));
    StepVerifier.create(
            Flux.usingWhen(
                pool.create(),
                held -> rows.cursorBasedStream().takeUntilOther(Mono.delay(Duration.ofMillis(50))),
                io.r2dbc.spi.Connection::close))
        .expectComplete()
        .verify(Duration.ofSeconds(5));
    clean.awaitQuiet();
    StepVerifier.create(rows.cursorBasedStream()).expectNextCount(ROWS).verifyComplete();
  }

  @Test
  void fortyThousandRandomCancelsLeakNothingAndDisturbNobody() {
    Random random = new Random(20260101);
    ConnectionPool pool = clean.pool(4);
    CursorBasedRepository<Long> rows = rows(pool, Keyset.table("t"));
    CursorBasedRepository<Long> slow = rows(pool, napping(0.03));

    AtomicBoolean done = new AtomicBoolean();
    Mono<Long> innocent =
        Flux.defer(() -> rows.cursorBasedStream(o -> o.pageSize(37)).collectList())
            .doOnNext(read -> assertThat(read).isEqualTo(ALL))
            .repeat(() -> !done.get())
            .count();
    long start = System.nanoTime();
    Mono<Void> guilty =
        Flux.range(0, 40_000)
            .flatMap(i -> cancelled(i % 400 == 0 ? slow : rows, new Random(random.nextLong())), 16)
            .then()
            .doFinally(end -> done.set(true));

    StepVerifier.create(Mono.zip(innocent, guilty.thenReturn(true)))
        .assertNext(both -> assertThat(both.getT1()).isPositive())
        .expectComplete()
        .verify(Duration.ofMinutes(2));
    Measured.record("40,000 cancels took", start);

    clean.awaitQuiet();
    Flux<List<Long>> everyConnection =
        Flux.range(0, 4).flatMap(i -> rows.cursorBasedStream().collectList(), 4);
    StepVerifier.create(everyConnection)
        .expectNext(ALL, ALL, ALL, ALL)
        .expectComplete()
        .verify(Duration.ofSeconds(10));
  }

  /** A stream that is cancelled somewhere: while acquiring, running, emitting or prefetching. */
  private static Mono<Void> cancelled(CursorBasedRepository<Long> rows, Random random) {
    int pageSize = 1 + random.nextInt(20);
    int prefetch = random.nextInt(3);
    Flux<Long> stream = rows.cursorBasedStream(o -> o.pageSize(pageSize).prefetch(prefetch));
    Flux<Page<Long>> pages = rows.cursorBasedPages(o -> o.pageSize(pageSize).prefetch(prefetch));
    Mono<Long> later = Mono.delay(Duration.ofNanos(random.nextInt(4_000_000)));
    return switch (random.nextInt(6)) {
      case 0 -> stream.take(1 + random.nextInt(2 * pageSize)).then();
      case 1 -> stream.takeUntilOther(later).take(3L * pageSize).then();
      case 2 -> pages.takeUntilOther(later).take(2).then();
      case 3 -> rows.cursorBasedPage(o -> o.pageSize(pageSize)).takeUntilOther(later).then();
      case 4 ->
          rows.cursorBasedStream(o -> o.pageSize(20).readAhead(2)).takeUntilOther(later).then();
      default -> Mono.fromRunnable(() -> stream.subscribe().dispose());
    };
  }
}
