package io.github.cursorstream.r2dbc.backfill;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import io.github.cursorstream.cursor.Cursor;
import io.github.cursorstream.r2dbc.keyset.CleanDatabase;
import io.github.cursorstream.r2dbc.keyset.CursorBasedRepository;
import io.github.cursorstream.r2dbc.keyset.KeyColumn;
import io.github.cursorstream.r2dbc.keyset.Keyset;
import io.github.cursorstream.r2dbc.keyset.KeysetBatches.Lock;
import io.github.cursorstream.run.Run;
import io.github.cursorstream.run.RunEvent;
import io.github.cursorstream.run.RunHandle;
import io.github.cursorstream.run.RunKind;
import io.github.cursorstream.run.RunState;
import io.github.cursorstream.run.Runner;
import io.github.cursorstream.run.VerbResult;
import io.r2dbc.spi.Connection;
import io.r2dbc.spi.Result;
import java.time.Duration;
import java.time.OffsetDateTime;
import java.util.ArrayList;
import java.util.List;
import java.util.Queue;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.reactivestreams.Publisher;
import reactor.core.publisher.Flux;
import reactor.core.publisher.Mono;
import reactor.core.publisher.Sinks;
import reactor.core.scheduler.Schedulers;

/** What an operator of a backfill relies on, with each of the three ways to do a batch. */
@Timeout(60)
class BackfillIT extends Nodes {

  @RegisterExtension static final CleanDatabase clean = new CleanDatabase();

  BackfillIT() {
    super(clean);
  }

  /** The three ways to do a batch. */
  enum Way {
    PROCESS {
      @Override
      RunKind increment(BackfillIT test, Backfill<Long> backfill, String table) {
        return backfill.process(
            batch ->
                batch
                    .rows()
                    .collectList()
                    .filter(ids -> !ids.isEmpty())
                    .flatMap(
                        ids ->
                            Mono.usingWhen(
                                test.pool.create(),
                                c -> Mono.from(update(c, table, ids)),
                                Connection::close)));
      }
    },
    IN_TRANSACTION {
      @Override
      RunKind increment(BackfillIT test, Backfill<Long> backfill, String table) {
        return backfill.processInTransaction(
            (connection, batch) ->
                batch
                    .rows()
                    .collectList()
                    .filter(ids -> !ids.isEmpty())
                    .flatMapMany(ids -> update(connection, table, ids)));
      }
    },
    ONE_STATEMENT {
      @Override
      RunKind increment(BackfillIT test, Backfill<Long> backfill, String table) {
        return backfill.execute(Nodes.increment(table));
      }
    };

    abstract RunKind increment(BackfillIT test, Backfill<Long> backfill, String table);

    static Publisher<Long> update(Connection connection, String table, List<Long> ids) {
      return Flux.from(
              connection
                  .createStatement("UPDATE %s SET n = n + 1 WHERE id = ANY ($1)".formatted(table))
                  .bind(0, ids.toArray(Long[]::new))
                  .execute())
          .concatMap(result -> result.getRowsUpdated());
    }
  }

  private RunKind incrementing(String table, int batchSize) {
    return over(table).batchSize(batchSize).execute(increment(table));
  }

  /** Collects the keys of each batch. */
  private static RunKind collecting(Backfill<Long> backfill, Queue<List<Long>> batches) {
    return backfill.process(batch -> batch.rows().collectList().doOnNext(batches::add));
  }

  private static List<Long> all(Queue<List<Long>> batches) {
    return batches.stream().flatMap(List::stream).toList();
  }

  @ParameterizedTest
  @EnumSource
  void eachRowIsDoneOnce(Way way) {
    table("t", 1_003);
    Run run = toEnd(way.increment(this, over("t").batchSize(100).consumers(3), "t"));
    assertThat(run.state()).isEqualTo(RunState.SUCCEEDED);
    assertThat(run.rows()).isEqualTo(1_003);
    assertThat(run.batches()).isEqualTo(11);
    assertThat(run.failures()).isZero();
    assertThat(run.inFlight()).isZero();
    assertThat(run.waiting()).isZero();
    assertThat(notOnce("t")).isZero();
  }

  /** Whose statement would not be sent, as the driver sends it when its result is looked at. */
  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void aResultThatTheWorkEmitsIsDoneOnce(boolean looked) {
    table("t", 30);
    Run done =
        toEnd(
            over("t")
                .batchSize(10)
                .processInTransaction(
                    (connection, batch) ->
                        batch
                            .range(null, 1)
                            .flatMapMany(
                                range -> {
                                  var update =
                                      connection.createStatement(
                                          "UPDATE t SET n = n + 1 WHERE " + range.sql());
                                  for (int i = 0; i < range.binds().size(); i++) {
                                    update.bind(i, range.binds().get(i));
                                  }
                                  Flux<? extends Result> results = Flux.from(update.execute());
                                  return looked
                                      ? results.delayUntil(Result::getRowsUpdated)
                                      : results;
                                })));
    assertThat(done.state()).isEqualTo(RunState.SUCCEEDED);
    assertThat(done.rows()).isEqualTo(looked ? 0 : 30);
    assertThat(notOnce("t")).isZero();
  }

  @Test
  void backfillWaitsForTheOneItDependsOn() {
    table("t", 10);
    RunHandle copy =
        start(over("copy", pool, Keyset.table("t")).dependsOn("backfill").execute(increment("t")));
    Run first = toEnd(incrementing("t", 5));
    assertThat(end(copy).startedAt()).isAfterOrEqualTo(first.endedAt());
    assertThat(count("SELECT count(*) FROM t WHERE n = 2")).isEqualTo(10);
    assertThatThrownBy(() -> over("t").dependsOn("backfill"))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("itself");
  }

  @Test
  void consumersComeAndGoWhileItRuns() { // B2
    table("t", 2_000);
    AtomicInteger now = new AtomicInteger();
    Set<Integer> seen = ConcurrentHashMap.newKeySet();
    RunHandle run =
        start(
            over("t")
                .batchSize(5)
                .processInTransaction(
                    (connection, batch) ->
                        Mono.defer(
                                () -> {
                                  seen.add(now.incrementAndGet());
                                  return Mono.delay(Duration.ofMillis(5));
                                })
                            .doFinally(signal -> now.decrementAndGet())
                            .thenMany(batch.rows().collectList())
                            .concatMap(ids -> Way.update(connection, "t", ids))));
    awaitBatches(run, 3);
    assertThat(seen).containsExactly(1);
    run.consumers(4).block(SOON);
    await().atMost(SOON).until(() -> seen.contains(4));
    run.removeConsumer().then(run.consumers(1)).block(SOON);
    await().atMost(SOON).until(() -> now(run).inFlight() == 1);
    seen.clear();
    awaitBatches(run, now(run).batches() + 3);
    assertThat(seen).containsExactly(1);
    run.consumers(0).block(SOON);
    await().atMost(SOON).until(() -> now(run).inFlight() == 0);
    Run stopped = now(run);
    assertThat(stopped.state()).isEqualTo(RunState.RUNNING);
    assertThat(stopped.batches()).isLessThan(400);
    run.consumers(3).then(run.addConsumer()).block(SOON);
    assertThat(end(run).state()).isEqualTo(RunState.SUCCEEDED);
    assertThat(seen).contains(3);
    assertThat(notOnce("t")).isZero();
  }

  @Test
  void pausingKeepsThePlace() { // B3
    table("t", 600);
    Queue<List<Long>> batches = new ConcurrentLinkedQueue<>();
    RunHandle run =
        start(
            over("t")
                .batchSize(10)
                .process(
                    batch ->
                        batch
                            .rows()
                            .collectList()
                            .delayElement(Duration.ofMillis(2))
                            .doOnNext(batches::add)));
    for (int i = 1; i <= 5; i++) {
      awaitBatches(run, 10L * i);
      assertThat(run.pause().block(SOON).isAccepted()).isTrue();
      awaitState(run, RunState.PAUSED);
      int done = batches.size();
      assertThat(now(run).batches()).isEqualTo(done);
      assertThat(run.pause().block(SOON).kind()).isEqualTo(VerbResult.Kind.NOTHING_TO_DO);
      assertThat(batches).hasSize(done);
      run.resume().block(SOON);
    }
    assertThat(end(run).state()).isEqualTo(RunState.SUCCEEDED);
    assertThat(all(batches)).isEqualTo(ids(1, 600));
  }

  @Test
  void resumingBehindTheLastBatchEndsIt() { // B3
    table("t", 10);
    Sinks.Empty<Void> gate = Sinks.empty();
    RunHandle run = start(over("t").process(batch -> gate.asMono()));
    await().atMost(SOON).until(() -> now(run).inFlight() == 1);
    assertThat(run.pause().block(SOON).state()).isEqualTo(RunState.PAUSING);
    gate.tryEmitEmpty();
    awaitState(run, RunState.PAUSED);
    run.resume().block(SOON);
    assertThat(end(run).state()).isEqualTo(RunState.SUCCEEDED);
  }

  record Bounds(String type, String series, String after, String upTo) {}

  static Stream<Bounds> boundsAreExact() {
    return Stream.of(
        new Bounds("bigint", "i", "100", "1000"),
        new Bounds(
            "uuid",
            "('00000000-0000-0000-0000-' || lpad(i::text, 12, '0'))::uuid",
            "00000000-0000-0000-0000-000000000100",
            "00000000-0000-0000-0000-000000001000"),
        new Bounds(
            "timestamptz",
            "'2024-01-01 00:00Z'::timestamptz + i * interval '1 us'",
            "2024-01-01 00:00:00.0001Z",
            "2024-01-01 00:00:00.001Z"));
  }

  @ParameterizedTest
  @MethodSource
  void boundsAreExact(Bounds bounds) { // B4
    execute(
        "DROP TABLE IF EXISTS b",
        "CREATE TABLE b AS SELECT i::bigint AS id, %s AS k, 0 AS n FROM generate_series(1, 1200) i"
            .formatted(bounds.series()),
        "ALTER TABLE b ADD PRIMARY KEY (k)");
    Backfill<Long> backfill =
        over(Keyset.table("b").select("id"))
            .after(Cursor.of("k", text(bounds.type(), bounds.after())))
            .upTo(Cursor.of("k", text(bounds.type(), bounds.upTo())));
    for (int size : new int[] {7, 100, 5_000}) {
      toEnd(backfill.batchSize(size).consumers(2).execute(increment("b")));
    }
    assertThat(count("SELECT count(*) FROM b WHERE n = 3 AND id > 100 AND id <= 1000"))
        .isEqualTo(900);
    assertThat(count("SELECT sum(n) FROM b")).isEqualTo(2_700);
  }

  private static Object text(String type, String value) {
    return switch (type) {
      case "uuid" -> UUID.fromString(value);
      case "timestamptz" -> OffsetDateTime.parse(value.replace(' ', 'T'));
      default -> Long.valueOf(value);
    };
  }

  @Test
  void boundsOfACompositeKeyAreExact() { // B4
    execute(
        "DROP TABLE IF EXISTS c",
        "CREATE TABLE c AS SELECT a * 10 + b AS id, a, b, 0 AS n"
            + " FROM generate_series(1, 9) a, generate_series(1, 9) b",
        "ALTER TABLE c ADD PRIMARY KEY (a, b)");
    Backfill<Long> backfill =
        Backfill.over(
            "backfill",
            CursorBasedRepository.create(
                pool, Keyset.table("c"), row -> row.get("id", Integer.class).longValue()));
    toEnd(
        backfill
            .batchSize(4)
            .after(Cursor.of("a", 2).and("b", 3))
            .upTo(Cursor.of("a", 5).and("b", 7))
            .execute(increment("c")));
    assertThat(count("SELECT count(*) FROM c WHERE n = 1 AND id > 23 AND id <= 57")).isEqualTo(31);
    assertThat(count("SELECT sum(n) FROM c")).isEqualTo(31);
    // All of a prefix.
    toEnd(
        backfill
            .batchSize(4)
            .after(Cursor.prefix("a", 7))
            .upTo(Cursor.prefix("a", 8))
            .execute(increment("c")));
    assertThat(count("SELECT sum(n) FROM c WHERE a = 8")).isEqualTo(9);
    assertThat(count("SELECT sum(n) FROM c")).isEqualTo(40);
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 2, 3, 7, 10, 11})
  void batchesHaveTheSizeAskedFor(int size) { // B5
    table("t", 10);
    Queue<List<Long>> batches = new ConcurrentLinkedQueue<>();
    Run run = toEnd(collecting(over("t").batchSize(size), batches));
    assertThat(all(batches)).isEqualTo(ids(1, 10));
    assertThat(batches.stream().limit(10 / size)).allMatch(batch -> batch.size() == size);
    assertThat(run.batches()).isEqualTo((10 + size - 1) / size);
  }

  @Test
  void stepOf30000Over100000DeliversAll() { // B6
    table("t", 100_000);
    Run run = toEnd(incrementing("t", 30_000));
    assertThat(run.rows()).isEqualTo(100_000);
    assertThat(run.batches()).isEqualTo(4);
    assertThat(notOnce("t")).isZero();
  }

  @ParameterizedTest
  @EnumSource
  void failingRowIsIsolatedAndOthersGoOn(Way way) { // B7
    table("t", 100);
    execute("UPDATE t SET x = 'bad' WHERE id = 42", "ALTER TABLE t ADD CHECK (n < 1 OR x IS NULL)");
    RunHandle run =
        start(way.increment(this, over("t").batchSize(10).attempts(2).deadLetters(1), "t"));
    Run end = end(run);
    assertThat(end.state()).as(end.error()).isEqualTo(RunState.SUCCEEDED);
    assertThat(end.rows()).isEqualTo(99);
    assertThat(end.deadLetters()).isEqualTo(1);
    assertThat(end.error()).contains("t_check");
    assertThat(count("SELECT count(*) FROM t WHERE n = 1")).isEqualTo(99);
    assertThat(run.deadLetters().collectList().block(SOON))
        .singleElement()
        .satisfies(dead -> assertThat(dead.row()).contains("\"id\": 42", "\"x\": \"bad\""))
        .satisfies(dead -> assertThat(dead.error()).contains("t_check"));
  }

  @Test
  void transientFailureIsRetried() { // B7
    table("t", 30);
    AtomicInteger calls = new AtomicInteger();
    Queue<Integer> attempts = new ConcurrentLinkedQueue<>();
    Set<String> names = ConcurrentHashMap.newKeySet();
    Run run =
        toEnd(
            over("t")
                .batchSize(10)
                .process(
                    batch -> {
                      attempts.add(batch.attempt());
                      names.add(batch.id());
                      return calls.incrementAndGet() <= 2
                          ? Mono.error(new IllegalStateException("not yet"))
                          : batch.rows();
                    }));
    assertThat(run.state()).isEqualTo(RunState.SUCCEEDED);
    assertThat(run.failures()).isEqualTo(2);
    assertThat(run.rows()).isEqualTo(30);
    assertThat(names).hasSize(3);
    assertThat(attempts).contains(2);
  }

  @ParameterizedTest
  @EnumSource
  void databaseThatComesBackIsGoneOnWith(Way way) { // B8
    table("t", 3_000);
    var proxy = clean.proxy();
    var cuttable = clean.pool(clean.through(proxy), 8);
    Runner runner = runner(cuttable, options -> options.lease(Duration.ofMillis(500)));
    RunHandle run = start(runner, way.increment(this, over("t").batchSize(20).consumers(2), "t"));
    RunHandle seen = runner().handle(run.id());
    for (int i = 1; i <= 3; i++) {
      awaitBatches(seen, 30L * i);
      proxy.cut();
    }
    Run end = end(seen);
    assertThat(end.state()).as(end.error()).isEqualTo(RunState.SUCCEEDED);
    assertThat(end.deadLetters()).isZero();
    if (way == Way.PROCESS) { // at least once
      assertThat(count("SELECT count(*) FROM t WHERE n = 0")).isZero();
    } else {
      assertThat(notOnce("t")).isZero();
      assertThat(end.rows()).isEqualTo(3_000);
    }
  }

  @Test
  void verbsAnswerWhileABatchIsSlow() { // B10
    table("t", 10);
    RunHandle run =
        start(
            over("t")
                .batchSize(5)
                .processInTransaction(
                    (connection, batch) ->
                        Flux.from(
                                connection
                                    .createStatement("SELECT pg_sleep($1)")
                                    .bind(0, 1.0)
                                    .execute())
                            .concatMap(result -> result.getRowsUpdated())));
    await().atMost(SOON).until(() -> now(run).inFlight() == 1);
    long before = System.nanoTime();
    assertThat(run.pause().block(SOON).state()).isEqualTo(RunState.PAUSING);
    assertThat(run.resume().block(SOON).state()).isEqualTo(RunState.RUNNING);
    run.change(p -> p.batchSize(1).attempts(7)).block(SOON);
    assertThat(run.cancel().block(SOON).state()).isEqualTo(RunState.CANCELLING);
    assertThat(Duration.ofNanos(System.nanoTime() - before)).isLessThan(Duration.ofMillis(700));
    Run end = end(run);
    assertThat(end.state()).isEqualTo(RunState.CANCELLED);
    assertThat(end.batches()).isEqualTo(1);
    assertThat(end.endedAt()).isNotNull();
  }

  @Test
  void nodesShareARunAndDoEachKeyOnce() { // B11
    table("t", 2_000);
    Set<String> nodes = ConcurrentHashMap.newKeySet();
    RunHandle run = null;
    for (String name : List.of("a", "b")) {
      Runner runner = runner(pool, options -> options.owner(name).maxConsumers(2));
      run =
          start(
              runner,
              over("t")
                  .batchSize(20)
                  .consumers(4)
                  .processInTransaction(
                      (connection, batch) -> {
                        nodes.add(name);
                        return Mono.delay(Duration.ofMillis(5))
                            .thenMany(batch.rows().collectList())
                            .concatMap(ids -> Way.update(connection, "t", ids));
                      }));
    }
    assertThat(end(run).state()).isEqualTo(RunState.SUCCEEDED);
    assertThat(nodes).containsExactlyInAnyOrder("a", "b");
    assertThat(notOnce("t")).isZero();
    assertThat(store.runs().count().block(SOON)).isEqualTo(1);
  }

  @Test
  void thereIsAPauseLessThanThereAreBatches() { // B12
    table("t", 40);
    Duration pause = Duration.ofMillis(300);
    Queue<Long> begun = new ConcurrentLinkedQueue<>();
    RunHandle run =
        start(
            over("t")
                .batchSize(10)
                .pauseBetween(pause)
                .process(
                    batch -> {
                      begun.add(System.nanoTime());
                      return batch.rows();
                    }));
    Run end = end(run);
    List<Long> times = new ArrayList<>(begun);
    assertThat(times).hasSize(4);
    for (int i = 1; i < times.size(); i++) {
      assertThat(Duration.ofNanos(times.get(i) - times.get(i - 1)))
          .isBetween(pause.minusMillis(5), pause.plusMillis(250));
    }
    assertThat(Duration.between(end.startedAt(), end.endedAt()))
        .isBetween(pause.multipliedBy(3), pause.multipliedBy(4).plusMillis(200));
  }

  @ParameterizedTest
  @EnumSource(names = {"IN_TRANSACTION", "ONE_STATEMENT"})
  void retryAfterFailureAppliesNoRowTwice(Way way) { // B13, M2
    table("t", 100);
    execute("UPDATE t SET x = 'bad' WHERE id = 55", "ALTER TABLE t ADD CHECK (n < 1 OR x IS NULL)");
    RunHandle run = start(way.increment(this, over("t").batchSize(10).attempts(2), "t"));
    Run failed = end(run);
    assertThat(failed.state()).isEqualTo(RunState.FAILED);
    assertThat(failed.deadLetters()).isZero();
    long done = count("SELECT count(*) FROM t WHERE n = 1");
    assertThat(done).isBetween(50L, 99L).isEqualTo(failed.rows());
    assertThat(run.resume().block(SOON).kind()).isEqualTo(VerbResult.Kind.REFUSED);
    execute("UPDATE t SET x = NULL");
    assertThat(run.retry().block(SOON).state()).isEqualTo(RunState.RUNNING);
    Run end = end(run);
    assertThat(end.state()).isEqualTo(RunState.SUCCEEDED);
    assertThat(end.rows()).isEqualTo(100);
    assertThat(notOnce("t")).isZero();
  }

  @Test
  void batchesWithNothingToDoDoNotEndIt() { // B14
    table("t", 1_000);
    execute("UPDATE t SET x = 'done' WHERE id BETWEEN 101 AND 900");
    Backfill<Long> sparse = over(Keyset.table("t").where("x IS NULL")).batchSize(50);
    Queue<List<Long>> batches = new ConcurrentLinkedQueue<>();
    Run read = toEnd(collecting(sparse, batches));
    assertThat(all(batches)).hasSize(200).contains(1L, 100L, 901L, 1_000L);
    assertThat(read.batches()).isEqualTo(20);
    assertThat(read.rows()).isEqualTo(200);
    // The filter shrinks as it goes.
    Run written =
        toEnd(
            sparse
                .consumers(3)
                .execute(
                    range ->
                        "UPDATE t SET x = 'done', n = n + 1 WHERE x IS NULL AND (" + range + ")"));
    assertThat(written.rows()).isEqualTo(200);
    assertThat(count("SELECT sum(n) FROM t")).isEqualTo(200);
    assertThat(count("SELECT count(*) FROM t WHERE x IS NULL")).isZero();
  }

  @Test
  void rowsThatComeAndGoMeanwhileDoNoHarm() { // B15
    table("t", 500);
    AtomicInteger batches = new AtomicInteger();
    Run run =
        toEnd(
            over("t")
                .batchSize(50)
                .lock(Lock.FOR_UPDATE)
                .processInTransaction(
                    (connection, batch) -> {
                      int k = batches.getAndIncrement() * 50;
                      Mono<Void> meddling =
                          Mono.<Void>fromRunnable(
                                  () ->
                                      execute(
                                          // A row of the batch is locked; these are around it.
                                          "DELETE FROM t WHERE id = " + (k + 75),
                                          "INSERT INTO t VALUES (%d, 0)".formatted(-k - 1),
                                          "INSERT INTO t VALUES (%d, 0)".formatted(10_000 + k),
                                          "UPDATE t SET x = 'seen' WHERE id = " + (k + 76)))
                              .subscribeOn(Schedulers.boundedElastic());
                      return batch
                          .rows()
                          .collectList()
                          .delayUntil(ids -> meddling)
                          .flatMapMany(ids -> Way.update(connection, "t", ids));
                    }));
    assertThat(run.state()).as(run.error()).isEqualTo(RunState.SUCCEEDED);
    assertThat(count("SELECT count(*) FROM t WHERE id BETWEEN 1 AND 500 AND n <> 1")).isZero();
    assertThat(count("SELECT count(*) FROM t WHERE n <> 0 AND (id < 1 OR id > 500)")).isZero();
    assertThat(count("SELECT count(*) FROM t WHERE x = 'seen' AND n = 1")).isEqualTo(9);
    assertThat(run.rows()).isEqualTo(491);
  }

  @Test
  void whatHappensToRowsBetweenReadAndWriteStays() { // B15
    table("t", 100);
    Run run =
        toEnd(
            over("t")
                .batchSize(50)
                .processInTransaction(
                    (connection, batch) ->
                        batch
                            .rows()
                            .collectList()
                            .delayUntil(
                                ids ->
                                    Mono.fromRunnable(
                                            () ->
                                                execute(
                                                    "DELETE FROM t WHERE id IN (10, 60)",
                                                    "UPDATE t SET x = 'seen' WHERE id IN (20, 70)",
                                                    "INSERT INTO t (id) VALUES (-1), (101)"
                                                        + " ON CONFLICT DO NOTHING"))
                                        .subscribeOn(Schedulers.boundedElastic()))
                            .flatMapMany(ids -> Way.update(connection, "t", ids))));
    assertThat(run.state()).as(run.error()).isEqualTo(RunState.SUCCEEDED);
    assertThat(count("SELECT count(*) FROM t WHERE id IN (10, 60)")).isZero();
    assertThat(count("SELECT count(*) FROM t WHERE x = 'seen' AND n = 1")).isEqualTo(2);
    assertThat(count("SELECT count(*) FROM t WHERE id BETWEEN 1 AND 100 AND n = 1")).isEqualTo(98);
    assertThat(count("SELECT sum(n) FROM t WHERE id IN (-1, 101)")).isZero();
  }

  @Test
  void keysBelowZeroAndZeroAreDone() { // B16
    execute("DROP TABLE IF EXISTS z", "CREATE TABLE z (id bigint PRIMARY KEY, n int DEFAULT 0)");
    execute("INSERT INTO z SELECT generate_series(-7, 7)");
    execute("INSERT INTO z VALUES (-9223372036854775808), (9223372036854775807)");
    assertThat(toEnd(incrementing("z", 4)).rows()).isEqualTo(17);
    assertThat(notOnce("z")).isZero();
    execute("DROP TABLE IF EXISTS u", "CREATE TABLE u (k uuid PRIMARY KEY, id bigint, n int)");
    execute(
        "INSERT INTO u VALUES ('00000000-0000-0000-0000-000000000000', 1, 0),"
            + " ('ffffffff-ffff-ffff-ffff-ffffffffffff', 2, 0)");
    assertThat(toEnd(incrementing("u", 1)).rows()).isEqualTo(2);
    assertThat(notOnce("u")).isZero();
  }

  @Test
  void missingKeyColumnIsRefusedBeforeAnythingIsDone() { // B17
    table("t", 10);
    RunKind kind = over(Keyset.table("t").orderBy(KeyColumn.asc("nosuch"))).execute(increment("t"));
    assertThatThrownBy(() -> runner().runToEnd(kind).block(SOON)).hasMessageContaining("nosuch");
    assertThat(count("SELECT sum(n) FROM t")).isZero();
    Run run = store.latest("backfill").block(SOON);
    assertThat(run.state()).isEqualTo(RunState.FAILED);
    assertThat(run.isOpened()).isFalse();
  }

  @Test
  void twentyConsumersEndOnceThoughANodeDiesHalfWay() { // B20, M14
    table("t", 4_000);
    RunKind kind = over("t").batchSize(20).consumers(20).execute(increment("t"));
    var mortal = clean.pool(12);
    Runner first =
        runner(mortal, options -> options.maxConsumers(10).lease(Duration.ofMillis(400)));
    RunHandle handle = start(first, kind);
    Runner second = runner(pool, options -> options.maxConsumers(10).lease(Duration.ofMillis(400)));
    RunHandle run = start(second, over("t").batchSize(20).consumers(20).execute(increment("t")));
    assertThat(run.id()).isEqualTo(handle.id());
    awaitBatches(run, 60);
    mortal.dispose();
    Run end = end(run);
    assertThat(end.state()).as(end.error()).isEqualTo(RunState.SUCCEEDED);
    assertThat(end.rows()).isEqualTo(4_000);
    assertThat(notOnce("t")).isZero();
    assertThat(run.events().filter(e -> e.type() == RunEvent.Type.SUCCEEDED).count().block(SOON))
        .isEqualTo(1);
  }

  @Test
  void rowsInsertedAcrossThePlaceAreDone() { // B21
    execute("DROP TABLE IF EXISTS t", "CREATE TABLE t (id bigint PRIMARY KEY, n int DEFAULT 0)");
    execute("INSERT INTO t SELECT i * 10 FROM generate_series(1, 2000) i");
    AtomicInteger batches = new AtomicInteger();
    Mono<Void> across =
        Mono.<Void>fromRunnable(
                () -> execute("INSERT INTO t SELECT 1495 - i * 10 FROM generate_series(0, 99) i"))
            .subscribeOn(Schedulers.boundedElastic());
    Queue<List<Long>> read = new ConcurrentLinkedQueue<>();
    Run run =
        toEnd(
            over("t")
                .batchSize(50)
                .process(
                    batch ->
                        // The second has handed out keys up to 1,000, and not read any yet.
                        (batches.incrementAndGet() == 2 ? across : Mono.empty())
                            .thenMany(batch.rows())
                            .collectList()
                            .doOnNext(read::add)));
    assertThat(run.rows()).isEqualTo(2_100);
    assertThat(all(read)).hasSize(2_100).isSorted().doesNotHaveDuplicates();
  }

  @Test
  void upperBoundIsExact() { // M1, M4
    table("t", 4);
    Queue<List<Long>> batches = new ConcurrentLinkedQueue<>();
    toEnd(collecting(over("t").batchSize(2).upTo(Cursor.of("id", 3L)), batches));
    assertThat(batches).containsExactly(List.of(1L, 2L), List.of(3L));
    batches.clear();
    toEnd(collecting(over("t").after(Cursor.of("id", 2L)).upTo(Cursor.of("id", 3L)), batches));
    assertThat(batches).containsExactly(List.of(3L));
  }

  @Test
  void nothingToDoSucceeds() { // M3
    table("t", 0);
    Run empty = toEnd(incrementing("t", 10));
    assertThat(empty.state()).isEqualTo(RunState.SUCCEEDED);
    assertThat(empty.rows()).isZero();
    table("t", 10);
    for (long[] range : new long[][] {{20, 30}, {5, 5}, {7, 3}, {-5, 0}}) {
      Run run =
          toEnd(
              over("t")
                  .after(Cursor.of("id", range[0]))
                  .upTo(Cursor.of("id", range[1]))
                  .execute(increment("t")));
      assertThat(run.state()).as("%d to %d", range[0], range[1]).isEqualTo(RunState.SUCCEEDED);
      assertThat(run.rows()).isZero();
      assertThat(run.endedAt()).isNotNull();
    }
    Run behind = toEnd(over("t").after(Cursor.of("id", 10L)).execute(increment("t")));
    assertThat(behind.state()).isEqualTo(RunState.SUCCEEDED);
    assertThat(count("SELECT sum(n) FROM t")).isZero();
  }

  @Test
  void parametersChangedWhileRunningAreFeltWithTheNextBatch() { // M12
    table("t", 1_000);
    Queue<List<Long>> batches = new ConcurrentLinkedQueue<>();
    Sinks.Empty<Void> gate = Sinks.empty();
    RunHandle run =
        start(
            over("t")
                .batchSize(10)
                .process(
                    batch ->
                        (batches.size() == 3 ? gate.asMono() : Mono.empty())
                            .thenMany(batch.rows())
                            .collectList()
                            .doOnNext(batches::add)));
    awaitBatches(run, 3);
    await().atMost(SOON).until(() -> now(run).inFlight() == 1);
    run.by("ann").change(p -> p.batchSize(70)).block(SOON);
    gate.tryEmitEmpty();
    assertThat(end(run).state()).isEqualTo(RunState.SUCCEEDED);
    assertThat(all(batches)).isEqualTo(ids(1, 1_000));
    assertThat(batches.stream().map(List::size).skip(3).limit(3)).containsExactly(10, 70, 70);
    assertThat(run.events().filter(e -> e.who().equals("ann")).collectList().block(SOON))
        .singleElement()
        .satisfies(e -> assertThat(e.type()).isEqualTo(RunEvent.Type.CHANGED))
        .satisfies(e -> assertThat(e.detail()).contains("batchSize=70"));
  }
}
