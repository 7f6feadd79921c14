package io.github.cursorstream.r2dbc.keyset;

import static org.assertj.core.api.Assertions.assertThat;

import io.micrometer.common.KeyValue;
import io.micrometer.observation.Observation;
import io.micrometer.observation.ObservationHandler;
import io.micrometer.observation.ObservationRegistry;
import io.r2dbc.pool.ConnectionPool;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import reactor.test.StepVerifier;
import reactor.util.retry.Retry;

/** S9: what is observed of page queries. */
@Timeout(60)
class ObservationIT {

  /** Where Micrometer's context propagation keeps the current observation. */
  private static final String CURRENT = "micrometer.observation";

  @RegisterExtension
  static final CleanDatabase clean =
      new CleanDatabase(CleanDatabase.table("t", 25), CleanDatabase.table("big", 2000));

  private final List<Observation.Context> started = new CopyOnWriteArrayList<>();
  private final List<Observation.Context> stopped = new CopyOnWriteArrayList<>();
  private ObservationRegistry registry;
  private ConnectionPool pool;

  @BeforeEach
  void open() {
    registry = ObservationRegistry.create();
    registry
        .observationConfig()
        .observationHandler(
            new ObservationHandler<Observation.Context>() {
              @Override
              public void onStart(Observation.Context context) {
                started.add(context);
              }

              @Override
              public void onStop(Observation.Context context) {
                stopped.add(context);
              }

              @Override
              public boolean supportsContext(Observation.Context context) {
                return true;
              }
            });
    pool = clean.pool(2);
  }

  private CursorBasedRepository<Long> observed(Keyset keyset) {
    return CursorBasedRepository.<Long>create(pool, keyset, row -> row.get("id", Long.class))
        .defaults(o -> o.pageSize(10).observe(registry));
  }

  @Test
  void eachPageIsAnObservationWithItsTable() {
    StepVerifier.create(observed(Keyset.table("t")).cursorBasedStream())
        .expectNextCount(25)
        .verifyComplete();
    assertThat(stopped).hasSize(3).hasSameSizeAs(started);
    assertThat(stopped)
        .allSatisfy(
            page -> {
              assertThat(page.getName()).isEqualTo("cursorstream.page");
              assertThat(page.getError()).isNull();
              assertThat(page.getLowCardinalityKeyValues()).contains(KeyValue.of("table", "t"));
            });
  }

  @Test
  void pageThatNobodyAsksForIsNotObserved() {
    StepVerifier.create(observed(Keyset.table("t")).cursorBasedStream(), 1)
        .expectNext(1L)
        .thenCancel()
        .verify();
    assertThat(started).hasSize(1);
    assertThat(stopped).hasSize(1);
  }

  @Test
  void failureIsRecordedForEachAttempt() {
    Keyset failing = Keyset.table("big").where("1 / (id - 15) IS NOT NULL");
    StepVerifier.create(observed(failing).cursorBasedStream(o -> o.retry(Retry.max(1))))
        .expectNextCount(10)
        .verifyError();
    assertThat(stopped).hasSize(3);
    assertThat(stopped.get(0).getError()).isNull();
    assertThat(stopped.subList(1, 3))
        .allSatisfy(page -> assertThat(page.getError()).hasMessageContaining("division by zero"));
  }

  @Test
  void cancelledPageIsStopped() {
    Keyset slow = Keyset.table("t").where("pg_sleep(1)::text = ''");
    StepVerifier.create(observed(slow).cursorBasedStream())
        .expectSubscription()
        .expectNoEvent(Duration.ofMillis(500))
        .thenCancel()
        .verify();
    clean.awaitQuiet();
    assertThat(started).hasSize(1);
    assertThat(stopped).hasSize(1);
  }

  @Test
  void parentComesFromTheReactorContext() {
    Observation parent = Observation.start("request", registry);
    StepVerifier.create(
            observed(Keyset.table("t"))
                .cursorBasedStream(o -> o.prefetch(1))
                .contextWrite(context -> context.put(CURRENT, parent)))
        .expectNextCount(25)
        .verifyComplete();
    parent.stop();
    List<Observation.Context> pages =
        stopped.stream().filter(context -> !"request".equals(context.getName())).toList();
    assertThat(pages).hasSize(3);
    assertThat(pages).allSatisfy(page -> assertThat(page.getParentObservation()).isSameAs(parent));
  }

  @Test
  void rangesAndExplainHaveNamesOfTheirOwn() {
    CursorBasedRepository<Long> rows = observed(Keyset.table("t"));
    rows.ranges(2).blockLast(Duration.ofSeconds(10));
    rows.explain().block(Duration.ofSeconds(10));
    assertThat(stopped)
        .extracting(Observation.Context::getName)
        .containsExactly("cursorstream.ranges", "cursorstream.page", "cursorstream.explain");
  }
}
