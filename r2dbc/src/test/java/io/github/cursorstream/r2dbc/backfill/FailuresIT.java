package io.github.cursorstream.r2dbc.backfill;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.github.cursorstream.r2dbc.keyset.CleanDatabase;
import io.github.cursorstream.r2dbc.keyset.CursorBasedRepository;
import io.github.cursorstream.r2dbc.keyset.Keyset;
import io.github.cursorstream.r2dbc.keyset.LoggedWarnings;
import io.github.cursorstream.run.DeadLetter;
import io.github.cursorstream.run.Run;
import io.github.cursorstream.run.RunEvent;
import io.github.cursorstream.run.RunHandle;
import io.github.cursorstream.run.RunKind;
import io.github.cursorstream.run.RunState;
import io.github.cursorstream.run.Runner;
import io.r2dbc.pool.ConnectionPool;
import io.r2dbc.pool.ConnectionPoolConfiguration;
import io.r2dbc.spi.Connection;
import java.io.IOException;
import java.time.Duration;
import java.util.List;
import java.util.Queue;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.TimeoutException;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;
import reactor.core.publisher.Flux;
import reactor.core.publisher.Mono;
import reactor.core.publisher.Sinks;

/** Bad rows, slow batches, dead nodes, and work that breaks its contract. */
@Timeout(60)
class FailuresIT extends Nodes {

  @RegisterExtension
  static final CleanDatabase clean =
      new CleanDatabase(
          "CREATE FUNCTION slow(k text) RETURNS int VOLATILE LANGUAGE plpgsql AS"
              + " 'BEGIN PERFORM pg_sleep(0.04); RETURN 1; END'");

  @RegisterExtension final LoggedWarnings logged = new LoggedWarnings(Runner.class);

  FailuresIT() {
    super(clean);
  }

  private void bad(String condition) {
    execute(
        "UPDATE t SET x = 'bad' WHERE " + condition,
        "ALTER TABLE t ADD CONSTRAINT good CHECK (n < 1 OR x IS DISTINCT FROM 'bad')");
  }

  private static Mono<Void> run(Connection connection, String sql) {
    return Flux.from(connection.createStatement(sql).execute())
        .concatMap(result -> result.getRowsUpdated())
        .then();
  }

  @Test
  void exceededBudgetFailsTheRunAndRetryGoesOn() {
    table("t", 100);
    bad("id IN (11, 12, 31, 52)");
    RunHandle run =
        start(over("t").batchSize(10).attempts(1).deadLetters(2).execute(increment("t")));
    Run failed = end(run);
    assertThat(failed.state()).isEqualTo(RunState.FAILED);
    assertThat(failed.deadLetters()).isEqualTo(2);
    assertThat(failed.error()).contains("good");
    assertThat(failed.inFlight()).isZero();
    await()
        .untilAsserted(
            () ->
                assertThat(logged.messages())
                    .containsOnlyOnce("run backfill has failed")
                    .filteredOn(
                        message -> message.startsWith("a row of run backfill keeps failing"))
                    .hasSize(2)
                    .allMatch(message -> message.contains("good")));
    run.change(p -> p.deadLetters(4)).then(run.retry()).block(SOON);
    Run end = end(run);
    assertThat(end.state()).isEqualTo(RunState.SUCCEEDED);
    assertThat(end.rows()).isEqualTo(96);
    assertThat(run.deadLetters().count().block(SOON)).isEqualTo(4);
    assertThat(count("SELECT count(*) FROM t WHERE n = 1")).isEqualTo(96);
    assertThat(count("SELECT max(n) FROM t")).isEqualTo(1);
  }

  /** The driver refuses a ROLLBACK while 256 statements wait for their answers. */
  @Test
  void oneOfManyStatementsThatFailsLeavesNoConnectionInATransaction() {
    table("t", 300);
    bad("id = 10");
    Runner runner = runner(clean.pool(2), options -> options);
    RunHandle run =
        start(
            runner,
            over("t")
                .batchSize(300)
                .attempts(1)
                .deadLetters(1)
                .processInTransaction(
                    (connection, batch) ->
                        batch
                            .rows()
                            .flatMap(
                                id ->
                                    Flux.from(
                                            connection
                                                .createStatement(
                                                    "UPDATE t SET n = n + 1 WHERE id = $1")
                                                .bind("$1", id)
                                                .execute())
                                        .flatMap(result -> result.getRowsUpdated()))));
    Run done = end(run);
    assertThat(done.state()).as(done.error()).isEqualTo(RunState.SUCCEEDED);
    assertThat(done.deadLetters()).isEqualTo(1);
    assertThat(count("SELECT count(*) FROM t WHERE n = 1")).isEqualTo(299);
  }

  @Test
  void halfOfFiftyThatFailEndTheRun() { // M20
    table("t", 1_000);
    RunHandle run =
        start(
            over("t")
                .batchSize(1)
                .attempts(1)
                .deadLetters(1_000)
                .process(batch -> Mono.error(new IllegalStateException("each"))));
    Run failed = end(run);
    assertThat(failed.state()).isEqualTo(RunState.FAILED);
    assertThat(failed.failures()).isEqualTo(50);
    assertThat(failed.deadLetters()).isEqualTo(50);
    // It is judged anew.
    run.retry().block(SOON);
    assertThat(end(run).failures()).isEqualTo(100);
  }

  @Test
  void fewBadRowsInABudgetDoNotEndTheRun() { // M20
    table("t", 5_120);
    bad("id IN (100, 600, 1100, 1700, 2500)");
    RunHandle run =
        start(over("t").batchSize(512).attempts(3).deadLetters(5).execute(increment("t")));
    Run end = end(run);
    assertThat(end.state()).isEqualTo(RunState.SUCCEEDED);
    assertThat(end.deadLetters()).isEqualTo(5);
    assertThat(end.rows()).isEqualTo(5_115);
    assertThat(run.events().filter(e -> e.type() == RunEvent.Type.DEAD_LETTER).count().block(SOON))
        .isEqualTo(5);
  }

  record Slow(String columns, String key) {}

  static Stream<Slow> batchThatTakesTooLongIsCut() {
    return Stream.of(
        new Slow("i::bigint AS id", "id"),
        new Slow("i::bigint AS id, md5(i::text)::uuid AS k", "k"),
        new Slow("i::bigint AS id, i % 3 AS a, i AS b", "a, b"));
  }

  @ParameterizedTest
  @MethodSource
  void batchThatTakesTooLongIsCut(Slow slow) { // M19
    execute(
        "DROP TABLE IF EXISTS s",
        "CREATE TABLE s AS SELECT %s, 0 AS n FROM generate_series(1, 32) i"
            .formatted(slow.columns()),
        "ALTER TABLE s ADD PRIMARY KEY (%s)".formatted(slow.key()));
    RunHandle run =
        start(
            Backfill.over(
                    "backfill",
                    CursorBasedRepository.create(
                        pool, Keyset.table("s"), row -> row.get("id", Long.class)))
                .batchSize(16)
                .parameters(p -> p.timeout(Duration.ofMillis(450)))
                .processInTransaction(
                    (connection, batch) ->
                        batch
                            .range(null, 1)
                            .flatMapMany(
                                range -> {
                                  var statement =
                                      connection.createStatement(
                                          "UPDATE s SET n = n + slow(n::text) WHERE "
                                              + range.sql());
                                  for (int i = 0; i < range.binds().size(); i++) {
                                    statement.bind(i, range.binds().get(i));
                                  }
                                  return statement.execute();
                                })
                            .concatMap(result -> result.getRowsUpdated())));
    Run end = end(run);
    assertThat(end.state()).as(end.error()).isEqualTo(RunState.SUCCEEDED);
    assertThat(end.failures()).isGreaterThanOrEqualTo(2);
    assertThat(end.deadLetters()).isZero();
    assertThat(end.rows()).isEqualTo(32);
    assertThat(notOnce("s")).isZero();
  }

  @Test
  void statementThatTakesTooLongIsEndedAndCut() { // M19
    table("t", 32);
    Run end =
        toEnd(
            over("t")
                .batchSize(16)
                .consumers(2)
                .parameters(p -> p.timeout(Duration.ofMillis(450)))
                .execute(range -> "UPDATE t SET n = n + slow(n::text) WHERE " + range));
    assertThat(end.state()).as(end.error()).isEqualTo(RunState.SUCCEEDED);
    assertThat(end.failures()).isGreaterThanOrEqualTo(2);
    assertThat(end.deadLetters()).isZero();
    assertThat(end.rows()).isEqualTo(32);
    assertThat(notOnce("t")).isZero();
  }

  @Test
  void rowThatTakesTooLongIsPutAside() { // M19
    table("t", 4);
    RunHandle run =
        start(
            over("t")
                .attempts(2)
                .deadLetters(1)
                .parameters(p -> p.timeout(Duration.ofMillis(200)))
                .process(
                    batch ->
                        batch
                            .rows()
                            .concatMap(id -> id == 3 ? Mono.never() : Mono.just(new Object()))));
    Run end = end(run);
    assertThat(end.state()).isEqualTo(RunState.SUCCEEDED);
    assertThat(end.rows()).isEqualTo(3);
    DeadLetter put = run.deadLetters().single().block(SOON);
    assertThat(put.row()).contains("\"id\": 3");
    assertThat(put.error()).contains("the run's timeout required but after PT0.2S", "smaller");
  }

  @ParameterizedTest
  @ValueSource(classes = {TimeoutException.class, IOException.class})
  void whatAServiceIsTooSlowForIsDoneAgainAsItWas(Class<? extends Exception> type)
      throws Exception {
    table("t", 10);
    Exception slow = type.getConstructor(String.class).newInstance("the service");
    Queue<Integer> attempts = new ConcurrentLinkedQueue<>();
    Run end =
        toEnd(
            over("t")
                .attempts(1)
                .backoff(Duration.ofMillis(1), Duration.ofMillis(1))
                .process(
                    batch -> {
                      attempts.add(batch.attempt());
                      return batch.attempt() < 5 ? Mono.error(slow) : batch.rows();
                    }));
    assertThat(end.state()).as(end.error()).isEqualTo(RunState.SUCCEEDED);
    assertThat(attempts).containsExactly(1, 2, 3, 4, 5);
    assertThat(end.batches()).isEqualTo(1);
  }

  @Test
  void whoGetsNoConnectionIsNotTooSlow() {
    table("t", 40);
    ConnectionPool busy =
        new ConnectionPool(
            ConnectionPoolConfiguration.builder(clean.database().connectionFactory())
                .maxSize(1)
                .initialSize(0)
                .maxAcquireTime(Duration.ofMillis(50))
                .build());
    Connection only = busy.create().block(SOON);
    RunHandle run =
        start(
            over("t")
                .batchSize(20)
                .attempts(1)
                .process(
                    batch ->
                        Mono.usingWhen(
                            busy.create(),
                            c -> batch.rows().then(Mono.just(20)),
                            Connection::close)));
    await().atMost(SOON).until(() -> now(run).failures() >= 3);
    Mono.from(only.close()).block(SOON);
    Run end = end(run);
    busy.disposeLater().block(SOON);
    assertThat(end.state()).as(end.error()).isEqualTo(RunState.SUCCEEDED);
    assertThat(end.batches()).isEqualTo(2);
  }

  @ParameterizedTest
  @ValueSource(longs = {50, 60_000})
  void nodeWhosePoolIsExhaustedKeepsItsSlotAndCanBeTold(long poolGivesUp) { // M14, B10
    table("t", 20);
    Duration lease = Duration.ofMillis(600);
    ConnectionPool small =
        new ConnectionPool(
            ConnectionPoolConfiguration.builder(clean.database().connectionFactory())
                .maxSize(3)
                .maxAcquireTime(Duration.ofMillis(poolGivesUp))
                .build());
    Sinks.Empty<Void> gate = Sinks.empty();
    Queue<Integer> attempts = new ConcurrentLinkedQueue<>();
    RunKind kind =
        over("t")
            .batchSize(10)
            .process(
                batch -> {
                  attempts.add(batch.attempt());
                  return gate.asMono();
                });
    Runner poor = runner(small, options -> options.lease(lease));
    RunHandle run = start(poor, kind);
    await().atMost(SOON).until(() -> !attempts.isEmpty());
    List<Connection> taken =
        Flux.range(0, 3).flatMap(i -> small.create()).collectList().block(SOON);
    RunHandle seen = runner().register(kind).handle(run.id());
    await().during(lease.multipliedBy(4)).until(() -> attempts.size() == 1);
    assertThat(run.pause().block(SOON).state()).isEqualTo(RunState.PAUSING);
    assertThat(run.resume().block(SOON).state()).isEqualTo(RunState.RUNNING);
    Flux.fromIterable(taken).flatMap(Connection::close).blockLast(SOON);
    gate.tryEmitEmpty();
    Run end = end(seen);
    assertThat(end.state()).as(end.error()).isEqualTo(RunState.SUCCEEDED);
    assertThat(attempts).containsExactly(1, 1);
    assertThat(seen.events().map(RunEvent::type).collectList().block(SOON))
        .doesNotContain(RunEvent.Type.TAKEN_OVER);
    poor.shutdown(SOON).then(small.disposeLater()).block(SOON);
  }

  @Test
  void batchThatKillsItsNodeDoesNotCirculateForEver() {
    table("t", 20);
    Queue<ConnectionPool> killed = new ConcurrentLinkedQueue<>();
    RunHandle run = null;
    for (int life = 0; life < 12; life++) {
      ConnectionPool pool = clean.pool(4);
      Set<String> eaten = ConcurrentHashMap.newKeySet();
      Runner node = runner(pool, o -> o.lease(Duration.ofMillis(200)).poll(Duration.ofMillis(10)));
      run =
          start(
              node,
              over("t")
                  .batchSize(4)
                  .attempts(1)
                  .deadLetters(1)
                  .process(
                      batch ->
                          batch
                              .rows()
                              .collectList()
                              .flatMap(
                                  ids -> {
                                    if (ids.contains(6L)) {
                                      eaten.add(batch.id());
                                      return Mono.<Void>never();
                                    }
                                    return Mono.empty();
                                  })));
      long id = run.id();
      await()
          .atMost(SOON)
          .pollInterval(Duration.ofMillis(10))
          .until(
              () -> !eaten.isEmpty() || store.find(id).block(SOON).state() == RunState.SUCCEEDED);
      if (eaten.isEmpty()) {
        break;
      }
      killed.add(pool);
      pool.dispose();
      // As if it had died so often before.
      execute("UPDATE cursorstream.consumer SET attempt = greatest(attempt, 9) WHERE upto <> ''");
      run = runner().handle(id);
    }
    Run end = now(runner().handle(run.id()));
    assertThat(end.state()).isEqualTo(RunState.SUCCEEDED);
    assertThat(end.deadLetters()).isEqualTo(1);
    assertThat(store.deadLetters(run.id()).single().block(SOON).row()).contains("\"id\": 6");
    assertThat(killed.size()).isBetween(2, 8);
    assertThat(end.rows()).isEqualTo(19);
  }

  @ParameterizedTest
  @ValueSource(strings = {"COMMIT", "COMMIT; BEGIN"})
  void workThatCommitsIsNotDoneAgainByItself(String sql) {
    table("t", 20);
    RunHandle run =
        start(
            over("t")
                .batchSize(10)
                .processInTransaction(
                    (connection, batch) ->
                        run(connection, "UPDATE t SET n = n + 1 WHERE id <= 10")
                            .then(run(connection, sql))));
    Run failed = end(run);
    assertThat(failed.state()).isEqualTo(RunState.FAILED);
    assertThat(failed.error()).contains("the transaction of the batch was ended by its work");
    assertThat(failed.failures()).isEqualTo(1);
    assertThat(failed.batches()).isZero();
    assertThat(count("SELECT max(n) FROM t")).isEqualTo(1);
  }

  @ParameterizedTest
  @ValueSource(strings = {"repeatable read", "serializable"})
  void consumersFinishWhateverTheSessionsIsolationIs(String isolation) {
    table("t", 2_000);
    String database = clean.database().name();
    execute(
        "ALTER DATABASE %s SET default_transaction_isolation = '%s'"
            .formatted(database, isolation));
    try {
      var connections = clean.pool(10);
      for (boolean statement : List.of(true, false)) {
        Backfill<Long> backfill = over("t").batchSize(5).consumers(4);
        RunKind kind =
            statement
                ? backfill.execute(increment("t"))
                : backfill.processInTransaction(
                    (connection, batch) ->
                        batch
                            .rows()
                            .collectList()
                            .flatMapMany(ids -> BackfillIT.Way.update(connection, "t", ids)));
        Runner runner = runner(connections, o -> o);
        Run end = end(start(runner, kind));
        runner.shutdown(SOON).block(SOON);
        assertThat(end.state()).as(end.error()).isEqualTo(RunState.SUCCEEDED);
        assertThat(end.failures()).as(end.error()).isZero();
      }
    } finally {
      execute("ALTER DATABASE %s RESET default_transaction_isolation".formatted(database));
    }
    assertThat(count("SELECT count(*) FROM t WHERE n <> 2")).isZero();
  }

  @Test
  void tableThatIsGoneFailsTheRun() {
    table("t", 1_000);
    RunHandle run =
        start(over("t").batchSize(1).pauseBetween(Duration.ofMillis(50)).execute(increment("t")));
    awaitBatches(run, 1);
    execute("DROP TABLE t");
    Run failed = end(run);
    assertThat(failed.state()).isEqualTo(RunState.FAILED);
    assertThat(failed.error()).contains("\"t\"");
  }

  @Test
  void connectionThatIsSilentDoesNotHoldABatchForEver() { // B8
    table("t", 40);
    var proxy = clean.proxy();
    var connections = clean.pool(clean.through(proxy), 6);
    Queue<Integer> attempts = new ConcurrentLinkedQueue<>();
    Runner runner = runner(connections, o -> o.lease(Duration.ofMillis(500)));
    RunHandle run =
        start(
            runner,
            over("t")
                .batchSize(10)
                .attempts(1)
                .parameters(p -> p.timeout(Duration.ofMillis(500)))
                .processInTransaction(
                    (connection, batch) -> {
                      attempts.add(batch.attempt());
                      if (attempts.size() == 2) {
                        proxy.blackHole();
                        proxy.resume(); // For new connections.
                      }
                      return batch
                          .rows()
                          .collectList()
                          .flatMapMany(ids -> BackfillIT.Way.update(connection, "t", ids));
                    }));
    // Each of its connections takes seconds to be given up.
    Run end = runner().handle(run.id()).onFinish().block(SOON.multipliedBy(2));
    assertThat(end.state()).as(end.error()).isEqualTo(RunState.SUCCEEDED);
    assertThat(notOnce("t")).isZero();
  }
}
