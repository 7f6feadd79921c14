package io.github.cursorstream.testing;

import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;
import java.util.UUID;
import org.jspecify.annotations.Nullable;

/**
 * A PostgreSQL server for tests and examples.
 *
 * <p>System properties say which:
 *
 * <ul>
 *   <li>{@code -Dpostgres=embedded}, the default: a process of its own from binaries on the class
 *       path. It and its directory outlive a JVM that is killed with SIGKILL.
 *   <li>{@code -Dpostgres=testcontainers}: a container of {@code -Dpostgres.image}, by default
 *       {@code postgres:18}.
 *   <li>{@code -Dpostgres.url=postgres://user:password@host:port/database}: an existing server,
 *       whatever {@code postgres} says. The user must be allowed to create databases, and to
 *       terminate sessions where a test does that.
 * </ul>
 *
 * <p>Servers of our own run with {@code fsync=off} and {@code synchronous_commit=off} unless told
 * otherwise, 200 connections, UTF-8, order by code point and UTC. All methods block; none prints.
 *
 * <pre>{@code
 * try (TestDatabase database = TestPostgres.shared().createDatabase("orders")) {
 *   database.execute("CREATE TABLE orders (id bigint PRIMARY KEY)");
 * }
 * }</pre>
 */
public final class TestPostgres implements AutoCloseable {

  private static final List<String> SETTINGS =
      List.of("server_version", "fsync", "synchronous_commit", "max_connections", "shared_buffers");

  private static @Nullable TestPostgres shared;

  private final Server server;
  private final boolean isShared;
  private final BlockingSql sql;
  private volatile boolean stopped;

  private TestPostgres(Server server, boolean isShared) {
    this.server = server;
    this.isShared = isShared;
    this.sql = new BlockingSql(server.login());
  }

  /**
   * The server that everybody in this JVM shares: started by the first call, stopped when the JVM
   * exits. It can be neither closed nor restarted; its databases keep its users apart.
   *
   * @return the one server of this JVM
   * @throws IllegalStateException if the server does not start
   */
  public static synchronized TestPostgres shared() {
    if (shared == null) {
      shared = new TestPostgres(Server.create(), true);
    }
    return shared;
  }

  /**
   * Starts a server of the caller's own, which must be closed. An existing server is used as it is,
   * provided that it runs with the settings asked for.
   *
   * @param settings server settings as {@code name=value}, for example {@code "fsync=on",
   *     "synchronous_commit=on"}
   * @return the running server
   * @throws IllegalStateException if the server does not start
   * @throws UnsupportedOperationException if an existing server has other settings
   */
  public static TestPostgres start(String... settings) {
    return new TestPostgres(Server.create(settings), false);
  }

  /** As {@link #start} does, for a server that the system properties did not choose. */
  static TestPostgres on(Server server) {
    return new TestPostgres(server, false);
  }

  /**
   * Creates a database of the caller's own; the same as {@code createDatabase("test")}.
   *
   * @return the new, empty database
   */
  public TestDatabase createDatabase() {
    return createDatabase("test");
  }

  /**
   * Creates a database of the caller's own.
   *
   * @param prefix what its name begins with; a unique suffix follows
   * @return the new, empty database, in UTF-8; closing drops it
   */
  public TestDatabase createDatabase(String prefix) {
    Objects.requireNonNull(prefix, "prefix");
    if (!prefix.matches("[a-z][a-z0-9_]{0,39}")) {
      throw new IllegalArgumentException(
          "prefix of a to z, 0 to 9 and _, at most 40, required but it was \"" + prefix + "\"");
    }
    String name = prefix + "_" + UUID.randomUUID().toString().substring(0, 13).replace("-", "");
    // template1 cannot be copied while somebody is connected to it.
    sql.execute("CREATE DATABASE " + name + " TEMPLATE template0 ENCODING 'UTF8'");
    return new TestDatabase(server.login().in(name), () -> drop(name));
  }

  private void drop(String name) {
    if (stopped) {
      return; // It goes with the server's data.
    }
    sql.execute("DROP DATABASE IF EXISTS " + name + " WITH (FORCE)");
  }

  /**
   * Reads a setting, as {@code SHOW} does.
   *
   * @param name the name of a server setting
   * @return its value for a new session
   */
  public String setting(String name) {
    return String.valueOf(sql.query("SHOW " + name).get(0).get(0));
  }

  /**
   * The server's major version. A test that runs on several of them makes its cases by it, and none
   * that the server cannot express.
   *
   * @return 18 for PostgreSQL 18.6
   */
  public int majorVersion() {
    return Integer.parseInt(setting("server_version_num")) / 10_000;
  }

  /**
   * The settings without which a measured speed means nothing, durability above all. Print them
   * wherever one is claimed.
   *
   * @return {@code server_version}, {@code fsync}, {@code synchronous_commit} and others, by name
   */
  public Map<String, String> settings() {
    Map<String, String> settings = new TreeMap<>();
    String names = "'" + String.join("', '", SETTINGS) + "'";
    sql.query("SELECT name, current_setting(name) FROM pg_settings WHERE name IN (" + names + ")")
        .forEach(row -> settings.put(String.valueOf(row.get(0)), String.valueOf(row.get(1))));
    return settings;
  }

  /**
   * Stops the server and keeps its data. Sessions end with SQLSTATE 57P01, then connections are
   * refused. Does nothing when the server is stopped.
   *
   * @throws UnsupportedOperationException if it is the shared or an existing server
   */
  public void stop() {
    own("stopped");
    server.stop();
    stopped = true;
  }

  /**
   * Starts the server again, on the same port and with the same data, having stopped it first if it
   * runs. Returns when it takes connections.
   *
   * @throws UnsupportedOperationException if it is the shared or an existing server
   */
  public void restart() {
    own("restarted");
    server.stop();
    server.start();
    stopped = false;
  }

  /**
   * Stops the server and removes its data; an existing server is left alone.
   *
   * @throws UnsupportedOperationException if it is the shared server
   */
  @Override
  public void close() {
    own("closed");
    stopped = true;
    server.close();
  }

  private void own(String what) {
    if (isShared) {
      throw new UnsupportedOperationException(
          "The shared server cannot be " + what + "; TestPostgres.start() gives one that can");
    }
  }

  /** What runs where, for example {@code "PostgreSQL (embedded) on localhost:34567"}. */
  @Override
  public String toString() {
    Login login = server.login();
    return "PostgreSQL (%s) on %s:%d".formatted(server.kind(), login.host(), login.port());
  }
}
