package io.github.cursorstream.examples;

import io.github.cursorstream.concurrency.Concurrency;
import io.github.cursorstream.examples.Example.Result;
import io.github.cursorstream.examples.Example.Stopwatch;
import io.github.cursorstream.r2dbc.keyset.CursorBasedRepository;
import io.github.cursorstream.r2dbc.keyset.Keyset;
import io.github.cursorstream.testing.TestDatabase;
import io.r2dbc.pool.ConnectionPool;
import java.math.BigDecimal;
import java.time.Duration;
import java.util.BitSet;
import java.util.concurrent.atomic.AtomicInteger;
import reactor.core.publisher.Mono;
import reactor.core.scheduler.Schedulers;

/** Reads a table as a Flux, and changes the number of its consumers while it runs. */
public final class Quickstart {

  private static final int PREFETCH = 1;

  private final int rows;
  private final ConnectionPool pool;
  private final PageQueries pages = new PageQueries();
  private final Concurrency limit = Concurrency.of(4);
  private final Stopwatch time = Stopwatch.start();

  // Written by doOnNext, one user at a time.
  private final BitSet seen = new BitSet();
  private final AtomicInteger done = new AtomicInteger();
  private int repeated;
  private BigDecimal balance = BigDecimal.ZERO;

  private int lastDone; // Of the last progress line.
  private double lastSeconds;

  // What a second's pause brought to light.
  private volatile int queriesInPause = -1;
  private volatile int connectionsInPause = -1;

  private Quickstart(TestDatabase database, int rows) {
    this.rows = rows;
    this.pool = Example.pool(database, 4);
  }

  public static void main(String[] args) {
    Example.main("Quickstart", database -> run(database, 1_000_000));
  }

  static Result run(TestDatabase database, int rows) {
    System.out.println(
        "A table is read as a Flux, page by page, only as fast as its consumers ask.");
    System.out.printf("Their number changes on the way: 4, 16, none for a second, 8.%n%n");
    Tables.createUsers(database, rows);
    return new Quickstart(database, rows).read(database);
  }

  private Result read(TestDatabase database) {
    CursorBasedRepository<User> users =
        CursorBasedRepository.create(pool, Keyset.table("users"), User.class)
            .defaults(o -> o.observe(pages.registry()));

    try (Progress progress = new Progress(this::line)) {
      progress.say("4 consumers");
      users
          .cursorBasedStream(o -> o.prefetch(PREFETCH))
          .transform(limit.flatMap(this::greet))
          .doOnNext(user -> take(user, progress))
          .then()
          .block();
    }
    return verdict(database);
  }

  /** The work on one user: some asynchronous call that takes a moment. */
  private Mono<User> greet(User user) {
    return Mono.delay(Duration.ofNanos(100_000)).thenReturn(user);
  }

  private void take(User user, Progress progress) {
    repeated += seen.get((int) user.id()) ? 1 : 0;
    seen.set((int) user.id());
    balance = balance.add(user.balance());
    int count = done.incrementAndGet();
    if (count == rows / 20) {
      progress.say("16 consumers");
      limit.set(16);
    } else if (count == rows * 7L / 10) {
      progress.say("0 consumers, for a second");
      limit.set(0);
      pause(progress).subscribe();
    }
  }

  private Mono<Void> pause(Progress progress) {
    int before = pages.sent();
    return Mono.delay(Duration.ofSeconds(1), Schedulers.boundedElastic())
        .doOnNext(
            tick -> {
              queriesInPause = pages.sent() - before;
              connectionsInPause = acquired();
              progress.say(
                  "  in that second: %d page queries (the look-ahead may owe %d), %d connections held"
                      .formatted(queriesInPause, PREFETCH, connectionsInPause));
              progress.say("8 consumers");
              limit.set(8);
            })
        .then();
  }

  private String line() {
    // The rate of the moment, not the mean: that is what the consumers change.
    double rate = (done.get() - lastDone) / (time.seconds() - lastSeconds);
    lastDone = done.get();
    lastSeconds = time.seconds();
    return "  %3d %%  %,9d users  %,6.0f/s  %,5d pages  %d connections in use  %2d consumers  heap %d MB"
        .formatted(
            100L * done.get() / rows,
            done.get(),
            rate,
            pages.sent(),
            acquired(),
            limit.get(),
            Progress.heapMegabytes());
  }

  private int acquired() {
    return pool.getMetrics().orElseThrow().acquiredSize();
  }

  private Result verdict(TestDatabase database) {
    long expected = database.count("SELECT count(*) FROM users");
    Object sum = database.query("SELECT sum(balance) FROM users").get(0).get(0);
    boolean complete = done.get() == expected && seen.cardinality() == expected && repeated == 0;
    boolean same = sum instanceof BigDecimal number && number.compareTo(balance) == 0;
    boolean rested = queriesInPause <= PREFETCH && connectionsInPause == 0;
    System.out.printf(
        "Every user came exactly once: %,d of %,d: %s%n",
        seen.cardinality(), expected, Example.yes(complete));
    System.out.printf(
        "The sum of their balances is the server's: %,.2f: %s%n", balance, Example.yes(same));
    System.out.printf(
        "Without consumers nothing was fetched, and no connection was held: %s%n",
        Example.yes(rested));
    return new Result(
        "Quickstart",
        "rows=%d pages=%d paused=%d seconds=%.1f"
            .formatted(done.get(), pages.sent(), queriesInPause, time.seconds()),
        complete && same && rested);
  }
}
