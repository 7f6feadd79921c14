package io.github.cursorstream.testing;

import io.r2dbc.pool.ConnectionPool;
import io.r2dbc.pool.ConnectionPoolConfiguration;
import io.r2dbc.postgresql.PostgresqlConnectionConfiguration;
import io.r2dbc.postgresql.PostgresqlConnectionFactory;
import io.r2dbc.spi.ConnectionFactory;
import java.time.Duration;
import java.util.List;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicBoolean;
import org.jspecify.annotations.Nullable;

/**
 * A database of one's own on a {@link TestPostgres}, ways to connect to it, and what the server
 * sees of those who did.
 *
 * <p>{@link #execute}, {@link #query} and the like block and run on a connection of their own, each
 * call on a new one. They must not be called from an event loop.
 */
public final class TestDatabase implements AutoCloseable {

  private static final String OTHER_CLIENTS =
      "backend_type = 'client backend' AND application_name <> '"
          + BlockingSql.APPLICATION_NAME
          + "'";

  private static final Duration POOL_TIMEOUT = Duration.ofSeconds(10);

  private final Login login;
  private final BlockingSql sql;
  private final Runnable drop;
  private final Queue<ConnectionPool> pools = new ConcurrentLinkedQueue<>();
  private final AtomicBoolean closed = new AtomicBoolean();

  TestDatabase(Login login, Runnable drop) {
    this.login = login;
    this.sql = new BlockingSql(login);
    this.drop = drop;
  }

  /**
   * Where the server listens.
   *
   * @return a host name or address
   */
  public String host() {
    return login.host();
  }

  /**
   * Where the server listens; a restart does not change it.
   *
   * @return a TCP port
   */
  public int port() {
    return login.port();
  }

  /**
   * The name of this database.
   *
   * @return a name that needs no quotes
   */
  public String name() {
    return login.database();
  }

  /**
   * Whom to log in as.
   *
   * @return the user's name
   */
  public String user() {
    return login.user();
  }

  /**
   * What to log in with.
   *
   * @return the user's password
   */
  public String password() {
    return login.password();
  }

  /**
   * A driver configuration that leads here, for options of one's own: {@code
   * configuration().forceBinary(true).build()}, or through a proxy: {@code
   * configuration().host(proxy.host()).port(proxy.port()).build()}.
   *
   * @return a new builder with address, login and a connect time-out of 10 s
   */
  public PostgresqlConnectionConfiguration.Builder configuration() {
    return login.configuration();
  }

  /**
   * Connections straight from the driver, with its defaults.
   *
   * @return a new factory
   */
  public PostgresqlConnectionFactory connectionFactory() {
    return new PostgresqlConnectionFactory(configuration().build());
  }

  /**
   * A pool over {@link #connectionFactory()}; the same as {@code pool(connectionFactory(),
   * maxSize)}.
   *
   * @param maxSize the most connections at a time
   * @return a new pool
   */
  public ConnectionPool pool(int maxSize) {
    return pool(connectionFactory(), maxSize);
  }

  /**
   * A pool that starts empty and gives up after 10 s, be it on acquiring or connecting. It
   * validates locally, which takes no time to limit. It is disposed of with this database at the
   * latest.
   *
   * @param connections where the connections come from
   * @param maxSize the most connections at a time
   * @return a new pool
   */
  public ConnectionPool pool(ConnectionFactory connections, int maxSize) {
    ConnectionPool pool =
        new ConnectionPool(
            ConnectionPoolConfiguration.builder(connections)
                .initialSize(0)
                .maxSize(maxSize)
                .maxAcquireTime(POOL_TIMEOUT)
                .maxCreateConnectionTime(POOL_TIMEOUT)
                .build());
    pools.add(pool);
    return pool;
  }

  /**
   * Runs statements one after the other, each in a transaction of its own.
   *
   * @param statements SQL without parameters
   * @return the rows affected by all of them
   */
  public long execute(String... statements) {
    return sql.execute(statements);
  }

  /**
   * Runs a query and reads all of it.
   *
   * @param query SQL without parameters
   * @return the rows, each the values of its columns as the driver decodes them
   */
  public List<List<@Nullable Object>> query(String query) {
    return sql.query(query);
  }

  /**
   * Runs a query for one number, such as {@code SELECT count(*) FROM orders}.
   *
   * @param query SQL without parameters
   * @return the first column of the only row
   */
  public long count(String query) {
    List<List<@Nullable Object>> rows = query(query);
    if (rows.size() != 1 || !(rows.get(0).get(0) instanceof Number number)) {
      throw new IllegalArgumentException("one row with a number required but it was " + rows);
    }
    return number.longValue();
  }

  /**
   * What the server sees: the sessions in this database, without those of the helpers here.
   *
   * @return a snapshot, by process id
   */
  public List<Session> sessions() {
    return query(
            "SELECT pid, coalesce(state, ''), application_name, query, backend_xmin::text"
                + " FROM pg_stat_activity"
                + " WHERE datname = current_database() AND "
                + OTHER_CLIENTS
                + " ORDER BY pid")
        .stream()
        .map(Session::of)
        .toList();
  }

  /**
   * Sessions that have a transaction open and run nothing in it.
   *
   * @return a snapshot, by process id
   */
  public List<Session> idleInTransaction() {
    return sessions().stream().filter(s -> s.state().startsWith("idle in transaction")).toList();
  }

  /**
   * Sessions that run a statement.
   *
   * @return a snapshot, by process id
   */
  public List<Session> running() {
    return sessions().stream().filter(s -> s.state().equals("active")).toList();
  }

  /**
   * Sessions with a snapshot open, which keeps dead rows from being vacuumed.
   *
   * @return a snapshot, by process id
   */
  public List<Session> holdingXmin() {
    return sessions().stream().filter(s -> s.backendXmin() != null).toList();
  }

  /**
   * Ends all {@link #sessions()} as an administrator would, with SQLSTATE 57P01, and waits up to 5
   * s for each to be gone.
   *
   * @return how many were ended
   */
  public long terminateBackends() {
    return count(
        "SELECT count(*) FILTER (WHERE pg_terminate_backend(pid, 5000)) FROM pg_stat_activity"
            + " WHERE datname = current_database() AND "
            + OTHER_CLIENTS);
  }

  /**
   * Disposes of the pools and drops the database; sessions that are left are ended. Does nothing
   * the second time.
   */
  @Override
  public void close() {
    if (closed.compareAndSet(false, true)) {
      // A pool may fail to close, for one whose event loops are gone; the database goes anyway.
      pools.forEach(pool -> pool.disposeLater().onErrorComplete().subscribe());
      drop.run();
    }
  }

  /** Where this is, without the password. */
  @Override
  public String toString() {
    return login.toString();
  }

  /**
   * A session as {@code pg_stat_activity} has it.
   *
   * @param pid the server process
   * @param state {@code active}, {@code idle}, {@code idle in transaction} and so on
   * @param applicationName what the client calls itself
   * @param query the statement that runs, or the last one that did
   * @param backendXmin the oldest transaction its snapshot needs, null without a snapshot
   */
  public record Session(
      int pid, String state, String applicationName, String query, @Nullable String backendXmin) {

    private static Session of(List<@Nullable Object> row) {
      if (row.get(0) instanceof Integer pid
          && row.get(1) instanceof String state
          && row.get(2) instanceof String applicationName
          && row.get(3) instanceof String query) {
        return new Session(pid, state, applicationName, query, (String) row.get(4));
      }
      throw new IllegalStateException("not a session: " + row);
    }
  }
}
