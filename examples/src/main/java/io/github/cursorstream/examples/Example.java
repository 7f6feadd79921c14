package io.github.cursorstream.examples;

import io.github.cursorstream.testing.TestDatabase;
import io.github.cursorstream.testing.TestPostgres;
import io.r2dbc.pool.ConnectionPool;
import io.r2dbc.postgresql.PostgresqlConnectionConfiguration;
import io.r2dbc.postgresql.PostgresqlConnectionFactory;
import java.util.Locale;
import java.util.concurrent.Callable;

/** What the examples have in common: a server of their own, a pool, a last line. */
final class Example {

  /** An example, given a database that is empty and its own. */
  interface Body {
    Result run(TestDatabase database) throws Exception;
  }

  /**
   * How an example went.
   *
   * @param name the example
   * @param figures what it measured, as {@code name=value}
   * @param pass whether everything it claims was so
   */
  record Result(String name, String figures, boolean pass) {
    @Override
    public String toString() {
      return "RESULT %s %s %s".formatted(name, figures, pass ? "PASS" : "FAIL");
    }
  }

  private Example() {}

  /**
   * Runs an example with a server that goes when it ends, however it ends, and exits.
   *
   * @param settings of the server, as {@code name=value}
   */
  static void main(String name, Body body, String... settings) {
    main(
        name,
        () -> {
          try (TestPostgres server = TestPostgres.start(settings);
              TestDatabase database = server.createDatabase("examples")) {
            System.out.printf("%s, version %s%n%n", server, server.setting("server_version"));
            return body.run(database);
          }
        });
  }

  /** Runs an example that needs no database, and exits. */
  static void main(String name, Callable<Result> body) {
    Locale.setDefault(Locale.ROOT);
    Result result;
    try {
      result = body.call();
    } catch (Throwable e) {
      e.printStackTrace();
      result = new Result(name, "error=" + e.getClass().getSimpleName(), false);
    }
    System.out.printf("%n%s%n", result);
    System.exit(result.pass() ? 0 : 1);
  }

  /**
   * A pool that gives up after 10 s instead of waiting for ever. With {@code forceBinary} the
   * server sends numbers and times as they are rather than as text: rows are read twice as fast.
   */
  static ConnectionPool pool(TestDatabase database, int maxSize) {
    PostgresqlConnectionConfiguration configuration =
        database.configuration().forceBinary(true).build();
    return database.pool(new PostgresqlConnectionFactory(configuration), maxSize);
  }

  /** For people to read. */
  static String yes(boolean so) {
    return so ? "yes" : "NO";
  }

  /** Seconds since some moment. */
  record Stopwatch(long from) {
    static Stopwatch start() {
      return new Stopwatch(System.nanoTime());
    }

    double seconds() {
      return (System.nanoTime() - from) / 1e9;
    }

    @Override
    public String toString() {
      return "%.1f s".formatted(seconds());
    }
  }
}
