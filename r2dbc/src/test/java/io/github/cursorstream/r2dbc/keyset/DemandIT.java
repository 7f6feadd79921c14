package io.github.cursorstream.r2dbc.keyset;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.github.cursorstream.cursor.Cursor;
import io.github.cursorstream.cursor.Page;
import io.r2dbc.spi.R2dbcException;
import java.time.Duration;
import java.util.List;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import reactor.core.publisher.Flux;
import reactor.test.StepVerifier;
import reactor.util.retry.Retry;

/** Which queries are sent, and when. */
@Timeout(60)
class DemandIT {

  @RegisterExtension
  static final CleanDatabase clean = new CleanDatabase(CleanDatabase.table("t", 100));

  private final QueryLog log = new QueryLog();
  private CursorBasedRepository<Long> rows;

  @BeforeEach
  void open() {
    rows = repository(Keyset.table("t"));
  }

  private CursorBasedRepository<Long> repository(Keyset keyset) {
    return CursorBasedRepository.<Long>create(
            clean.pool(log.over(clean.database().connectionFactory()), 4),
            keyset,
            row -> row.get("id", Long.class))
        .defaults(o -> o.pageSize(10));
  }

  /** Everything that was asked for has come; what was not asked for would be here soon. */
  private void assertSent(int catalog, int pages) {
    await()
        .during(Duration.ofMillis(60))
        .atMost(Duration.ofSeconds(10))
        .pollInterval(Duration.ofMillis(10))
        .untilAsserted(
            () ->
                assertThat(List.of(log.catalog(), log.pages(), log.others()))
                    .as("catalog, page and other queries")
                    .containsExactly((long) catalog, (long) pages, 0L));
  }

  @Test
  void assemblyAndSubscriptionSendNothing() {
    Flux<Long> stream = rows.cursorBasedStream(o -> o.prefetch(3));
    Flux<Page<Long>> pages = rows.cursorBasedPages(o -> o.prefetch(3));
    rows.cursorBasedPage(o -> o);
    rows.ranges(4);
    rows.explain();

    StepVerifier.create(stream, 0)
        .expectSubscription()
        .then(() -> StepVerifier.create(pages, 0).expectSubscription().thenCancel().verify())
        .then(() -> assertSent(0, 0))
        .thenCancel()
        .verify();
  }

  @Test
  void eachRowAskedForFetchesOnlyThePageThatHoldsIt() {
    StepVerifier.create(rows.cursorBasedStream(), 0)
        .expectSubscription()
        .then(() -> assertSent(0, 0))
        .thenRequest(1)
        .expectNext(1L)
        .then(() -> assertSent(1, 1))
        .thenRequest(9)
        .expectNextCount(9)
        .then(() -> assertSent(1, 1))
        .thenRequest(1)
        .expectNext(11L)
        .then(() -> assertSent(1, 2))
        .thenRequest(9)
        .expectNextCount(9)
        .then(() -> assertSent(1, 2))
        .thenCancel()
        .verify();
  }

  @ParameterizedTest
  @ValueSource(ints = {0, 1, 3})
  void lookAheadIsTheNumberAskedFor(int prefetch) {
    StepVerifier.create(rows.cursorBasedStream(o -> o.prefetch(prefetch)), 0)
        .expectSubscription()
        .then(() -> assertSent(0, 0))
        .thenRequest(1)
        .expectNext(1L)
        .then(() -> assertSent(1, 1 + prefetch))
        .thenRequest(8)
        .expectNextCount(8)
        .then(() -> assertSent(1, 1 + prefetch))
        .thenRequest(2)
        .expectNextCount(2)
        .then(() -> assertSent(1, 2 + prefetch))
        .thenCancel()
        .verify();
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 9, 10}) // S23
  void takingUpToAPageIsOneQuery(int n) {
    StepVerifier.create(rows.cursorBasedStream().take(n)).expectNextCount(n).verifyComplete();
    assertSent(1, 1);
  }

  @Test
  void shortPageEndsTheStream() {
    UnaryOperator<StreamOptions> to25 = o -> o.upTo(Cursor.of("id", 25));
    StepVerifier.create(rows.cursorBasedStream(to25)).expectNextCount(25).verifyComplete();
    assertSent(1, 3);
  }

  @Test // S2: the last page was full, so only an empty one tells.
  void fullLastPageIsFollowedByAnEmptyOne() {
    StepVerifier.create(rows.cursorBasedStream()).expectNextCount(100).verifyComplete();
    assertSent(1, 11);
  }

  @Test
  void emptyTableIsOneQuery() {
    StepVerifier.create(repository(Keyset.table("t").where("id < 0")).cursorBasedStream())
        .verifyComplete();
    assertSent(1, 1);
  }

  @Test
  void onePageAskedForIsOnePageFetched() {
    StepVerifier.create(rows.cursorBasedPages(o -> o), 0)
        .expectSubscription()
        .thenRequest(1)
        .assertNext(page -> assertThat(page.items()).hasSize(10))
        .then(() -> assertSent(1, 1))
        .thenRequest(2)
        .expectNextCount(2)
        .then(() -> assertSent(1, 3))
        .thenCancel()
        .verify();
  }

  @Test
  void singlePageIsOneQueryEvenIfItIsTheLast() {
    Page<Long> page =
        rows.cursorBasedPage(o -> o.after(Cursor.of("id", 90))).block(Duration.ofSeconds(10));
    assertThat(page.last()).isTrue();
    assertThat(page.items()).hasSize(10);
    assertSent(1, 1);
  }

  @Test // S28
  void secondSubscriptionReadsAgainButKnowsTheCatalog() {
    Flux<Long> stream = rows.cursorBasedStream(o -> o.pageSize(60));
    StepVerifier.create(stream).expectNextCount(100).verifyComplete();
    assertSent(1, 2);
    StepVerifier.create(stream).expectNextCount(100).verifyComplete();
    StepVerifier.create(rows.defaults(o -> o.pageSize(200)).cursorBasedStream())
        .expectNextCount(100)
        .verifyComplete();
    assertSent(1, 5);
  }

  @Test
  void concurrentFirstSubscribersShareTheCatalogQuery() {
    Flux<Long> all =
        Flux.range(0, 20).flatMap(i -> rows.cursorBasedStream(o -> o.pageSize(200)), 20);
    StepVerifier.create(all).expectNextCount(2000).verifyComplete();
    assertSent(1, 20);
  }

  @Test
  void failedCatalogQueryIsRepeatedByTheNextSubscription() {
    CursorBasedRepository<Long> late = repository(Keyset.table("late"));
    StepVerifier.create(late.cursorBasedStream()).verifyError(InvalidKeysetException.class);
    assertSent(1, 0);
    clean.database().execute(CleanDatabase.table("late", 5));
    try {
      StepVerifier.create(late.cursorBasedStream()).expectNextCount(5).verifyComplete();
      assertSent(2, 1);
    } finally {
      clean.database().execute("DROP TABLE late");
    }
  }

  @Test
  void failedCatalogQueryIsRepeatedByARetryWithoutDelay() {
    FailingConnections failing = new FailingConnections(clean.pool(2), 2);
    CursorBasedRepository<Long> unlucky =
        CursorBasedRepository.create(failing, Keyset.table("t"), row -> row.get("id", Long.class));
    StepVerifier.create(unlucky.cursorBasedStream(o -> o.retry(Retry.max(2))))
        .expectNextCount(100)
        .verifyComplete();
    assertThat(failing.asked()).as("two that failed, the catalog, the page").isEqualTo(4);
  }

  @Test
  void changedTableIsLookedUpAnewByTheNextSubscription() {
    clean.database().execute(CleanDatabase.table("changing", 15));
    try {
      CursorBasedRepository<Long> changing = repository(Keyset.table("changing"));
      StepVerifier.create(changing.cursorBasedStream()).expectNextCount(15).verifyComplete();
      assertSent(1, 2);
      clean.database().execute("ALTER TABLE changing DROP COLUMN v");
      StepVerifier.create(changing.cursorBasedStream()).verifyError(R2dbcException.class);
      assertSent(1, 3);
      StepVerifier.create(changing.cursorBasedStream()).expectNextCount(15).verifyComplete();
      assertSent(2, 5);
    } finally {
      clean.database().execute("DROP TABLE changing");
    }
  }

  @Test
  void rangesReadNoPages() {
    StepVerifier.create(rows.ranges(4)).expectNextCount(4).verifyComplete();
    assertThat(log.catalog()).isEqualTo(1);
    assertThat(log.pages()).isZero();
    assertThat(log.others()).isEqualTo(2);
  }

  @Test
  void explainReadsOneRow() {
    StepVerifier.create(rows.explain()).expectNextCount(1).verifyComplete();
    assertThat(log.catalog()).isEqualTo(1);
    assertThat(log.pages()).isEqualTo(1);
    assertThat(log.all()).anyMatch(sql -> sql.startsWith("EXPLAIN "));
  }
}
