package io.github.cursorstream.benchmarks;

import java.util.List;
import java.util.function.ToDoubleFunction;

/** What a race came to, for people to read. */
final class RaceTable {

  private RaceTable() {}

  static void print(List<Result> results) {
    System.out.printf(
        "  %-38s %9s %15s %7s %10s %8s %9s %8s %8s %7s %6s%n",
        "",
        "seconds",
        "least–most",
        "× first",
        "statements",
        "trips",
        "buffers/r",
        "client s",
        "server s",
        "bytes/r",
        "MB");
    Result first = results.get(0);
    for (Result result : results) {
      Spread seconds = result.spread(Cost::seconds);
      System.out.printf(
          "  %-38s %9.3f %15s %7.2f %,10d %,8d %9.3f %8s %8s %7s %6s%n",
          result.contender(),
          seconds.median(),
          "%.2f–%.2f".formatted(seconds.min(), seconds.max()),
          result.ratio(first, Cost::seconds).median(),
          result.counts().statements(),
          result.counts().roundTrips(),
          result.buffersPerRow(),
          number(result, Cost::clientCpu),
          number(result, Cost::serverCpu),
          Spread.number(Math.rint(result.median(Cost::allocated) / result.rows())),
          number(result, Cost::heap));
    }
    double others = results.stream().mapToDouble(r -> r.median(Cost::otherCpu)).sum();
    double seconds = results.stream().mapToDouble(r -> r.median(Cost::seconds)).sum();
    System.out.printf(
        "  Others took %s of the %d processors meanwhile.%n",
        Spread.number(others / seconds), Runtime.getRuntime().availableProcessors());
  }

  private static String number(Result result, ToDoubleFunction<Cost> what) {
    return Spread.number(result.median(what));
  }
}
