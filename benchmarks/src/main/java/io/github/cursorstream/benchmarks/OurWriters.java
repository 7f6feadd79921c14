package io.github.cursorstream.benchmarks;

import io.github.cursorstream.r2dbc.backfill.Backfill;
import io.github.cursorstream.r2dbc.keyset.CursorBasedRepository;
import io.github.cursorstream.r2dbc.keyset.Keyset;
import io.github.cursorstream.r2dbc.store.PostgresRunStore;
import io.github.cursorstream.run.Run;
import io.github.cursorstream.run.RunKind;
import io.github.cursorstream.run.Runner;
import io.r2dbc.pool.ConnectionPool;
import io.r2dbc.spi.Connection;
import io.r2dbc.spi.Result;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Function;
import org.reactivestreams.Publisher;
import reactor.core.publisher.Flux;

/** Backfills of this library, with their runs in PostgreSQL. */
final class OurWriters {

  /** A row of the table. */
  record Account(long id, String email) {}

  /**
   * How it is run.
   *
   * @param batch keys of a batch
   * @param consumers in all
   * @param nodes each with a pool and a runner of its own, in this JVM
   * @param poll how often a node looks for work
   */
  record Setup(int batch, int consumers, int nodes, Duration poll) {

    static Setup consumers(int count) {
      return new Setup(Accounts.BATCH, count, 1, Duration.ofMillis(20));
    }

    Setup batch(int keys) {
      return new Setup(keys, consumers, nodes, poll);
    }

    Setup nodes(int count) {
      return new Setup(batch, consumers, count, poll);
    }

    Setup poll(Duration interval) {
      return new Setup(batch, consumers, nodes, interval);
    }
  }

  /** Runs of one name exist once. */
  private static final AtomicLong RUNS = new AtomicLong();

  /** Connections for heartbeats, verbs and looking for work. */
  private static final int SPARE = 3;

  private static final Duration PATIENCE = Duration.ofSeconds(5);

  private static final String UPDATE_ROWS =
      "UPDATE accounts SET email_new = copied.email"
          + " FROM unnest($1::bigint[], $2::text[]) AS copied(id, email)"
          + " WHERE accounts.id = copied.id";

  private OurWriters() {}

  /** One statement a batch. */
  static RunKind execute(Backfill<Account> backfill) {
    return backfill.execute(range -> "UPDATE accounts SET email_new = email WHERE " + range);
  }

  /** Rows that are read, looked at here, and written by one statement. */
  static RunKind rows(Backfill<Account> backfill) {
    return backfill.processInTransaction(
        (connection, batch) ->
            batch.rows().collectList().flatMapMany(accounts -> update(connection, accounts)));
  }

  private static Publisher<Long> update(Connection connection, List<Account> accounts) {
    return Flux.from(
            connection
                .createStatement(UPDATE_ROWS)
                .bind(0, accounts.stream().map(Account::id).toArray(Long[]::new))
                .bind(1, accounts.stream().map(Account::email).toArray(String[]::new))
                .execute())
        .concatMap(Result::getRowsUpdated);
  }

  /** Backfills the accounts. What it comes to is told from the rows that the run counted. */
  static Contender backfill(
      String name, Accounts accounts, Setup setup, Function<Backfill<Account>, RunKind> work) {
    return new Contender(
        name,
        accounts.expected(),
        target -> {
          List<ConnectionPool> pools = new ArrayList<>();
          List<Runner> runners = new ArrayList<>();
          for (int node = 0; node < setup.nodes; node++) {
            int own = Math.max(1, setup.consumers / setup.nodes);
            ConnectionPool pool = target.pool(own + SPARE);
            PostgresRunStore store = PostgresRunStore.create(pool);
            store.migrate().block();
            Runner runner = Runner.create(store, o -> o.poll(setup.poll).maxConsumers(own));
            target.onClose(() -> runner.shutdown(PATIENCE).block());
            pools.add(pool);
            runners.add(runner);
          }
          return () -> {
            String run = "accounts-" + RUNS.incrementAndGet();
            List<RunKind> kinds =
                pools.stream().map(pool -> work.apply(over(pool, run, setup))).toList();
            for (int node = 1; node < setup.nodes; node++) {
              runners.get(node).register(kinds.get(node));
            }
            Run done = Objects.requireNonNull(runners.get(0).runToEnd(kinds.get(0)).block());
            return new Total(done.rows(), accounts.expected().checksum());
          };
        });
  }

  private static Backfill<Account> over(ConnectionPool pool, String name, Setup setup) {
    return Backfill.over(
            name,
            CursorBasedRepository.create(
                pool,
                Keyset.table("accounts").select("id", "email"),
                row -> new Account(row.get(0, Long.class), row.get(1, String.class))))
        .batchSize(setup.batch)
        .consumers(setup.consumers);
  }
}
