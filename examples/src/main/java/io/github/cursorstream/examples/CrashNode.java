package io.github.cursorstream.examples;

import io.github.cursorstream.r2dbc.backfill.Backfill;
import io.github.cursorstream.r2dbc.backfill.TableBatch;
import io.github.cursorstream.r2dbc.keyset.CursorBasedRepository;
import io.github.cursorstream.r2dbc.keyset.Keyset;
import io.github.cursorstream.r2dbc.store.PostgresRunStore;
import io.github.cursorstream.run.RunKind;
import io.github.cursorstream.run.Runner;
import io.r2dbc.pool.ConnectionPool;
import io.r2dbc.pool.ConnectionPoolConfiguration;
import io.r2dbc.postgresql.PostgresqlConnectionConfiguration;
import io.r2dbc.postgresql.PostgresqlConnectionFactory;
import io.r2dbc.spi.Connection;
import io.r2dbc.spi.ConnectionFactory;
import java.io.IOException;
import java.time.Duration;
import java.util.List;
import java.util.Random;
import reactor.core.publisher.Flux;
import reactor.core.publisher.Mono;

/** A node of {@link CrashTest}, which starts it, cuts its connections, freezes it and kills it. */
final class CrashNode {

  /** After how long without a sign of life a node's work is taken over. */
  static final Duration LEASE = Duration.ofMillis(1_200);

  /** By this name its sessions are told from others. */
  static final String APPLICATION_NAME = "crash-node";

  private static final int POOL = 8;

  /** One batch in so many is slow: before the update, behind it, and in its COMMIT. */
  private static final int SLOW = 6;

  private static final String COUNT_UP = "UPDATE item SET n = n + 1 WHERE ";

  /** Most batches are fast, so that the next ones are sent ahead. */
  private static final String SOMETIMES_SLOW =
      " AND (SELECT pg_sleep(CASE WHEN random() < 0.1 THEN 10 * every + 0.05 ELSE 0 END) FROM pace)"
          + " IS NOT NULL";

  private CrashNode() {}

  /** Works from its first moment on, until its input ends: with the process that started it. */
  public static void main(String[] args) throws IOException {
    PostgresqlConnectionConfiguration configuration =
        PostgresqlConnectionConfiguration.builder()
            .host(args[0])
            .port(Integer.parseInt(args[1]))
            .database(args[2])
            .username(args[3])
            .password(args[4])
            .applicationName(APPLICATION_NAME)
            .connectTimeout(Duration.ofSeconds(5))
            .build();
    Random random = new Random(Long.parseLong(args[5]));
    ConnectionPool pool =
        new ConnectionPool(
            ConnectionPoolConfiguration.builder(new PostgresqlConnectionFactory(configuration))
                .initialSize(0)
                .maxSize(POOL)
                .maxAcquireTime(Duration.ofSeconds(10))
                .maxCreateConnectionTime(Duration.ofSeconds(5))
                .build());
    int consumers = 3 + random.nextInt(2);
    Runner.create(PostgresRunStore.create(pool), o -> o.maxConsumers(consumers).lease(LEASE))
        .register(kind(pool, Boolean.parseBoolean(args[6]), random));
    while (System.in.read() >= 0) {
      // Nothing is said to it.
    }
    System.exit(0);
  }

  /** The same on all nodes, apart from their moments of slowness. */
  static RunKind kind(ConnectionFactory connections, boolean inOneStatement, Random random) {
    CursorBasedRepository<Long> items =
        CursorBasedRepository.create(
            connections, Keyset.table("item"), row -> row.get("id", Long.class));
    Backfill<Long> backfill =
        Backfill.over("count-up", items)
            .batchSize(100)
            .consumers(6)
            .deadLetters(0)
            .attempts(3)
            .backoff(Duration.ofMillis(50), Duration.ofSeconds(1));
    return inOneStatement
        ? backfill.execute(range -> COUNT_UP + range + SOMETIMES_SLOW)
        : backfill.processInTransaction((connection, batch) -> countUp(connection, batch, random));
  }

  /** Emits how many rows the update met, and nothing else: that is what the run counts. */
  private static Flux<Long> countUp(Connection connection, TableBatch<Long> batch, Random random) {
    Mono<Void> slowCommit =
        run(connection, "INSERT INTO slow_commit (ms) VALUES ($1)", List.of(millis(random)));
    return run(
            connection,
            "SELECT pg_sleep(every + $1 / 1000.0) FROM pace",
            List.of(random.nextInt(SLOW) == 0 ? millis(random) : 0))
        .thenMany(
            batch
                .range(null, 1)
                .flatMapMany(
                    range -> Tables.execute(connection, COUNT_UP + range.sql(), range.binds())))
        .concatWith(
            random.nextInt(SLOW) == 0
                ? run(connection, "SELECT pg_sleep($1 / 1000.0)", List.of(millis(random)))
                    .then(Mono.empty())
                : Mono.empty())
        .concatWith(random.nextInt(SLOW * 2) == 0 ? slowCommit.then(Mono.empty()) : Mono.empty());
  }

  private static int millis(Random random) {
    return 20 + random.nextInt(80);
  }

  private static Mono<Void> run(Connection connection, String sql, List<?> binds) {
    return Tables.execute(connection, sql, binds).then();
  }
}
