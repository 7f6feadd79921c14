package io.github.cursorstream.r2dbc.keyset;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.github.cursorstream.testing.TcpProxy;
import io.github.cursorstream.testing.TestDatabase;
import io.github.cursorstream.testing.TestPostgres;
import io.r2dbc.pool.ConnectionPool;
import io.r2dbc.pool.PoolMetrics;
import io.r2dbc.postgresql.PostgresqlConnectionFactory;
import io.r2dbc.spi.ConnectionFactory;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import org.junit.jupiter.api.extension.AfterAllCallback;
import org.junit.jupiter.api.extension.AfterEachCallback;
import org.junit.jupiter.api.extension.BeforeAllCallback;
import org.junit.jupiter.api.extension.ExtensionContext;

/**
 * A database for a test class, which fails every test that leaves something behind: a borrowed
 * connection, somebody who waits for one, an open transaction, a running query, a snapshot, or,
 * once the pools are closed, a session.
 */
public final class CleanDatabase implements BeforeAllCallback, AfterEachCallback, AfterAllCallback {

  /** A connection that no longer answers is given up after 6 s. */
  private static final Duration PATIENCE = Duration.ofSeconds(12);

  private final String[] setUp;
  private final List<ConnectionPool> pools = new CopyOnWriteArrayList<>();
  private final List<TcpProxy> proxies = new CopyOnWriteArrayList<>();
  private TestDatabase database;

  public CleanDatabase(String... setUp) {
    this.setUp = setUp;
  }

  /** SQL for a table of rows numbered from 1, with a text of 20 characters. */
  public static String table(String name, int rows) {
    return "CREATE TABLE %s AS SELECT i::bigint AS id, lpad(i::text, 20, 'x') AS v FROM generate_series(1, %d) i; ALTER TABLE %s ADD PRIMARY KEY (id); ANALYZE %s"
        .formatted(name, rows, name, name);
  }

  @Override
  public void beforeAll(ExtensionContext context) {
    database = TestPostgres.shared().createDatabase("clean");
    database.execute(setUp);
  }

  public TestDatabase database() {
    return database;
  }

  public ConnectionPool pool(int size) {
    return pool(database.connectionFactory(), size);
  }

  public ConnectionPool pool(ConnectionFactory factory, int size) {
    ConnectionPool pool = database.pool(factory, size);
    pools.add(pool);
    return pool;
  }

  public TcpProxy proxy() {
    TcpProxy proxy = TcpProxy.to(database.host(), database.port());
    proxies.add(proxy);
    return proxy;
  }

  public PostgresqlConnectionFactory through(TcpProxy proxy) {
    return new PostgresqlConnectionFactory(
        database
            .configuration()
            .host(proxy.host())
            .port(proxy.port())
            .connectTimeout(Duration.ofSeconds(2))
            .build());
  }

  /** Waits until nothing is borrowed and the server has nothing to do. */
  public void awaitQuiet() {
    await()
        .atMost(PATIENCE)
        .pollInterval(Duration.ofMillis(20))
        .untilAsserted(
            () -> {
              for (ConnectionPool pool : pools) {
                if (pool.isDisposed()) {
                  continue; // While it lent some, perhaps: then it may have lost count of them.
                }
                PoolMetrics metrics = pool.getMetrics().orElseThrow();
                assertThat(metrics.acquiredSize()).as("connections borrowed").isZero();
                assertThat(metrics.pendingAcquireSize()).as("waiting for a connection").isZero();
              }
              assertThat(database.running()).as("running queries").isEmpty();
              assertThat(database.idleInTransaction()).as("open transactions").isEmpty();
              assertThat(database.holdingXmin()).as("snapshots").isEmpty();
            });
  }

  @Override
  public void afterEach(ExtensionContext context) {
    try {
      awaitQuiet();
    } finally {
      pools.forEach(pool -> pool.disposeLater().onErrorComplete().block(PATIENCE));
      pools.clear();
      proxies.forEach(TcpProxy::close);
      proxies.clear();
    }
    await()
        .atMost(PATIENCE)
        .untilAsserted(() -> assertThat(database.sessions()).as("connections left").isEmpty());
  }

  @Override
  public void afterAll(ExtensionContext context) {
    database.close();
  }
}
