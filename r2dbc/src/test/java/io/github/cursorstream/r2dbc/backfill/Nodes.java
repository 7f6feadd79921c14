package io.github.cursorstream.r2dbc.backfill;

import static org.awaitility.Awaitility.await;

import io.github.cursorstream.r2dbc.keyset.CleanDatabase;
import io.github.cursorstream.r2dbc.keyset.CursorBasedRepository;
import io.github.cursorstream.r2dbc.keyset.Keyset;
import io.github.cursorstream.r2dbc.store.PostgresRunStore;
import io.github.cursorstream.run.Run;
import io.github.cursorstream.run.RunHandle;
import io.github.cursorstream.run.RunKind;
import io.github.cursorstream.run.RunState;
import io.github.cursorstream.run.RunStore;
import io.github.cursorstream.run.Runner;
import io.github.cursorstream.run.RunnerOptions;
import io.r2dbc.pool.ConnectionPool;
import io.r2dbc.spi.ConnectionFactory;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.function.UnaryOperator;
import java.util.stream.LongStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import reactor.core.publisher.Flux;

/** Nodes that share the runs of one database, which are shut down behind each test. */
abstract class Nodes {

  static final Duration SOON = Duration.ofSeconds(20);

  private final CleanDatabase clean;
  private final List<Runner> runners = new CopyOnWriteArrayList<>();

  ConnectionPool pool;
  PostgresRunStore store;

  Nodes(CleanDatabase clean) {
    this.clean = clean;
  }

  @BeforeEach
  void openStore() {
    pool = clean.pool(12);
    store = PostgresRunStore.create(pool);
    store.migrate().block(SOON);
    clean.database().execute("TRUNCATE cursorstream.run RESTART IDENTITY CASCADE");
  }

  @AfterEach
  void shutRunnersDown() {
    Flux.fromIterable(runners)
        .flatMap(runner -> runner.shutdown(Duration.ofMillis(200)))
        .blockLast(SOON);
    runners.clear();
  }

  final Runner runner(ConnectionFactory connections, UnaryOperator<RunnerOptions> options) {
    return runner(PostgresRunStore.create(connections), options);
  }

  final Runner runner(RunStore runs, UnaryOperator<RunnerOptions> options) {
    Runner runner =
        Runner.create(runs, defaults -> options.apply(defaults.poll(Duration.ofMillis(20))));
    runners.add(runner);
    return runner;
  }

  final Runner runner() {
    return runner(pool, options -> options);
  }

  /** A table of rows numbered from 1, each with a count n of how often it was done. */
  final void table(String name, long rows) {
    execute(
        "DROP TABLE IF EXISTS " + name,
        "CREATE TABLE %s (id bigint PRIMARY KEY, n int NOT NULL DEFAULT 0, x text)".formatted(name),
        "INSERT INTO %s (id) SELECT generate_series(1, %d)".formatted(name, rows),
        "ANALYZE " + name);
  }

  final void execute(String... sql) {
    clean.database().execute(sql);
  }

  final long count(String sql) {
    return clean.database().count(sql);
  }

  /** How many rows were not done exactly once. */
  final long notOnce(String table) {
    return count("SELECT count(*) FROM %s WHERE n <> 1".formatted(table));
  }

  final Backfill<Long> over(String table) {
    return over(Keyset.table(table));
  }

  final Backfill<Long> over(Keyset keyset) {
    return over("backfill", pool, keyset);
  }

  static Backfill<Long> over(String name, ConnectionFactory connections, Keyset keyset) {
    return Backfill.over(
            name,
            CursorBasedRepository.create(connections, keyset, row -> row.get("id", Long.class)))
        .backoff(Duration.ofMillis(10), Duration.ofMillis(50));
  }

  static UnaryOperator<String> increment(String table) {
    return range -> "UPDATE %s SET n = n + 1 WHERE %s".formatted(table, range);
  }

  final RunHandle start(RunKind kind) {
    return start(runner(), kind);
  }

  final RunHandle start(Runner runner, RunKind kind) {
    return runner.start(kind).block(SOON);
  }

  final Run end(RunHandle handle) {
    return handle.onFinish().block(SOON);
  }

  final Run toEnd(RunKind kind) {
    Runner runner = runner();
    Run run = end(start(runner, kind));
    runner.shutdown(SOON).block(SOON); // Of the next one this one has other code.
    return run;
  }

  static Run now(RunHandle handle) {
    return handle.run().block(SOON);
  }

  static void awaitState(RunHandle handle, RunState state) {
    await().atMost(SOON).until(() -> now(handle).state() == state);
  }

  static void awaitBatches(RunHandle handle, long batches) {
    await()
        .atMost(SOON)
        .pollInterval(Duration.ofMillis(10))
        .until(() -> now(handle).batches() >= batches);
  }

  static List<Long> ids(long from, long to) {
    return LongStream.rangeClosed(from, to).boxed().toList();
  }
}
