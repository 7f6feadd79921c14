package io.github.cursorstream.r2dbc.backfill;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import io.github.cursorstream.cursor.Cursor;
import io.github.cursorstream.r2dbc.keyset.CleanDatabase;
import io.github.cursorstream.r2dbc.keyset.InvalidKeysetException;
import io.github.cursorstream.r2dbc.keyset.Keyset;
import io.github.cursorstream.run.Run;
import io.github.cursorstream.run.RunEvent;
import io.github.cursorstream.run.RunHandle;
import io.github.cursorstream.run.RunKind;
import io.github.cursorstream.run.RunState;
import io.github.cursorstream.run.Runner;
import io.r2dbc.spi.Connection;
import java.time.Duration;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import reactor.core.publisher.Flux;
import reactor.core.publisher.Mono;

/** When a run has succeeded: after a look whether anything is left. */
@Timeout(60)
class EndingIT extends Nodes {

  @RegisterExtension static final CleanDatabase clean = new CleanDatabase();

  EndingIT() {
    super(clean);
  }

  private Backfill<Long> undone() {
    return over(Keyset.table("t").where("n = 0")).batchSize(100);
  }

  private static UnaryOperator<String> incrementing(String but) {
    return range -> "UPDATE t SET n = n + 1 WHERE n = 0 AND " + but + " AND " + range;
  }

  private RunKind all(Backfill<Long> backfill) {
    return backfill.execute(incrementing("true"));
  }

  private List<RunEvent.Type> types(RunHandle run) {
    return run.events().map(RunEvent::type).collectList().block(SOON);
  }

  @Test
  void whereNothingIsLeftARunSucceeds() {
    table("t", 1_050);
    execute("UPDATE t SET n = 1 WHERE id % 3 = 0 OR id BETWEEN 200 AND 500"); // B14
    for (Backfill<Long> backfill : List.of(undone().verify(), undone().untilCaughtUp())) {
      RunHandle run = start(all(backfill.consumers(3)));
      assertThat(end(run).state()).isEqualTo(RunState.SUCCEEDED);
      assertThat(types(run)).doesNotContain(RunEvent.Type.BEGUN_AGAIN);
      assertThat(notOnce("t")).isZero();
      shutRunnersDown();
    }
  }

  @Test
  void anEmptyTableHasNothingLeft() { // M3
    table("t", 0);
    for (Backfill<Long> backfill : List.of(undone().verify(), undone().untilCaughtUp())) {
      assertThat(toEnd(all(backfill)).state()).isEqualTo(RunState.SUCCEEDED);
    }
  }

  @Test
  void withoutAFilterThereIsNothingToLookFor() {
    table("t", 1);
    assertThatThrownBy(() -> over("t").verify())
        .isInstanceOf(InvalidKeysetException.class)
        .hasMessageContaining("verify()")
        .hasMessageContaining("Keyset.where");
    assertThatThrownBy(() -> over("t").untilCaughtUp())
        .isInstanceOf(InvalidKeysetException.class)
        .hasMessageContaining("untilCaughtUp()");
  }

  @Test
  void whatIsLeftFailsTheRunAndIsDoneAfterARetry() {
    table("t", 25_000);
    AtomicBoolean corrected = new AtomicBoolean();
    RunHandle run =
        start(
            undone()
                .batchSize(5_000)
                .consumers(2)
                .verify()
                .execute(
                    range ->
                        incrementing(corrected.get() ? "true" : "id % 7000 <> 0").apply(range)));
    Run failed = end(run);
    assertThat(failed.state()).isEqualTo(RunState.FAILED);
    assertThat(failed.error()).contains("there are 3, the first at Cursor[id=7000]");
    corrected.set(true);
    run.retry().block(SOON);
    assertThat(end(run).state()).isEqualTo(RunState.SUCCEEDED);
    assertThat(end(run).rows()).isEqualTo(25_000);
    assertThat(notOnce("t")).isZero();
  }

  // PROTOCOL, hole 8

  @Test
  void aRowThatIsCommittedBehindThePlaceIsFound() {
    table("t", 300);
    execute("DELETE FROM t WHERE id = 50");
    Connection late = Objects.requireNonNull(pool.create().block(SOON));
    RunHandle run;
    try {
      run = start(all(undone().batchSize(10).pauseBetween(Duration.ofMillis(20)).verify()));
      awaitBatches(run, 10);
      Mono.from(late.beginTransaction())
          .thenMany(late.createStatement("INSERT INTO t (id) VALUES (50)").execute())
          .concatMap(result -> result.getRowsUpdated())
          .blockLast(SOON);
      Mono.from(late.commitTransaction()).block(SOON);
    } finally {
      Mono.from(late.close()).block(SOON);
    }
    assertThat(end(run).state()).isEqualTo(RunState.FAILED);
    assertThat(end(run).error()).contains("there is 1, the first at Cursor[id=50]");
  }

  @Test
  void whatLiesOutsideOfTheBoundsIsNotLookedAt() {
    table("t", 30);
    Run run = toEnd(all(undone().after(Cursor.of("id", 10L)).upTo(Cursor.of("id", 20L)).verify()));
    assertThat(run.state()).isEqualTo(RunState.SUCCEEDED);
    assertThat(run.rows()).isEqualTo(10);
    run = toEnd(all(undone().after(Cursor.of("id", 20L)).untilCaughtUp()));
    assertThat(run.state()).isEqualTo(RunState.SUCCEEDED);
    assertThat(count("SELECT count(*) FROM t WHERE n = 0")).isEqualTo(10);
  }

  private static UnaryOperator<String> poisoned(String where) {
    return range ->
        "UPDATE t SET n = n + 1 + (CASE WHEN "
            + where
            + " THEN 1 / (n - n) ELSE 0 END) WHERE n = 0 AND "
            + range;
  }

  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void rowsThatWerePutAsideAreApart(boolean untilCaughtUp) {
    table("t", 60);
    Backfill<Long> backfill = undone().batchSize(10).consumers(2).attempts(1).deadLetters(5);
    backfill = untilCaughtUp ? backfill.untilCaughtUp() : backfill.verify();
    RunHandle run = start(backfill.execute(poisoned("id IN (1, 33, 34, 60)")));
    Run done = end(run);
    assertThat(done.state()).isEqualTo(RunState.SUCCEEDED);
    assertThat(done.deadLetters()).isEqualTo(4);
    assertThat(done.rows()).isEqualTo(56);
    assertThat(types(run)).doesNotContain(RunEvent.Type.BEGUN_AGAIN);
  }

  // B21

  @Test
  void rowsThatArriveOnBothSidesOfThePlaceAreDone() {
    table("t", 0);
    execute("INSERT INTO t (id) SELECT i * 10 FROM generate_series(1, 2000) i");
    RunHandle run =
        start(
            all(
                undone()
                    .batchSize(50)
                    .consumers(2)
                    .pauseBetween(Duration.ofMillis(20))
                    .untilCaughtUp()));
    awaitBatches(run, 2);
    run.pause().block(SOON); // Or it might have caught up before they come.
    execute("INSERT INTO t (id) SELECT i * 200 + 4 FROM generate_series(99, 0, -1) i");
    run.resume().block(SOON);
    Run done = end(run);
    assertThat(done.state()).isEqualTo(RunState.SUCCEEDED);
    assertThat(count("SELECT count(*) FROM t")).isEqualTo(2_100);
    assertThat(notOnce("t")).isZero();
    assertThat(done.rows()).isEqualTo(2_100);
    assertThat(types(run)).contains(RunEvent.Type.BEGUN_AGAIN);
  }

  @Test
  void workThatLeavesARowAsItWasDoesNotGoOnForEver() {
    table("t", 20);
    AtomicInteger done = new AtomicInteger();
    RunHandle run =
        start(
            undone()
                .batchSize(10)
                .untilCaughtUp()
                // Another one comes before the others with each batch.
                .processInTransaction(
                    (connection, batch) ->
                        batch
                            .rows()
                            .filter(id -> id != 7)
                            .concatWithValues((long) -done.incrementAndGet())
                            .collectList()
                            .flatMapMany(ids -> upsert(connection, ids))));
    Run failed = end(run);
    assertThat(failed.state()).isEqualTo(RunState.FAILED);
    assertThat(failed.error()).contains("untilCaughtUp()", "Cursor[id=7]");
    assertThat(failed.batches()).isLessThan(20);
  }

  private static Flux<Long> upsert(Connection connection, List<Long> ids) {
    return Flux.from(
            connection
                .createStatement(
                    "INSERT INTO t (id) SELECT unnest($1::bigint[])"
                        + " ON CONFLICT (id) DO UPDATE SET n = t.n + 1")
                .bind(0, ids.toArray(Long[]::new))
                .execute())
        .concatMap(result -> result.getRowsUpdated());
  }

  /** Keeps whoever looks for rows from seeing any. */
  private Connection lockedTable() {
    Connection connection = Objects.requireNonNull(pool.create().block(SOON));
    Mono.from(connection.beginTransaction())
        .thenMany(connection.createStatement("LOCK TABLE t IN ACCESS EXCLUSIVE MODE").execute())
        .concatMap(result -> result.getRowsUpdated())
        .blockLast(SOON);
    return connection;
  }

  private static void unlock(Connection connection) {
    Mono.from(connection.rollbackTransaction()).then(Mono.from(connection.close())).block(SOON);
  }

  /** Waits until the last batch is being looked behind, and somebody has locked the table. */
  private Connection lockedBeforeTheEnd(RunHandle run) {
    Connection lock = lockedTable();
    run.resume().block(SOON);
    await().atMost(SOON).until(() -> now(run).inFlight() == 1 && waitsForTheTable());
    return lock;
  }

  private boolean waitsForTheTable() {
    return count("SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 't'::regclass")
        > 0;
  }

  private RunHandle pausedBeforeTheEnd(Runner runner, RunKind kind) {
    RunHandle run = start(runner, kind);
    await().atMost(SOON).until(() -> now(run).inFlight() == 1);
    run.pause().block(SOON);
    awaitState(run, RunState.PAUSED);
    assertThat(now(run).position()).isEqualTo(now(run).upper());
    return run;
  }

  @Test
  void aPauseIsFeltWhileARunIsBeingVerified() {
    table("t", 50);
    RunKind kind = slow(undone().verify());
    RunHandle run = pausedBeforeTheEnd(runner(), kind);
    Connection lock = lockedBeforeTheEnd(run);
    try {
      run.pause().block(SOON);
      awaitState(run, RunState.PAUSED);
      await().atMost(SOON).until(() -> !waitsForTheTable());
    } finally {
      unlock(lock);
    }
    run.resume().block(SOON);
    assertThat(end(run).state()).isEqualTo(RunState.SUCCEEDED);
    assertThat(end(run).failures()).isZero();
    assertThat(notOnce("t")).isZero();
  }

  @Test
  void anotherNodeVerifiesWhenTheFirstOneGoes() {
    table("t", 50);
    RunKind kind = slow(undone().untilCaughtUp());
    Runner first = runner();
    RunHandle run = pausedBeforeTheEnd(first, kind);
    Connection lock = lockedBeforeTheEnd(run);
    try {
      first.shutdown(Duration.ofSeconds(10)).block(SOON);
      assertThat(now(run).inFlight()).isZero();
    } finally {
      unlock(lock);
    }
    runner().register(kind);
    assertThat(end(run).state()).isEqualTo(RunState.SUCCEEDED);
    assertThat(notOnce("t")).isZero();
  }

  /** Does a batch, and stays in it for a while. */
  private static RunKind slow(Backfill<Long> backfill) {
    return backfill.processInTransaction(
        (connection, batch) ->
            batch
                .rows()
                .collectList()
                .flatMapMany(ids -> Flux.from(BackfillIT.Way.update(connection, "t", ids)))
                .collectList()
                .delayElement(Duration.ofMillis(300)));
  }
}
