package io.github.cursorstream.r2dbc.backfill;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.github.cursorstream.r2dbc.keyset.CursorBasedRepository;
import io.github.cursorstream.r2dbc.keyset.Keyset;
import io.github.cursorstream.r2dbc.store.PostgresRunStore;
import io.github.cursorstream.run.Run;
import io.github.cursorstream.run.RunHandle;
import io.github.cursorstream.run.RunKind;
import io.github.cursorstream.run.RunState;
import io.github.cursorstream.run.Runner;
import io.github.cursorstream.run.Verb;
import io.github.cursorstream.testing.TcpProxy;
import io.github.cursorstream.testing.TestDatabase;
import io.github.cursorstream.testing.TestPostgres;
import io.r2dbc.pool.ConnectionPool;
import io.r2dbc.postgresql.PostgresqlConnectionFactory;
import io.r2dbc.spi.Connection;
import io.r2dbc.spi.ConnectionFactory;
import io.r2dbc.spi.Result;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Random;
import java.util.concurrent.ThreadLocalRandom;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import reactor.core.publisher.Flux;
import reactor.core.publisher.Mono;

/** Each row is counted exactly once, whatever breaks, and wherever. */
class CrashIT {

  private static final Duration LEASE = Duration.ofMillis(600);

  private static final List<Verb> VERBS =
      List.of(Verb.START, Verb.PAUSE, Verb.FORCE_PAUSE, Verb.RESUME, Verb.RETRY);

  private TestDatabase database;
  private PostgresRunStore store;

  @BeforeEach
  void createDatabase() {
    database = TestPostgres.shared().createDatabase("crash");
    store = PostgresRunStore.create(database.pool(3));
    store.migrate().block();
  }

  @AfterEach
  void dropDatabase() {
    database.close();
  }

  private void createItems(int rows) {
    database.execute(
        "CREATE TABLE item (id bigint PRIMARY KEY, n int NOT NULL DEFAULT 0)",
        "INSERT INTO item (id) SELECT generate_series(1, %d)".formatted(rows),
        "CREATE TABLE slow_commit (s float8)",
        """
        CREATE FUNCTION slow_commit() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
          PERFORM pg_sleep(NEW.s);
          RETURN NULL;
        END
        $$""",
        """
        CREATE CONSTRAINT TRIGGER slow_commit AFTER INSERT ON slow_commit
        DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION slow_commit()""");
  }

  private ConnectionPool through(TcpProxy proxy, int size) {
    return database.pool(
        new PostgresqlConnectionFactory(
            database.configuration().host(proxy.host()).port(proxy.port()).build()),
        size);
  }

  /** A node that can go at any moment. */
  private final class Node {

    final TcpProxy proxy = TcpProxy.to(database.host(), database.port());
    final ConnectionPool pool = through(proxy, 6);
    final Runner runner =
        Runner.create(PostgresRunStore.create(pool), o -> o.maxConsumers(3).lease(LEASE))
            .register(countUp(pool));

    /** As if it were stopped in the midst of a batch: longer than its lease. */
    void freezes(long millis) {
      proxy.stall();
      Mono.delay(Duration.ofMillis(millis)).subscribe(tick -> proxy.resume());
    }

    /** Takes its connections away, and then stops it, which has nothing to say any more. */
    void goes() {
      proxy.cut();
      pool.disposeLater().onErrorComplete().subscribe();
      runner.shutdown(Duration.ZERO).onErrorComplete().block();
      proxy.close();
    }
  }

  private static RunKind countUp(ConnectionFactory connections) {
    CursorBasedRepository<Long> items =
        CursorBasedRepository.create(
            connections, Keyset.table("item"), row -> row.get("id", Long.class));
    return Backfill.over("count-up", items)
        .batchSize(100)
        .consumers(6)
        .deadLetters(0)
        .attempts(3)
        .backoff(Duration.ofMillis(10), Duration.ofMillis(200))
        .processInTransaction(CrashIT::countUp);
  }

  /** One batch in a few is slow: before its update, or in its COMMIT. */
  private static Flux<Long> countUp(Connection connection, TableBatch<Long> batch) {
    double seconds = 0.02 + ThreadLocalRandom.current().nextDouble(0.1);
    int which = ThreadLocalRandom.current().nextInt(8);
    Flux<Long> slow =
        which > 1
            ? Flux.empty()
            : execute(
                connection,
                which == 0
                    ? "SELECT pg_sleep($1)::text"
                    : "INSERT INTO slow_commit (s) VALUES ($1)",
                List.of(seconds));
    return slow.thenMany(batch.range(null, 1))
        .flatMap(
            range ->
                execute(
                    connection, "UPDATE item SET n = n + 1 WHERE " + range.sql(), range.binds()));
  }

  private static Flux<Long> execute(Connection connection, String sql, List<?> binds) {
    return Flux.defer(
            () -> {
              var statement = connection.createStatement(sql);
              for (int i = 0; i < binds.size(); i++) {
                statement.bind(i, binds.get(i));
              }
              return statement.execute();
            })
        .concatMap(Result::getRowsUpdated);
  }

  @Test
  void nodesComeAndGoAndLoseTheirConnections() throws InterruptedException {
    int rows = 20_000;
    createItems(rows);
    long seed = ThreadLocalRandom.current().nextLong();
    Random random = new Random(seed);
    List<Node> nodes = new ArrayList<>(List.of(new Node(), new Node(), new Node()));
    Run created = store.create(countUp(database.pool(1)).newRun(), "test").block();
    RunHandle handle = Runner.create(store).handle(Objects.requireNonNull(created).id());
    long end = System.nanoTime() + Duration.ofSeconds(12).toNanos();
    while (System.nanoTime() < end && !handle.run().block().state().isEnded()) {
      Thread.sleep(random.nextInt(250));
      int which = random.nextInt(3);
      switch (random.nextInt(9)) {
        case 0 -> {
          nodes.get(which).goes();
          nodes.set(which, new Node());
        }
        case 1, 2 -> nodes.get(which).proxy.cut();
        case 3 -> nodes.get(which).proxy.cutAfterBytes(random.nextInt(5_000));
        case 4 ->
            database.query(
                """
                SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                WHERE datname = current_database() AND pid <> pg_backend_pid()
                  AND query LIKE '%item%' ORDER BY random() LIMIT 1""");
        case 5 -> handle.consumers(1 + random.nextInt(8)).block();
        case 6 -> {
          // Any, but for those that end it.
          Verb verb = VERBS.get(random.nextInt(VERBS.size()));
          assertThat(handle.say(verb, "at random").block()).isNotNull();
          handle.resume().block();
        }
        case 7 -> nodes.get(which).freezes(LEASE.toMillis() + random.nextInt(400));
        default -> handle.change(p -> p.batchSize(50 + random.nextInt(150))).block();
      }
    }
    handle.consumers(6).block();
    await().atMost(Duration.ofSeconds(20)).until(() -> handle.run().block().state().isEnded());
    // Meanwhile they look for work in vain, and give back what they have.
    Thread.sleep(2 * LEASE.toMillis());
    nodes.forEach(Node::goes);

    Run run = handle.run().block();
    assertThat(run.state()).as("seed %d, %s", seed, run.error()).isEqualTo(RunState.SUCCEEDED);
    assertThat(wrong()).as("seed %d", seed).isEmpty();
    assertThat(run.rows()).as("seed %d", seed).isEqualTo(rows);
    assertThat(List.of(run.inFlight(), run.waiting())).as("seed %d", seed).containsOnly(0);
    assertThat(database.count("SELECT count(*) FROM cursorstream.waiting")).isZero();
    assertThat(
            database.count(
                "SELECT count(*) FROM cursorstream.consumer WHERE upto IS NOT NULL OR lease_until > clock_timestamp()"))
        .isZero();
    await().untilAsserted(() -> assertThat(database.idleInTransaction()).isEmpty());
  }

  private List<?> wrong() {
    return database.query("SELECT id, n FROM item WHERE n <> 1 ORDER BY id LIMIT 20");
  }
}
