package io.github.cursorstream.benchmarks;

import static io.github.cursorstream.benchmarks.Goal.atLeast;
import static io.github.cursorstream.benchmarks.Goal.atMost;

import io.github.cursorstream.benchmarks.OurWriters.Account;
import io.github.cursorstream.benchmarks.OurWriters.Setup;
import io.github.cursorstream.r2dbc.backfill.Backfill;
import io.github.cursorstream.run.RunKind;
import java.sql.Connection;
import java.sql.Statement;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Function;
import java.util.stream.IntStream;
import javax.sql.DataSource;
import reactor.core.publisher.Mono;

/** What a batch costs beside its work: round trips, and the claim of the next one. */
final class Protocol implements Group {

  private static final String EXECUTE_TRIPS = "round trips per batch: execute";
  private static final String ROWS_TRIPS = "round trips per batch: processInTransaction";
  private static final String CLAIMS = "batches of one key, without work";
  private static final String SNAPSHOT = "claims under an old snapshot: last to first";

  private static final int BATCHES = 1000;
  private static final int KEYS = 10;

  @Override
  public String name() {
    return "protocol";
  }

  @Override
  public void run(Lab lab) throws Exception {
    System.out.printf("%nprotocol%n");
    lab.report().add(EXECUTE_TRIPS, trips(lab, OurWriters::execute));
    lab.report().add(ROWS_TRIPS, trips(lab, OurWriters::rows));

    Accounts keys = new Accounts(lab.database(), lab.rows() / 100);
    keys.fill();
    lab.database().execute("VACUUM (ANALYZE)"); // as autovacuum would, after all that came before
    new Race(
            CLAIMS,
            IntStream.of(1, 2, 4, 8)
                .mapToObj(
                    consumers ->
                        OurWriters.backfill(
                            consumers(consumers), keys, claiming(consumers), Protocol::nothing))
                .toList())
        .run(lab);

    lab.report().add(SNAPSHOT, underSnapshot(lab, keys));
  }

  private static String consumers(int count) {
    return "consumers: " + count;
  }

  /** Looking for work seldom, as that would be most of what is measured. */
  private static Setup claiming(int consumers) {
    return Setup.consumers(consumers).batch(1).poll(Duration.ofMillis(100));
  }

  private static RunKind nothing(Backfill<Account> backfill) {
    return backfill.process(batch -> Mono.just(1L));
  }

  /** What twice as many batches need more: all that is done once for a run falls out. */
  private static Spread trips(Lab lab, Function<Backfill<Account>, RunKind> work) throws Exception {
    long once = trips(lab, BATCHES, work);
    return Spread.of((double) (trips(lab, 2 * BATCHES, work) - once) / BATCHES);
  }

  private static long trips(Lab lab, int batches, Function<Backfill<Account>, RunKind> work)
      throws Exception {
    Accounts accounts = new Accounts(lab.database(), (long) batches * KEYS);
    accounts.fill();
    Setup setup = Setup.consumers(1).batch(KEYS).poll(Duration.ofSeconds(1));
    return lab.meter()
        .count(OurWriters.backfill("", accounts, setup, work), total -> {})
        .roundTrips();
  }

  /** Dead versions of the rows of a run cannot be removed, and each claim passes them. */
  private static Spread underSnapshot(Lab lab, Accounts keys) throws Exception {
    int claims = Math.toIntExact(keys.rows());
    int some = Math.max(1, claims / 200);
    long[] begun = new long[claims];
    AtomicInteger next = new AtomicInteger();
    double[] ratios = new double[lab.rounds()];
    try (Target target = Target.of(lab.database())) {
      DataSource source = target.jdbc("");
      var pass =
          OurWriters.backfill(
                  "",
                  keys,
                  claiming(1),
                  backfill ->
                      backfill.process(
                          batch -> {
                            begun[next.getAndIncrement()] = System.nanoTime();
                            return Mono.just(1L);
                          }))
              .over()
              .apply(target);
      for (int round = 0; round < ratios.length; round++) {
        lab.database().execute("VACUUM");
        next.set(0);
        try (Connection connection = source.getConnection();
            Statement statement = connection.createStatement()) {
          connection.setAutoCommit(false);
          connection.setTransactionIsolation(Connection.TRANSACTION_REPEATABLE_READ);
          statement.execute("SELECT count(*) FROM accounts");
          pass.call();
          connection.rollback();
          connection.setAutoCommit(true);
        }
        ratios[round] = median(begun, claims - some, some) / median(begun, some / 2 + 1, some);
      }
    }
    return Spread.of(Arrays.stream(ratios));
  }

  /** Of the times from one to the next. */
  private static double median(long[] times, int from, int count) {
    return Spread.of(IntStream.range(from, from + count).mapToDouble(i -> times[i] - times[i - 1]))
        .median();
  }

  @Override
  public List<Goal> goals(Lab lab) {
    return List.of(
        atMost(
            1.1,
            EXECUTE_TRIPS + " (1, and the ends of batches)",
            report -> report.figure(EXECUTE_TRIPS)),
        atMost(3.1, ROWS_TRIPS + " (3)", report -> report.figure(ROWS_TRIPS)),
        atLeast(
            6000,
            "claims per second, batches of one key, 4 consumers",
            report -> report.result(CLAIMS, consumers(4)).perSecond()),
        atMost(
            3,
            "claim %,d against claim %,d under a snapshot held open"
                .formatted(lab.rows() / 100, lab.rows() / 20_000),
            report -> report.figure(SNAPSHOT)));
  }
}
