package io.github.cursorstream.examples;

import io.github.cursorstream.examples.Example.Result;
import io.github.cursorstream.examples.Example.Stopwatch;
import io.github.cursorstream.r2dbc.backfill.Backfill;
import io.github.cursorstream.r2dbc.backfill.TableBatch;
import io.github.cursorstream.r2dbc.keyset.CursorBasedRepository;
import io.github.cursorstream.r2dbc.keyset.Keyset;
import io.github.cursorstream.r2dbc.store.PostgresRunStore;
import io.github.cursorstream.run.Run;
import io.github.cursorstream.run.RunEvent;
import io.github.cursorstream.run.RunHandle;
import io.github.cursorstream.run.RunKind;
import io.github.cursorstream.run.RunState;
import io.github.cursorstream.run.Runner;
import io.github.cursorstream.testing.TestDatabase;
import io.r2dbc.spi.Connection;
import io.r2dbc.spi.ConnectionFactory;
import java.io.IOException;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import reactor.core.publisher.Flux;

/**
 * Three processes share one run. Consumers are added, a process leaves and another one joins; the
 * consumers are spread evenly over those that are there, and every row is done exactly once.
 */
public final class SharedByThreeNodes {

  /** Of each consumer, on average, before something changes. */
  private static final int BATCHES = 15;

  private final TestDatabase database;
  private final RunHandle run;
  private final int rows;
  private final int batchSize;
  private final Map<String, Process> nodes = new TreeMap<>();
  private boolean even = true;

  private SharedByThreeNodes(TestDatabase database, RunHandle run, int rows, int batchSize) {
    this.database = database;
    this.run = run;
    this.rows = rows;
    this.batchSize = batchSize;
  }

  /** Arguments: rows. With a batch size and a name it is one of the processes. */
  public static void main(String[] args) throws IOException {
    if (args.length == 2) {
      work(Example.connections(), Integer.parseInt(args[0]), args[1]);
    }
    int rows = args.length > 0 ? Integer.parseInt(args[0]) : 300_000;
    Example.main("SharedByThreeNodes", database -> run(database, rows, 20));
  }

  private static void work(ConnectionFactory connections, int batchSize, String name)
      throws IOException {
    PostgresRunStore store = PostgresRunStore.create(connections);
    Example.node(
        Runner.create(store, o -> o.owner(name).maxConsumers(7))
            .register(kind(connections, batchSize, name)));
  }

  private static RunKind kind(ConnectionFactory connections, int batchSize, String node) {
    return Backfill.over(
            "count-up",
            CursorBasedRepository.create(
                connections, Keyset.table("numbers"), row -> row.get(0, Long.class)))
        .batchSize(batchSize)
        .consumers(6)
        .processInTransaction((connection, batch) -> countUp(connection, batch, node));
  }

  /** The rows, and who did them, in one transaction. */
  private static Flux<Long> countUp(Connection connection, TableBatch<Long> batch, String node) {
    return batch
        .range(null, 1)
        .flatMapMany(
            range ->
                Tables.execute(
                    connection,
                    "UPDATE numbers SET n = n + 1 FROM pg_sleep(0.02) WHERE " + range.sql(),
                    range.binds()))
        .delayUntil(
            done ->
                Tables.execute(
                    connection, "INSERT INTO batches (node) VALUES ($1)", List.of(node)));
  }

  static Result run(TestDatabase database, int rows, int batchSize) throws Exception {
    System.out.printf("Three processes share the work on %,d rows.%n%n", rows);
    database.execute(
        "CREATE TABLE numbers (id bigint PRIMARY KEY, n int NOT NULL DEFAULT 0)",
        "INSERT INTO numbers (id) SELECT generate_series(1, %d)".formatted(rows),
        "CREATE TABLE batches (node text NOT NULL)",
        "VACUUM ANALYZE numbers");
    ConnectionFactory pool = Example.pool(database, 3);
    PostgresRunStore store = PostgresRunStore.create(pool);
    store.migrate().block();
    RunHandle run = Example.created(store, kind(pool, batchSize, "nobody"));
    run.pause().block(); // Until all three are there.
    return new SharedByThreeNodes(database, run, rows, batchSize).share();
  }

  private Result share() throws Exception {
    Run ended;
    int exit;
    Stopwatch time;
    try (RunWatch watch = new RunWatch(run, rows)) {
      join("node-1", "node-2", "node-3");
      time = Stopwatch.start();
      run.resume().block();
      share(watch, "Six consumers", 6);
      run.consumers(9).block();
      share(watch, "Nine consumers", 9);
      exit = leave("node-3");
      share(watch, "node-3 has left", 9);
      join("node-4");
      share(watch, "node-4 has joined", 9);
      run.change(parameters -> parameters.batchSize(rows / 50)).block();
      watch.say("The rest in larger batches:");
      ended = watch.end();
    } finally {
      nodes.values().forEach(Process::destroyForcibly);
    }
    long once = database.count("SELECT count(*) FROM numbers WHERE n = 1");
    boolean graceful =
        exit == 0
            && ended.failures() == 0
            && Boolean.FALSE.equals(
                run.events().any(e -> e.type() == RunEvent.Type.TAKEN_OVER).block());
    System.out.printf("Batches of each, in all: %s%n", batches());
    System.out.printf("Who left had finished its batches: %s%n", Example.yes(graceful));
    System.out.printf("Rows that were done exactly once: %,d of %,d.%n", once, rows);
    return new Result(
        "SharedByThreeNodes",
        "rows=%d once=%d batches=%d seconds=%.1f"
            .formatted(ended.rows(), once, ended.batches(), time.seconds()),
        ended.state() == RunState.SUCCEEDED
            && ended.rows() == rows
            && once == rows
            && graceful
            && even);
  }

  private void join(String... names) throws IOException {
    for (String name : names) {
      nodes.put(name, Example.start(SharedByThreeNodes.class, database, "" + batchSize, name));
    }
    for (String name : names) {
      Objects.requireNonNull(nodes.get(name)).inputReader().readLine();
    }
  }

  /** Its shutdown finishes the batches that it holds. */
  private int leave(String name) throws Exception {
    Process node = Objects.requireNonNull(nodes.remove(name));
    node.getOutputStream().close();
    return node.waitFor(10, TimeUnit.SECONDS) ? node.exitValue() : -1;
  }

  /** Waits until the consumers are spread evenly, and then looks who does how many batches. */
  private void share(RunWatch watch, String what, int consumers) {
    Stopwatch time = Stopwatch.start();
    watch.until(now -> isEven(consumers));
    double spread = time.seconds();
    Map<String, Long> before = batches();
    Run from = watch.now();
    Run to = watch.until(now -> now.batches() >= from.batches() + (long) consumers * BATCHES);
    Map<String, Long> done = batches();
    before.forEach((node, batches) -> done.merge(node, -batches, Long::sum));
    done.values().removeIf(batches -> batches == 0);
    watch.say("%s, even after %.1f s; then batches: %s".formatted(what, spread, done));
    even &= !to.state().isEnded() && done.keySet().equals(nodes.keySet());
  }

  private boolean isEven(int consumers) {
    Map<String, Long> slots =
        counts(
            "SELECT owner, count(*) FROM cursorstream.consumer"
                + " WHERE lease_until > clock_timestamp() GROUP BY owner");
    int least = consumers / nodes.size();
    return slots.keySet().equals(nodes.keySet())
        && slots.values().stream().mapToLong(Long::longValue).sum() == consumers
        && slots.values().stream().allMatch(count -> count == least || count == least + 1);
  }

  private Map<String, Long> batches() {
    return counts("SELECT node, count(*) FROM batches GROUP BY node");
  }

  private Map<String, Long> counts(String query) {
    return database.query(query).stream()
        .collect(
            Collectors.toMap(
                row -> String.valueOf(row.get(0)),
                row -> (Long) Objects.requireNonNull(row.get(1)),
                Long::sum,
                TreeMap::new));
  }
}
