package io.github.cursorstream.testing;

import io.zonky.test.db.postgres.embedded.EmbeddedPostgres;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.ProcessBuilder.Redirect;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;

/** A server of our own, unpacked from the class path, its data in a temporary directory. */
final class EmbeddedServer implements Server {

  private static final Duration PATIENCE = Duration.ofSeconds(60);

  private final Map<String, String> settings;
  private final Path directory;
  private final Path data;
  private final Path log;
  private final Login login;
  private final Thread hook = new Thread(this::remove, "postgres-stop");
  private @Nullable EmbeddedPostgres running;

  EmbeddedServer(Map<String, String> settings) {
    this.settings = settings;
    try {
      this.directory = Files.createTempDirectory("cursorstream-postgres");
    } catch (IOException e) {
      throw new UncheckedIOException("No directory for PostgreSQL's data", e);
    }
    this.data = directory.resolve("data");
    this.log = directory.resolve("postgres.log");
    Runtime.getRuntime().addShutdownHook(hook);
    EmbeddedPostgres first = launch(0);
    this.running = first;
    this.login = new Login("localhost", first.getPort(), "postgres", "postgres", "postgres");
  }

  @Override
  public Login login() {
    return login;
  }

  @Override
  public String kind() {
    return "embedded";
  }

  @Override
  public synchronized void start() {
    if (running == null) {
      running = launch(login.port());
    }
  }

  private EmbeddedPostgres launch(int port) {
    // The output goes to a file: through a pipe it would end in the log, line by line.
    EmbeddedPostgres.Builder builder =
        EmbeddedPostgres.builder()
            .setDataDirectory(data)
            .setCleanDataDirectory(false)
            .setRegisterShutdownHook(false)
            .setPort(port)
            .setPGStartupWait(PATIENCE)
            .setLocaleConfig("locale", locale())
            .setOutputRedirector(Redirect.appendTo(log.toFile()));
    settings.forEach(builder::setServerConfig);
    try {
      return builder.start();
    } catch (IOException | RuntimeException e) {
      throw new IllegalStateException(
          "The embedded PostgreSQL did not start: %s; its last words: %s"
              .formatted(e.getMessage(), lastWords()),
          e);
    }
  }

  /** Both order by code point; only Linux has the former everywhere. */
  private static String locale() {
    String os = System.getProperty("os.name", "").toLowerCase(Locale.ROOT);
    return os.contains("linux") ? "C.UTF-8" : "C";
  }

  private String lastWords() {
    try {
      List<String> lines = Files.readAllLines(log);
      return String.join("\n", lines.subList(Math.max(0, lines.size() - 10), lines.size()));
    } catch (IOException e) {
      return "none (" + e + ")";
    }
  }

  @Override
  public synchronized void stop() {
    if (running == null) {
      return;
    }
    try {
      running.close();
    } catch (IOException e) {
      throw new UncheckedIOException("The embedded PostgreSQL did not stop", e);
    }
    running = null;
    awaitTheEnd();
  }

  /** The library waits 5 s for the server to stop and then says so in a log line only. */
  private void awaitTheEnd() {
    long deadline = System.nanoTime() + PATIENCE.toNanos();
    while (Files.exists(data.resolve("postmaster.pid"))) {
      if (System.nanoTime() - deadline > 0) {
        throw new IllegalStateException(
            "The embedded PostgreSQL did not stop; its last words: " + lastWords());
      }
      LockSupport.parkNanos(Duration.ofMillis(20).toNanos());
    }
  }

  @Override
  public void close() {
    try {
      Runtime.getRuntime().removeShutdownHook(hook);
    } catch (IllegalStateException e) {
      return; // The JVM is going down and the hook is at work.
    }
    remove();
  }

  private synchronized void remove() {
    stop();
    if (!Files.exists(directory)) {
      return;
    }
    try (var files = Files.walk(directory)) {
      for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
        Files.delete(file);
      }
    } catch (IOException e) {
      throw new UncheckedIOException("PostgreSQL's data was left in " + directory, e);
    }
  }
}
