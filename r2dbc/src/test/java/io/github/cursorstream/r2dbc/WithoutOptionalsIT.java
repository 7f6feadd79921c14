package io.github.cursorstream.r2dbc;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.cursorstream.r2dbc.backfill.Backfill;
import io.github.cursorstream.r2dbc.backfill.TableBatch;
import io.github.cursorstream.r2dbc.keyset.CleanDatabase;
import io.github.cursorstream.r2dbc.keyset.CursorBasedRepository;
import io.github.cursorstream.r2dbc.keyset.Keyset;
import io.github.cursorstream.r2dbc.store.PostgresRunStore;
import io.github.cursorstream.run.Runner;
import io.r2dbc.postgresql.PostgresqlConnectionConfiguration;
import io.r2dbc.postgresql.PostgresqlConnectionFactory;
import java.io.File;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import reactor.util.retry.Retry;

/**
 * Micrometer and r2dbc-pool are optional: without them on the class path everything but {@code
 * observe} works.
 */
@Timeout(60)
class WithoutOptionalsIT {

  private static final int ROWS = 250;

  @RegisterExtension
  static final CleanDatabase clean = new CleanDatabase(CleanDatabase.table("t", ROWS));

  /** Runs in a JVM of its own. */
  static final class Application {

    private Application() {}

    /** Reads, pages, cuts and explains, and prints the number of rows. */
    public static void main(String[] args) {
      assertAbsent("io.micrometer.observation.ObservationRegistry");
      assertAbsent("io.r2dbc.pool.ConnectionPool");
      System.out.println("rows " + read(args));
    }

    private static void assertAbsent(String type) {
      try {
        Class.forName(type);
        throw new IllegalStateException(type + " is there");
      } catch (ClassNotFoundException e) {
        // As it should be.
      }
    }

    private static long read(String[] args) {
      PostgresqlConnectionFactory connections =
          new PostgresqlConnectionFactory(
              PostgresqlConnectionConfiguration.builder()
                  .host(args[0])
                  .port(Integer.parseInt(args[1]))
                  .database(args[2])
                  .username(args[3])
                  .password(args[4])
                  .build());
      CursorBasedRepository<Long> rows =
          CursorBasedRepository.create(
              connections, Keyset.table("t"), row -> row.get("id", Long.class));
      Duration soon = Duration.ofSeconds(20);
      PostgresRunStore store = PostgresRunStore.create(connections);
      store.migrate().block(soon);
      Runner runner = Runner.create(store, o -> o.maxConsumers(9));
      runner.runToEnd(Backfill.over("all", rows).process(TableBatch::rows)).block(soon);
      runner.shutdown(soon).block(soon);
      rows.cursorBasedPage(o -> o.pageSize(5)).block(soon);
      rows.ranges(3).blockLast(soon);
      rows.explain().block(soon);
      return rows.cursorBasedStream(
              o -> o.pageSize(50).prefetch(1).timeout(soon).retry(Retry.max(1)))
          .count()
          .blockOptional(soon)
          .orElseThrow();
    }
  }

  @Test
  void streamsPagesRangesPlansAndRunsWork() throws IOException, InterruptedException {
    List<String> all =
        Arrays.asList(System.getProperty("java.class.path").split(File.pathSeparator, -1));
    String without =
        all.stream()
            .filter(path -> !path.contains("micrometer") && !path.contains("r2dbc-pool"))
            .collect(Collectors.joining(File.pathSeparator));
    assertThat(all)
        .anyMatch(path -> path.contains("reactor-core-micrometer"))
        .anyMatch(path -> path.contains("r2dbc-pool"));

    Process process =
        new ProcessBuilder(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-XX:TieredStopAtLevel=1",
                "-cp",
                without,
                Application.class.getName(),
                clean.database().host(),
                String.valueOf(clean.database().port()),
                clean.database().name(),
                clean.database().user(),
                clean.database().password())
            .redirectErrorStream(true)
            .start();
    try {
      String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
      assertThat(process.waitFor(30, TimeUnit.SECONDS)).isTrue();
      assertThat(output.strip()).endsWith("rows " + ROWS);
      assertThat(process.exitValue()).isZero();
    } finally {
      process.destroyForcibly();
    }
  }
}
