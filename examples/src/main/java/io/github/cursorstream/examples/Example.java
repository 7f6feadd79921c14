package io.github.cursorstream.examples;

import io.github.cursorstream.r2dbc.store.PostgresRunStore;
import io.github.cursorstream.run.Run;
import io.github.cursorstream.run.RunHandle;
import io.github.cursorstream.run.RunKind;
import io.github.cursorstream.run.Runner;
import io.github.cursorstream.testing.TestDatabase;
import io.github.cursorstream.testing.TestPostgres;
import io.r2dbc.pool.ConnectionPool;
import io.r2dbc.postgresql.PostgresqlConnectionConfiguration;
import io.r2dbc.postgresql.PostgresqlConnectionFactory;
import io.r2dbc.spi.ConnectionFactories;
import io.r2dbc.spi.ConnectionFactory;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
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

  private static final String DATABASE_URL = "DATABASE_URL";

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

  /**
   * Starts a main class in a JVM of its own, which can be killed. It is given the database, and
   * what it prints can be read; its errors are printed here.
   */
  static Process start(Class<?> main, TestDatabase db, String... args) throws IOException {
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    command.addAll(List.of("-Xmx96m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"));
    command.add("-Dio.netty.leakDetection.level=disabled");
    command.addAll(List.of("-cp", System.getProperty("java.class.path"), main.getName()));
    command.addAll(List.of(args));
    ProcessBuilder builder = new ProcessBuilder(command);
    builder
        .environment()
        .put(
            DATABASE_URL,
            "r2dbc:pool:postgresql://%s:%s@%s:%d/%s?forceBinary=true&maxSize=8&initialSize=0&maxAcquireTime=PT10S"
                .formatted(db.user(), db.password(), db.host(), db.port(), db.name()));
    return builder.redirectError(ProcessBuilder.Redirect.INHERIT).start();
  }

  /** In a process that was started: the pool over the database that it was given. */
  static ConnectionFactory connections() {
    return ConnectionFactories.get(System.getenv(DATABASE_URL));
  }

  /**
   * In a process that was started: works, tells that it does, and leaves when its input ends, which
   * is when it is told to, and when whoever started it is gone.
   */
  static void node(Runner runner) throws IOException {
    System.out.println("ready");
    while (System.in.read() >= 0) {
      // Nothing is said to it.
    }
    runner.shutdown(Duration.ofSeconds(5)).block();
    System.exit(0);
  }

  /** A run that this process looks at and steers, while others work on it. */
  static RunHandle created(PostgresRunStore store, RunKind kind) {
    Run run = store.create(kind.newRun(), "operator").blockOptional().orElseThrow();
    return Runner.create(store, o -> o.owner("operator")).handle(run.id());
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
