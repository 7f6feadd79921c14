package io.github.cursorstream.r2dbc.backfill;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import io.github.cursorstream.r2dbc.keyset.CleanDatabase;
import io.github.cursorstream.r2dbc.keyset.Keyset;
import io.github.cursorstream.r2dbc.keyset.KeysetBatches.Lock;
import io.github.cursorstream.r2dbc.keyset.QueryLog;
import io.github.cursorstream.r2dbc.keyset.RangeCondition;
import io.github.cursorstream.run.Run;
import io.github.cursorstream.run.RunHandle;
import io.github.cursorstream.run.RunKind;
import io.github.cursorstream.run.RunState;
import io.github.cursorstream.run.Runner;
import io.r2dbc.spi.Connection;
import java.time.Duration;
import java.util.List;
import java.util.Objects;
import java.util.Queue;
import java.util.Random;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.reactivestreams.Publisher;
import reactor.core.publisher.Flux;
import reactor.core.publisher.Mono;
import reactor.core.publisher.Sinks;

/** Batches that do a part of their range, and what becomes of the rest. */
@Timeout(60)
class PartsIT extends Nodes {

  @RegisterExtension static final CleanDatabase clean = new CleanDatabase();

  PartsIT() {
    super(clean);
  }

  private final AtomicInteger calls = new AtomicInteger();

  private static Publisher<Long> increment(Connection connection, List<Long> ids) {
    return BackfillIT.Way.update(connection, "t", ids);
  }

  private static Flux<Long> increment(Connection connection, RangeCondition range) {
    var update = connection.createStatement("UPDATE t SET n = n + 1 WHERE " + range.sql());
    for (int i = 0; i < range.binds().size(); i++) {
      update.bind(i, range.binds().get(i));
    }
    return Flux.from(update.execute()).concatMap(result -> result.getRowsUpdated());
  }

  /** Counts up what it reads, without the rows that somebody holds. */
  private RunKind skipping(Backfill<Long> backfill) {
    return backfill
        .lock(Lock.FOR_NO_KEY_UPDATE_SKIP_LOCKED)
        .processInTransaction(
            (connection, batch) -> {
              calls.incrementAndGet();
              return batch.rows().collectList().flatMapMany(ids -> increment(connection, ids));
            });
  }

  private Connection holding(String where) {
    Connection connection = Objects.requireNonNull(pool.create().block(SOON));
    Mono.from(connection.beginTransaction())
        .thenMany(
            connection.createStatement("SELECT FROM t WHERE " + where + " FOR UPDATE").execute())
        .concatMap(result -> result.getRowsUpdated())
        .blockLast(SOON);
    return connection;
  }

  private static void release(Connection connection) {
    Mono.from(connection.rollbackTransaction()).then(Mono.from(connection.close())).block(SOON);
  }

  @ParameterizedTest
  @ValueSource(strings = {"true", "n = 0"})
  void rowsThatSomebodyHoldsAreDoneOnceTheyAreFree(String filter) { // B9
    table("t", 100);
    RunHandle run;
    Connection other = holding("id IN (1, 4, 5, 57)");
    try {
      run = start(skipping(over(Keyset.table("t").where(filter)).batchSize(10).consumers(2)));
      await().atMost(SOON).until(() -> now(run).rows() == 96);
      long before = System.nanoTime();
      int called = calls.get();
      await().during(Duration.ofMillis(300)).until(() -> now(run).state() == RunState.RUNNING);
      long waits = (System.nanoTime() - before) / Duration.ofMillis(50).toNanos();
      assertThat(calls.get() - called)
          .as("it does not spin")
          .isLessThanOrEqualTo(3 * (int) (waits + 2));
      assertThat(now(run).waiting() + now(run).inFlight()).isPositive();
      assertThat(count("SELECT count(*) FROM t WHERE n = 0")).isEqualTo(4);
    } finally {
      release(other);
    }
    Run done = end(run);
    assertThat(done.state()).isEqualTo(RunState.SUCCEEDED);
    assertThat(done.rows()).isEqualTo(100);
    assertThat(done.failures()).isZero();
    assertThat(notOnce("t")).isZero();
  }

  @Test
  void othersThatComeAndGoHideNoRow() {
    table("t", 2_000);
    RunHandle run = start(skipping(over("t").batchSize(50).consumers(4)));
    Random random = new Random(7);
    while (now(run).rows() < 1_500) {
      release(holding("id % 7 = " + random.nextInt(7)));
    }
    Run done = end(run);
    assertThat(done.state()).isEqualTo(RunState.SUCCEEDED);
    assertThat(done.rows()).isEqualTo(2_000);
    assertThat(notOnce("t")).isZero();
  }

  @Test
  void workThatSkipsRowsMayNotAskForItsRange() {
    table("t", 1);
    Run run =
        toEnd(
            over("t")
                .attempts(1)
                .lock(Lock.FOR_UPDATE_SKIP_LOCKED)
                .processInTransaction((connection, batch) -> batch.range(null, 1)));
    assertThat(run.state()).isEqualTo(RunState.FAILED);
    assertThat(run.error()).contains("rows() required", "FOR_UPDATE_SKIP_LOCKED");
  }

  @Test
  void whatCannotLockIsRefused() {
    Backfill<Long> locking = over("t").lock(Lock.FOR_UPDATE);
    assertThatThrownBy(() -> locking.process(TableBatch::rows))
        .isInstanceOf(IllegalStateException.class)
        .hasMessageContaining("was process,")
        .hasMessageContaining("lock(FOR_UPDATE)");
    assertThatThrownBy(() -> locking.execute(increment("t")))
        .isInstanceOf(IllegalStateException.class)
        .hasMessageContaining("was execute,")
        .hasMessageContaining("say processInTransaction, or leave the lock out");
    assertThat(locking.lock(Lock.NONE).execute(increment("t"))).isNotNull();
  }

  @Test
  void rowsThatNobodyAsksForAreNotRead() {
    table("t", 30);
    QueryLog queries = new QueryLog();
    Backfill<Long> backfill = over(Keyset.table("t")).batchSize(10);
    for (boolean asked : List.of(false, true)) {
      queries.all().clear();
      Runner runner = runner(queries.over(pool), options -> options);
      RunHandle run =
          start(
              runner,
              backfill.processInTransaction(
                  (connection, batch) ->
                      asked ? batch.rows() : Flux.from(increment(connection, List.of(1L)))));
      assertThat(end(run).state()).isEqualTo(RunState.SUCCEEDED);
      runner.shutdown(SOON).block(SOON);
      assertThat(
              queries.all().stream().filter(sql -> sql.contains("FROM \"public\".\"t\"")).count())
          .isEqualTo(asked ? 3 : 0);
    }
  }

  @Test
  void theRowsOfATransactionAreReadOnce() {
    table("t", 30);
    Queue<List<Long>> looks = new ConcurrentLinkedQueue<>();
    Run run =
        toEnd(
            over(Keyset.table("t").where("n = 0"))
                .batchSize(10)
                .processInTransaction(
                    (connection, batch) ->
                        batch
                            .rows()
                            .collectList()
                            .doOnNext(looks::add)
                            .flatMapMany(ids -> increment(connection, ids))
                            .thenMany(batch.rows())
                            .collectList()
                            .doOnNext(looks::add)));
    assertThat(run.rows()).isEqualTo(30);
    assertThat(looks)
        .containsExactly(
            ids(1, 10), ids(1, 10), ids(11, 20), ids(11, 20), ids(21, 30), ids(21, 30));
  }

  /** How a batch says which rows it does. */
  enum Ask {
    ROWS,
    ROWS_THEN_RANGE,
    RANGE_THEN_ROWS,
    TOGETHER
  }

  // PROTOCOL, hole 9

  @ParameterizedTest
  @EnumSource
  void aRangeThatHasGrownIsDoneInParts(Ask ask) {
    table("t", 20);
    execute("UPDATE t SET id = id * 1000");
    Sinks.Empty<Void> grown = Sinks.empty();
    Queue<Integer> sizes = new ConcurrentLinkedQueue<>();
    RunHandle run =
        start(
            over("t")
                .batchSize(4)
                .processInTransaction(
                    (connection, batch) -> {
                      calls.incrementAndGet();
                      Mono<List<Long>> rows =
                          batch.rows().collectList().doOnNext(ids -> sizes.add(ids.size()));
                      Flux<Long> byRange =
                          batch.range(null, 1).flatMapMany(range -> increment(connection, range));
                      Flux<Long> work =
                          switch (ask) {
                            case ROWS -> rows.flatMapMany(ids -> increment(connection, ids));
                            case ROWS_THEN_RANGE -> rows.thenMany(byRange);
                            case RANGE_THEN_ROWS -> byRange.thenMany(rows.then(Mono.empty()));
                            case TOGETHER ->
                                Mono.zip(rows, batch.range(null, 1))
                                    .flatMapMany(both -> increment(connection, both.getT2()));
                          };
                      return calls.get() == 1 ? grown.asMono().thenMany(work) : work;
                    }));
    await().atMost(SOON).until(() -> calls.get() == 1);
    execute("INSERT INTO t (id) SELECT i FROM generate_series(5001, 5999) i");
    grown.tryEmitEmpty();
    Run done = end(run);
    assertThat(done.state()).isEqualTo(RunState.SUCCEEDED);
    assertThat(done.rows()).isEqualTo(20 + 999);
    assertThat(notOnce("t")).isZero();
    assertThat(sizes)
        .allSatisfy(
            size -> assertThat(size).isLessThanOrEqualTo(ask == Ask.RANGE_THEN_ROWS ? 1_003 : 16));
  }
}
