package io.github.cursorstream.benchmarks;

import io.github.cursorstream.testing.TcpProxy;
import io.github.cursorstream.testing.TestDatabase;
import io.r2dbc.pool.ConnectionPool;
import io.r2dbc.postgresql.PostgresqlConnectionFactory;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.concurrent.locks.LockSupport;
import javax.sql.DataSource;
import org.springframework.jdbc.datasource.SingleConnectionDataSource;
import reactor.netty.resources.LoopResources;

/**
 * Where contenders connect to, straight or through a proxy, and all that they have opened there.
 */
final class Target implements AutoCloseable {

  /** Odd, because the driver spreads connections badly over an even number. */
  private static final int EVENT_LOOPS = 3;

  private static final Duration PATIENCE = Duration.ofSeconds(10);

  private final TestDatabase database;
  private final String host;
  private final int port;
  private final LoopResources loops = LoopResources.create("benchmark", EVENT_LOOPS, true);
  private final Deque<Runnable> closings = new ArrayDeque<>();
  private final Runnable closeLast;

  private Target(TestDatabase database, String host, int port, Runnable closeLast) {
    this.database = database;
    this.host = host;
    this.port = port;
    this.closeLast = closeLast;
  }

  static Target of(TestDatabase database) {
    return new Target(database, database.host(), database.port(), () -> {});
  }

  /** The proxy is closed with the target. */
  static Target through(TcpProxy proxy, TestDatabase database) {
    return new Target(database, proxy.host(), proxy.port(), proxy::close);
  }

  TestDatabase database() {
    return database;
  }

  String host() {
    return host;
  }

  int port() {
    return port;
  }

  /** For what a pass keeps open. */
  void onClose(Runnable closing) {
    closings.push(closing);
  }

  /** A pool with binary transfer, as is recommended. */
  ConnectionPool pool(int size) {
    return pool(size, true);
  }

  ConnectionPool pool(int size, boolean binary) {
    ConnectionPool pool =
        database.pool(
            new PostgresqlConnectionFactory(
                database
                    .configuration()
                    .host(host)
                    .port(port)
                    .forceBinary(binary)
                    .loopResources(loops)
                    .build()),
            size);
    onClose(() -> pool.disposeLater().block());
    return pool;
  }

  /**
   * A JDBC connection that stays open.
   *
   * @param parameters of the driver, such as {@code prepareThreshold=-1}
   */
  DataSource jdbc(String parameters) {
    SingleConnectionDataSource source =
        new SingleConnectionDataSource(
            "jdbc:postgresql://%s:%d/%s?%s".formatted(host, port, database.name(), parameters),
            database.user(),
            database.password(),
            true);
    onClose(source::destroy);
    return source;
  }

  /** Returns when the server has ended the sessions, and so has added up what they did. */
  @Override
  public void close() {
    while (!closings.isEmpty()) {
      closings.pop().run();
    }
    long deadline = System.nanoTime() + PATIENCE.toNanos();
    // Before what carries them is taken away: some are closed once their last answer is there.
    while (!database.sessions().isEmpty()) {
      if (System.nanoTime() > deadline) {
        throw new IllegalStateException("sessions are left: " + database.sessions());
      }
      LockSupport.parkNanos(Duration.ofMillis(5).toNanos());
    }
    loops.disposeLater(Duration.ZERO, PATIENCE).block();
    closeLast.run();
  }
}
