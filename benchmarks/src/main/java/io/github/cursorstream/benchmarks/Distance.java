package io.github.cursorstream.benchmarks;

import static io.github.cursorstream.benchmarks.Goal.atMost;
import static io.github.cursorstream.benchmarks.Goal.wall;

import io.github.cursorstream.benchmarks.Dataset.Shape;
import java.time.Duration;
import java.util.List;

/** The same with a network in between: a proxy delays what the server answers. */
final class Distance implements Group {

  private static final List<Duration> ROUND_TRIPS =
      List.of(Duration.ofNanos(500_000), Duration.ofMillis(2), Duration.ofMillis(10));

  @Override
  public String name() {
    return "distance";
  }

  @Override
  public void run(Lab lab) throws Exception {
    Dataset items = lab.dataset(Shape.MIXED, lab.rows() / 10);
    List<Contender> contenders =
        List.of(
            OurReaders.stream(Reading.PREFETCH_1, items, o -> o.prefetch(1)),
            OurReaders.stream(Reading.PREFETCH_0, items, o -> o),
            OurReaders.stream(Reading.READ_AHEAD_4, items, o -> o.readAhead(4)),
            OurReaders.ranges(Reading.RANGES_4, items, 4),
            R2dbcReaders.select(Reading.SELECT, items, true, 0),
            R2dbcReaders.select(Reading.SELECT_1000, items, true, 1000),
            JdbcReaders.cursor(Reading.JDBC_CURSOR, items, ""),
            JdbcReaders.keyset(Reading.JDBC_KEYSET, items, ""),
            SpringBatchReaders.paging(Reading.BATCH_PAGING, items),
            VertxReader.stream(Reading.VERTX, items),
            CopyReader.copy(Reading.COPY, items));
    for (Duration roundTrip : ROUND_TRIPS) {
      new Race(race(roundTrip), contenders).latency(roundTrip).run(lab);
    }
  }

  private static String race(Duration roundTrip) {
    return "distance " + roundTrip.toNanos() / 1e6 + " ms";
  }

  @Override
  public List<Goal> goals(Lab lab) {
    return List.of(
        atMost(
            0.40,
            "2 ms round trip: stream, readAhead 4, against JDBC keyset loop",
            wall(race(Duration.ofMillis(2)), Reading.READ_AHEAD_4, Reading.JDBC_KEYSET)));
  }
}
