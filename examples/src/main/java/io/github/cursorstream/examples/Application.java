package io.github.cursorstream.examples;

import io.github.cursorstream.testing.TestDatabase;
import io.r2dbc.postgresql.api.PostgresqlConnection;
import io.r2dbc.spi.R2dbcException;
import io.r2dbc.spi.Result;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.stream.Collectors;
import reactor.core.publisher.Flux;

/** What goes on beside {@link CrashTest}: rows come and go, in transactions of its own. */
final class Application implements AutoCloseable {

  private static final Duration PATIENCE = Duration.ofSeconds(30);

  private final PostgresqlConnection connection;
  private final Random random;
  private final long upper;
  private final int step;
  private final List<Long> ids = new ArrayList<>();
  private final Thread thread = new Thread(this::run, "application");
  private volatile long position;
  private volatile boolean stopping;

  // To be read when it has stopped.
  private long deleted;
  private long inserts;
  private long deletes;
  private long conflicts;

  /** Begins. Ids that are multiples of the step are left alone. */
  Application(TestDatabase database, long seed, int rows, int step) {
    this.connection = database.connectionFactory().create().blockOptional(PATIENCE).orElseThrow();
    this.random = new Random(seed);
    this.upper = (long) rows * step;
    this.step = step;
    thread.start();
  }

  /** About where the run is. */
  void position(long now) {
    position = now;
  }

  /** The sum of n of the rows that are gone, once it has stopped. */
  long deleted() {
    return deleted;
  }

  private void run() {
    while (!stopping) {
      try {
        transaction();
        Thread.sleep(random.nextInt(30));
      } catch (InterruptedException e) {
        return;
      }
    }
  }

  private void transaction() throws InterruptedException {
    List<Long> more = new ArrayList<>();
    for (int i = random.nextInt(40); i > 0; i--) {
      more.add(id());
    }
    List<Long> less = new ArrayList<>();
    for (int i = Math.min(ids.size(), random.nextInt(30)); i > 0; i--) {
      less.add(ids.get(random.nextInt(ids.size())));
    }
    try {
      numbers("BEGIN");
      long added =
          more.isEmpty()
              ? 0
              : numbers(
                      "INSERT INTO item (id) VALUES (%s) ON CONFLICT DO NOTHING RETURNING 1", more)
                  .size();
      Thread.sleep(random.nextInt(20));
      List<Long> gone =
          less.isEmpty()
              ? List.of()
              : numbers("DELETE FROM item WHERE id IN (%s) RETURNING n", less);
      Thread.sleep(random.nextInt(20));
      if (random.nextInt(10) == 0) {
        numbers("ROLLBACK");
        return;
      }
      numbers("COMMIT");
      ids.removeAll(less);
      ids.addAll(more);
      inserts += added;
      deletes += gone.size();
      deleted += gone.stream().mapToLong(Long::longValue).sum();
    } catch (R2dbcException e) {
      conflicts++; // With a batch: one of the two has to give way.
      numbers("ROLLBACK");
    }
  }

  /** Behind the place, at it, before it, or beyond the end. */
  private long id() {
    long around = position + random.nextInt(20_000) - 5_000;
    long id =
        switch (random.nextInt(4)) {
          case 0 -> upper + random.nextInt(10_000);
          case 1 -> random.nextLong(upper);
          default -> Math.max(0, Math.min(around, upper - 1));
        };
    return id / step * step + 1 + random.nextInt(step - 1);
  }

  private List<Long> numbers(String sql, List<Long> ids) {
    boolean rows = sql.startsWith("INSERT");
    return numbers(
        sql.formatted(
            ids.stream()
                .distinct()
                .map(String::valueOf)
                .collect(Collectors.joining(rows ? "), (" : ", "))));
  }

  private List<Long> numbers(String sql) {
    return Flux.from(connection.createStatement(sql).execute())
        .concatMap(
            (Result result) -> result.map((row, metadata) -> ((Number) row.get(0)).longValue()))
        .collectList()
        .blockOptional(PATIENCE)
        .orElseThrow();
  }

  /** Ends what it is in. */
  void stop() {
    stopping = true;
    try {
      thread.join();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  @Override
  public void close() {
    stop();
    connection.close().block(PATIENCE);
  }

  @Override
  public String toString() {
    return "%d rows inserted, %d deleted, %d of them counted, %d conflicts"
        .formatted(inserts, deletes, deleted, conflicts);
  }
}
