package io.github.cursorstream.examples;

import io.github.cursorstream.examples.Example.Result;
import io.github.cursorstream.examples.Example.Stopwatch;
import io.github.cursorstream.r2dbc.keyset.CursorBasedRepository;
import io.github.cursorstream.r2dbc.keyset.KeyRange;
import io.github.cursorstream.r2dbc.keyset.Keyset;
import io.github.cursorstream.testing.TestDatabase;
import io.r2dbc.pool.ConnectionPool;
import io.r2dbc.postgresql.PostgresqlConnectionFactory;
import java.util.List;
import java.util.Objects;
import reactor.core.publisher.Flux;
import reactor.core.publisher.Mono;
import reactor.netty.resources.LoopResources;

/** Reads a table over several connections: its keys are cut into ranges, each a stream. */
public final class ParallelRanges {

  private static final int RANGES = 8;
  private static final int AT_ONCE = 4;

  /** Of an even number of event loops the driver uses only half, hence three. */
  private static final LoopResources LOOPS = LoopResources.create("ranges", 3, true);

  private record Total(long count, long ids, long cents) {

    static final Total ZERO = new Total(0, 0, 0);

    Total add(User user) {
      return new Total(
          count + 1, ids + user.id(), cents + user.balance().unscaledValue().longValue());
    }

    Total add(Total other) {
      return new Total(count + other.count, ids + other.ids, cents + other.cents);
    }
  }

  private final CursorBasedRepository<User> users;

  private ParallelRanges(CursorBasedRepository<User> users) {
    this.users = users;
  }

  public static void main(String[] args) {
    Example.main("ParallelRanges", database -> run(database, 2_000_000));
  }

  static Result run(TestDatabase database, int rows) {
    System.out.printf(
        "A table is cut into %d ranges of its key, read %d at once,%n", RANGES, AT_ONCE);
    System.out.printf("and compared with one stream over the same table.%n%n");
    Tables.createUsers(database, rows);
    return new ParallelRanges(
            CursorBasedRepository.create(pool(database), Keyset.table("users"), User.class))
        .compare(database);
  }

  private static ConnectionPool pool(TestDatabase database) {
    return database.pool(
        new PostgresqlConnectionFactory(
            database.configuration().forceBinary(true).loopResources(LOOPS).build()),
        AT_ONCE);
  }

  private Result compare(TestDatabase database) {
    one().block(); // Warm-up, so that the second does not profit from the first.
    parallel().collectList().block();

    Stopwatch oneTime = Stopwatch.start();
    Total one = Objects.requireNonNull(one().block());
    double oneSeconds = oneTime.seconds();

    Stopwatch rangesTime = Stopwatch.start();
    List<Total> parts = Objects.requireNonNull(parallel().collectList().block());
    double rangesSeconds = rangesTime.seconds();
    return verdict(database, one, oneSeconds, parts, rangesSeconds);
  }

  private Mono<Total> one() {
    return users.cursorBasedStream(o -> o.prefetch(1)).reduce(Total.ZERO, Total::add);
  }

  private Flux<Total> parallel() {
    return users.ranges(RANGES).flatMap(this::read, AT_ONCE);
  }

  private Mono<Total> read(KeyRange range) {
    return users.cursorBasedStream(o -> o.within(range)).reduce(Total.ZERO, Total::add);
  }

  private static Result verdict(
      TestDatabase database, Total one, double oneSeconds, List<Total> parts, double seconds) {
    List<?> row =
        database
            .query("SELECT count(*), sum(id)::bigint, sum(balance * 100)::bigint FROM users")
            .get(0);
    Total server = new Total(number(row.get(0)), number(row.get(1)), number(row.get(2)));
    Total ranges = parts.stream().reduce(Total.ZERO, Total::add);
    long largest = parts.stream().mapToLong(Total::count).max().orElse(0);
    long smallest = parts.stream().mapToLong(Total::count).min().orElse(0);
    System.out.printf("One stream    %,10d users in %.2f s%n", one.count, oneSeconds);
    System.out.printf(
        "%d ranges      %,10d users in %.2f s, in the order of their ends:%n",
        parts.size(), ranges.count, seconds);
    parts.forEach(part -> System.out.printf("  a range of  %,10d users%n", part.count));
    boolean same = one.equals(server) && ranges.equals(server);
    System.out.printf(
        "%nBoth have the server's count, sum of ids and sum of balances: %s%n", Example.yes(same));
    System.out.printf(
        "The largest range is %.2f times the mean.%n",
        largest * parts.size() / (double) server.count);
    return new Result(
        "ParallelRanges",
        "rows=%d smallest=%d largest=%d one=%.2fs ranges=%.2fs speedup=%.2f"
            .formatted(server.count, smallest, largest, oneSeconds, seconds, oneSeconds / seconds),
        same);
  }

  private static long number(Object value) {
    return ((Number) value).longValue();
  }
}
