package io.github.cursorstream.examples;

import io.github.cursorstream.examples.Example.Result;
import io.github.cursorstream.examples.Example.Stopwatch;
import io.github.cursorstream.r2dbc.store.PostgresRunStore;
import io.github.cursorstream.run.Run;
import io.github.cursorstream.run.RunEvent;
import io.github.cursorstream.run.RunHandle;
import io.github.cursorstream.run.RunState;
import io.github.cursorstream.run.Runner;
import io.github.cursorstream.run.Verb;
import io.github.cursorstream.testing.TcpProxy;
import io.github.cursorstream.testing.TestDatabase;
import io.r2dbc.pool.ConnectionPool;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import java.util.function.Predicate;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import reactor.core.publisher.Mono;

/**
 * Adds one to each row of a table, by three nodes that are killed, frozen, cut off and steered
 * about meanwhile, while an application writes to the table too. Each row is to be counted exactly
 * once.
 *
 * <pre>
 * CrashTest seed [rows=200000] [minutes=3] [fence=epoch] [work=execute]
 * </pre>
 *
 * <p>The work of a batch is a transaction of several statements; with {@code work=execute} it is
 * one statement, which is sent before the answer to the one before.
 *
 * <p>With {@code fence=epoch} the store lacks one of its two guards, which is to be seen: rows that
 * are counted twice, and others not at all.
 */
public final class CrashTest {

  private static final int NODES = 3;

  /** Between the keys there is room for the application's. */
  private static final int STEP = 10;

  /** What befalls the nodes, and how often at least. */
  private enum Attack {
    KILL(30),
    FREEZE(10),
    CUT(30),
    TERMINATE(30),
    PAUSE(3),
    FORCE_PAUSE(3),
    CONSUMERS(6),
    BATCH_SIZE(3);

    final int quota;

    Attack(int quota) {
      this.quota = quota;
    }
  }

  /** The arguments. */
  private record Settings(
      long seed, int rows, int minutes, boolean epochOnly, boolean inOneStatement) {
    static Settings of(String[] args) {
      Map<String, String> named = new HashMap<>();
      Stream.of(args)
          .filter(arg -> arg.contains("="))
          .map(arg -> arg.split("=", 2))
          .forEach(pair -> named.put(pair[0], pair[1]));
      long seed = args.length > 0 && !args[0].contains("=") ? Long.parseLong(args[0]) : 1;
      return new Settings(
          seed,
          Integer.parseInt(named.getOrDefault("rows", "200000")),
          Integer.parseInt(named.getOrDefault("minutes", "3")),
          "epoch".equals(named.get("fence")),
          "execute".equals(named.get("work")));
    }
  }

  private final TestDatabase database;
  private final Settings settings;
  private final Random random;
  private final Stopwatch time = Stopwatch.start();
  private final Map<Attack, Integer> attacks = new EnumMap<>(Attack.class);
  private final List<Node> nodes = new ArrayList<>();
  private final Path log;

  private CrashTest(TestDatabase database, Settings settings) throws IOException {
    this.database = database;
    this.settings = settings;
    this.random = new Random(settings.seed);
    this.log = Files.createTempFile("crash", ".log");
    for (Attack attack : Attack.values()) {
      attacks.put(attack, 0);
    }
  }

  public static void main(String[] args) {
    Settings settings = Settings.of(args);
    Example.main("CrashTest", database -> new CrashTest(database, settings).run());
  }

  private Result run() throws Exception {
    System.out.printf("%s%n%n", settings);
    ConnectionPool pool = database.pool(4);
    PostgresRunStore store = PostgresRunStore.create(pool);
    createTables();
    store.migrate().block();
    if (settings.epochOnly) {
      System.out.printf("The store fences by the epoch alone.%n%n");
      withoutSerial();
    }
    Run created =
        store
            .create(
                CrashNode.kind(pool, settings.inOneStatement, new Random(0)).newRun(),
                "the crash test")
            .blockOptional()
            .orElseThrow();
    RunHandle handle = Runner.create(store).handle(created.id());
    Run ended;
    long deleted;
    try {
      for (int i = 0; i < NODES; i++) {
        nodes.add(new Node(i));
      }
      await(handle, Duration.ofSeconds(30), Run::isOpened);
      try (Application application =
          new Application(database, random.nextLong(), settings.rows, STEP)) {
        attack(handle, application);
        say("no more attacks");
        ended = await(handle, left(), run -> run.state().isEnded());
        application.stop();
        deleted = application.deleted();
        System.out.printf("%nThe application: %s%n", application);
      }
      // Whoever holds a slot gives it back, and looks for work in vain.
      Thread.sleep(2 * CrashNode.LEASE.toMillis());
    } finally {
      nodes.forEach(Node::close);
    }
    Result result = verdict(handle, ended, deleted);
    failures();
    if (!result.pass()) {
      evidence(handle);
    }
    Files.delete(log);
    return result;
  }

  private void createTables() {
    database.execute(
        "CREATE TABLE item (id bigint PRIMARY KEY, n int NOT NULL DEFAULT 0)",
        "INSERT INTO item (id) SELECT id * %d FROM generate_series(1, %d::bigint) AS id"
            .formatted(STEP, settings.rows),
        "VACUUM ANALYZE item",
        // How long each batch takes at least, in seconds: so that the attacks have their time.
        "CREATE TABLE pace AS SELECT 0::float8 AS every",
        "CREATE TABLE slow_commit (ms int)",
        """
        CREATE FUNCTION slow_commit() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
          PERFORM pg_sleep(NEW.ms / 1000.0);
          RETURN NULL;
        END
        $$""",
        """
        CREATE CONSTRAINT TRIGGER slow_commit AFTER INSERT ON slow_commit
        DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION slow_commit()""");
  }

  /** Takes one of the two guards away. */
  private void withoutSerial() {
    String fence =
        (String)
            Objects.requireNonNull(
                database
                    .query("SELECT pg_get_functiondef('cursorstream.fence'::regproc)")
                    .get(0)
                    .get(0));
    String without = fence.replace(" AND serial = p_serial", "");
    if (without.equals(fence)) {
      throw new IllegalStateException("a fence by serial required but it was " + fence);
    }
    database.execute(without);
  }

  private void attack(RunHandle handle, Application application) throws Exception {
    double every = 0;
    double slowest = Math.max(1, Math.min(3, 60_000.0 / settings.rows)); // Seconds.
    while (true) {
      Run run = now(handle);
      application.position(run.rows() * STEP);
      if (run.state().isEnded() || left().isNegative() || missing().isEmpty()) {
        break;
      }
      // The work is to last as long as the attacks do.
      double ahead = (double) run.rows() / settings.rows - attacked() + 0.05;
      double wanted = Math.round(Math.max(0, Math.min(slowest, ahead * 4)) * 50) / 50.0;
      if (wanted != every) {
        every = wanted;
        database.execute("UPDATE pace SET every = " + every);
      }
      List<Attack> missing = missing();
      strike(missing.get(random.nextInt(missing.size())), handle);
      Thread.sleep(50 + random.nextInt(500));
    }
    database.execute("UPDATE pace SET every = 0");
    for (Node node : nodes) {
      node.join();
    }
    handle.resume().block();
  }

  /** Once for each that is missing, so that they end together. */
  private List<Attack> missing() {
    return attacks.entrySet().stream()
        .flatMap(
            e -> Stream.generate(e::getKey).limit(Math.max(0, e.getKey().quota - e.getValue())))
        .toList();
  }

  private double attacked() {
    int quota = Stream.of(Attack.values()).mapToInt(attack -> attack.quota).sum();
    return 1 - missing().size() / (double) quota;
  }

  private void strike(Attack attack, RunHandle handle) throws Exception {
    boolean done =
        switch (attack) {
          case KILL -> node().kill();
          case FREEZE -> node().freeze(CrashNode.LEASE.toMillis() + 200 + random.nextInt(1_500));
          case CUT -> node().cut(random.nextBoolean());
          case TERMINATE -> terminate();
          case PAUSE -> {
            say("pause " + handle.pause().block());
            Thread.sleep(random.nextInt(300));
            say("resume " + handle.resume().block());
            yield true;
          }
          case FORCE_PAUSE -> {
            say("force pause " + handle.say(Verb.FORCE_PAUSE, "an attack").block());
            Thread.sleep(random.nextInt(300));
            say("resume " + handle.resume().block());
            yield true;
          }
          case CONSUMERS -> {
            int consumers = 1 + random.nextInt(8);
            say(consumers + " consumers");
            handle.consumers(consumers).block();
            yield true;
          }
          case BATCH_SIZE -> {
            int size = 50 + random.nextInt(151);
            say("batch size " + size);
            handle.change(parameters -> parameters.batchSize(size)).block();
            yield true;
          }
        };
    if (done) {
      attacks.merge(attack, 1, Integer::sum);
    }
  }

  private Node node() {
    return nodes.get(random.nextInt(nodes.size()));
  }

  private boolean terminate() {
    List<Integer> pids =
        database
            .query(
                "SELECT pid FROM pg_stat_activity WHERE application_name = '%s' ORDER BY pid"
                    .formatted(CrashNode.APPLICATION_NAME))
            .stream()
            .map(row -> (Integer) Objects.requireNonNull(row.get(0)))
            .toList();
    if (pids.isEmpty()) {
      return false;
    }
    int index = random.nextInt(pids.size());
    List<?> gone =
        database
            .query(
                "SELECT state, left(query, 60), pg_terminate_backend(pid) FROM pg_stat_activity"
                    + " WHERE pid = "
                    + pids.get(index))
            .stream()
            .findFirst()
            .orElse(List.of());
    say("terminate backend " + index + " of " + pids.size() + " " + gone);
    return !gone.isEmpty();
  }

  private Duration left() {
    return Duration.ofMillis((long) (settings.minutes * 60_000L - time.seconds() * 1_000));
  }

  private void say(String what) {
    System.out.printf("%6.1f s  %s%n", time.seconds(), what);
  }

  private static Run now(RunHandle handle) {
    return handle.run().blockOptional().orElseThrow();
  }

  private static Run await(RunHandle handle, Duration atMost, Predicate<Run> condition)
      throws InterruptedException {
    long end = System.nanoTime() + atMost.toNanos();
    Run run = now(handle);
    while (!condition.test(run) && System.nanoTime() < end) {
      Thread.sleep(50);
      run = now(handle);
    }
    return run;
  }

  private Result verdict(RunHandle handle, Run ended, long deleted) {
    System.out.printf(
        "Attacks: %s%n",
        attacks.entrySet().stream()
            .map(
                e ->
                    e.getValue()
                        + " "
                        + e.getKey().name().toLowerCase(Locale.ROOT).replace('_', ' '))
            .collect(Collectors.joining(", ")));
    boolean quota = missing().isEmpty();
    long last = (long) settings.rows * STEP;
    String mine = "id <= %d AND id %% %d = 0".formatted(last, STEP);
    long rows = database.count("SELECT count(*) FROM item WHERE " + mine);
    long lost = rows("of the table were not counted", mine + " AND n = 0");
    long doubled = rows("were counted more than once", "n > 1");
    long beyond = rows("beyond the end were counted", "id > %d AND n <> 0".formatted(last));
    long sum = database.count("SELECT coalesce(sum(n), 0) FROM item") + deleted;
    Run run = now(handle);
    boolean counted = run.rows() == sum;
    boolean still =
        run.inFlight() == 0
            && run.waiting() == 0
            && database.count("SELECT count(*) FROM cursorstream.waiting WHERE run = " + run.id())
                == 0
            && database.count(
                    "SELECT count(*) FROM cursorstream.consumer WHERE upto IS NOT NULL OR lease_until > clock_timestamp()")
                == 0;
    List<TestDatabase.Session> idle = database.idleInTransaction();
    System.out.printf("The attacks were made before it ended: %s%n", Example.yes(quota));
    System.out.printf("It has succeeded: %s%n", Example.yes(ended.state() == RunState.SUCCEEDED));
    System.out.printf(
        "It counted %,d rows, as the table did (%,d): %s%n", run.rows(), sum, Example.yes(counted));
    System.out.printf("Nothing is in flight, waits, or is leased: %s%n", Example.yes(still));
    System.out.printf("No session is left in a transaction: %s%n", Example.yes(idle.isEmpty()));
    idle.forEach(System.out::println);
    return new Result(
        "CrashTest",
        "seed=%d rows=%d lost=%d doubled=%d kills=%d freezes=%d cuts=%d terminated=%d batches=%d failures=%d seconds=%.0f"
            .formatted(
                settings.seed,
                rows,
                lost,
                doubled,
                attacks.get(Attack.KILL),
                attacks.get(Attack.FREEZE),
                attacks.get(Attack.CUT),
                attacks.get(Attack.TERMINATE),
                run.batches(),
                run.failures(),
                time.seconds()),
        quota
            && ended.state() == RunState.SUCCEEDED
            && rows == settings.rows
            && lost == 0
            && doubled == 0
            && beyond == 0
            && counted
            && still
            && idle.isEmpty());
  }

  private long rows(String what, String condition) {
    long count = database.count("SELECT count(*) FROM item WHERE " + condition);
    if (count > 0) {
      System.out.printf("%,d rows %s; id and n of the first:%n", count, what);
      database
          .query("SELECT id, n FROM item WHERE %s ORDER BY id LIMIT 20".formatted(condition))
          .forEach(row -> System.out.printf("  %s%n", row));
    }
    return count;
  }

  /** What the nodes took for a failure of a batch. */
  private void failures() {
    System.out.printf("%nKinds of failures:%n");
    database
        .query(
            "SELECT left(split_part(detail, chr(10), 1), 160), count(*) FROM cursorstream.event"
                + " WHERE type = 'BATCH_FAILED' GROUP BY 1 ORDER BY 2 DESC LIMIT 10")
        .forEach(System.out::println);
  }

  /** What is needed to find out. */
  private void evidence(RunHandle handle) throws IOException {
    System.out.printf("%nThe run: %s%n%nIts consumers:%n", now(handle));
    database
        .query("SELECT * FROM cursorstream.consumer ORDER BY number")
        .forEach(System.out::println);
    System.out.printf("%nIts last events:%n");
    List<RunEvent> events =
        handle
            .events()
            .takeUntilOther(Mono.delay(Duration.ofSeconds(3)))
            .collectList()
            .blockOptional()
            .orElseThrow();
    events.stream().skip(Math.max(0, events.size() - 15)).forEach(System.out::println);
    List<String> lines = Files.readAllLines(log);
    System.out.printf("%nThe last of %,d lines of the nodes:%n", lines.size());
    lines.stream().skip(Math.max(0, lines.size() - 40)).forEach(System.out::println);
  }

  /** A process, and the proxy that it connects through. */
  private final class Node implements AutoCloseable {

    private final int number;
    private final TcpProxy proxy = TcpProxy.to(database.host(), database.port());
    private Process process;
    private @Nullable Thread frozen;

    Node(int number) {
      this.number = number;
      this.process = started(random.nextLong());
    }

    private Process started(long seed) {
      List<String> command = new ArrayList<>();
      command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
      command.addAll(List.of("-Xmx96m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"));
      command.addAll(List.of("-Dio.netty.leakDetection.level=disabled"));
      command.addAll(List.of("-cp", System.getProperty("java.class.path")));
      command.add(CrashNode.class.getName());
      command.addAll(List.of(proxy.host(), String.valueOf(proxy.port()), database.name()));
      command.addAll(List.of(database.user(), database.password()));
      command.addAll(List.of(String.valueOf(seed), String.valueOf(settings.inOneStatement)));
      try {
        return new ProcessBuilder(command)
            .redirectErrorStream(true)
            .redirectOutput(ProcessBuilder.Redirect.appendTo(log.toFile()))
            .start();
      } catch (IOException e) {
        throw new UncheckedIOException(e);
      }
    }

    boolean kill() throws InterruptedException {
      if (isFrozen()) {
        return false;
      }
      say("kill node " + number);
      process.destroyForcibly();
      process.waitFor();
      process = started(random.nextLong());
      return true;
    }

    private boolean isFrozen() {
      Thread last = frozen;
      return last != null && last.isAlive();
    }

    boolean freeze(long millis) {
      if (isFrozen()) {
        return false;
      }
      say("freeze node " + number + " for " + millis + " ms");
      Process which = process;
      signal(which, "STOP");
      Thread thawing =
          new Thread(
              () -> {
                try {
                  Thread.sleep(millis);
                } catch (InterruptedException e) {
                  // Woken earlier.
                }
                signal(which, "CONT");
                say("node " + number + " goes on");
              });
      thawing.start();
      frozen = thawing;
      return true;
    }

    private void signal(Process which, String name) {
      try {
        new ProcessBuilder("kill", "-" + name, String.valueOf(which.pid())).start().waitFor();
      } catch (IOException | InterruptedException e) {
        throw new IllegalStateException(e);
      }
    }

    boolean cut(boolean reset) {
      int open = proxy.open();
      if (open == 0) {
        return false;
      }
      say((reset ? "reset " : "cut ") + open + " connections of node " + number);
      if (reset) {
        proxy.reset();
      } else {
        proxy.cut();
      }
      return true;
    }

    void join() throws InterruptedException {
      Thread last = frozen;
      if (last != null) {
        last.join();
      }
    }

    @Override
    public void close() {
      Thread last = frozen;
      if (last != null) {
        last.interrupt();
      }
      process.destroyForcibly();
      try {
        process.waitFor(5, TimeUnit.SECONDS);
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
      }
      proxy.close();
    }
  }
}
