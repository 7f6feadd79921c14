package io.github.cursorstream.r2dbc.keyset;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.r2dbc.pool.ConnectionPool;
import io.r2dbc.postgresql.PostgresqlConnectionFactory;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import reactor.core.publisher.Flux;
import reactor.test.StepVerifier;

/** Between pages there is no connection, no transaction and no snapshot. */
@Timeout(60)
class HoldsNothingIT {

  private static final int ROWS = 100;
  private static final List<Long> ALL = LongStream.rangeClosed(1, ROWS).boxed().toList();

  @RegisterExtension
  static final CleanDatabase clean = new CleanDatabase(CleanDatabase.table("t", ROWS));

  private static CursorBasedRepository<Long> rows(io.r2dbc.spi.ConnectionFactory factory) {
    return CursorBasedRepository.<Long>create(
            factory, Keyset.table("t"), row -> row.get("id", Long.class))
        .defaults(o -> o.pageSize(10));
  }

  private static ConnectionPool impatient(int size) {
    return clean.pool(
        new PostgresqlConnectionFactory(
            clean
                .database()
                .configuration()
                .options(
                    Map.of(
                        "statement_timeout", "700ms",
                        "idle_in_transaction_session_timeout", "300ms",
                        "idle_session_timeout", "500ms"))
                .build()),
        size);
  }

  @ParameterizedTest
  @ValueSource(ints = {0, 1, 4})
  void consumerMayPauseForLongerThanEveryTimeout(int prefetch) {
    // As many as were used: in the pause the server ends them all.
    ConnectionPool pool = impatient(prefetch + 1);
    StepVerifier.create(rows(pool).cursorBasedStream(o -> o.prefetch(prefetch)), 15)
        .expectNextCount(15)
        .then(
            () -> {
              clean.awaitQuiet();
              await()
                  .during(Duration.ofMillis(900))
                  .atMost(Duration.ofSeconds(5))
                  .untilAsserted(
                      () -> {
                        assertThat(pool.getMetrics().orElseThrow().acquiredSize()).isZero();
                        assertThat(clean.database().holdingXmin()).isEmpty();
                        assertThat(clean.database().idleInTransaction()).isEmpty();
                      });
            })
        .thenRequest(10)
        .expectNextCount(10)
        .thenRequest(Long.MAX_VALUE)
        .expectNextCount(ROWS - 25)
        .expectComplete()
        .verify(Duration.ofSeconds(20));
  }

  @Test
  void rowsAreEmittedAfterTheConnectionIsGivenBack() {
    ConnectionPool pool = clean.pool(1);
    Flux<Integer> borrowed =
        rows(pool).cursorBasedStream().map(id -> pool.getMetrics().orElseThrow().acquiredSize());
    StepVerifier.create(borrowed.distinct()).expectNext(0).verifyComplete();
  }

  @ParameterizedTest
  @ValueSource(ints = {0, 3})
  void streamsWithAQueryForEachRowShareOneConnection(int prefetch) {
    ConnectionPool pool = clean.pool(1);
    CursorBasedRepository<Long> rows = rows(pool);
    Flux<Long> inner =
        Flux.range(0, 4)
            .flatMap(i -> rows.cursorBasedStream(o -> o.prefetch(prefetch)), 4)
            .flatMap(id -> rows.cursorBasedPage(o -> o.pageSize(1)).thenReturn(id), 8);
    StepVerifier.create(inner)
        .expectNextCount(4 * ROWS)
        .expectComplete()
        .verify(Duration.ofSeconds(30));
  }

  @Test
  void lookAheadOfThreePagesNeedsOneConnection() {
    StepVerifier.create(rows(clean.pool(1)).cursorBasedStream(o -> o.prefetch(3)))
        .expectNextSequence(ALL)
        .expectComplete()
        .verify(Duration.ofSeconds(20));
  }

  @Test
  void connectionsThatAreNotPooledAreClosedBetweenPages() {
    StepVerifier.create(rows(clean.database().connectionFactory()).cursorBasedStream(), 10)
        .expectNextCount(10)
        .then(
            () ->
                await()
                    .atMost(Duration.ofSeconds(5))
                    .until(() -> clean.database().sessions().isEmpty()))
        .thenRequest(Long.MAX_VALUE)
        .expectNextCount(ROWS - 10)
        .expectComplete()
        .verify(Duration.ofSeconds(20));
  }

  @Test
  void rangesAndExplainNeedOneConnection() {
    CursorBasedRepository<Long> rows = rows(clean.pool(1));
    StepVerifier.create(
            rows.ranges(4)
                .flatMap(range -> rows.cursorBasedStream(o -> o.within(range)), 4)
                .sort()
                .mergeWith(rows.explain().then().cast(Long.class)))
        .expectNextSequence(ALL)
        .expectComplete()
        .verify(Duration.ofSeconds(20));
  }
}
