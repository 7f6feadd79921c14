package io.github.cursorstream.benchmarks;

import static io.github.cursorstream.benchmarks.Goal.atMost;

import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.Function;
import org.openjdk.jmh.results.RunResult;
import org.openjdk.jmh.runner.Runner;
import org.openjdk.jmh.runner.options.OptionsBuilder;
import org.openjdk.jmh.runner.options.TimeValue;
import org.openjdk.jmh.runner.options.VerboseMode;
import org.openjdk.jmh.util.Statistics;

/** The operators that are written by hand, by JMH, against those of Reactor. */
final class Operators implements Group {

  private static final String ALL = "all at once";
  private static final String PORTIONS = "256 at a time";

  @Override
  public String name() {
    return "operators";
  }

  @Override
  public void run(Lab lab) throws Exception {
    System.out.printf("%noperators, ns per item%n");
    Collection<RunResult> results =
        new Runner(
                new OptionsBuilder()
                    .include(PagesBenchmark.class.getName())
                    .include(FlatMapBenchmark.class.getName())
                    .forks(2)
                    .warmupIterations(lab.rounds())
                    .warmupTime(TimeValue.seconds(1))
                    .measurementIterations(lab.rounds())
                    .measurementTime(TimeValue.seconds(1))
                    .verbosity(VerboseMode.SILENT)
                    .build())
            .run();
    Map<String, Spread> spreads = new TreeMap<>();
    for (RunResult result : results) {
      String demand = result.getParams().getParam("demand");
      String method = result.getPrimaryResult().getLabel();
      spreads.put(
          demand == null ? method : method + ", " + (demand.length() > 3 ? ALL : PORTIONS),
          spread(result.getPrimaryResult().getStatistics()));
    }
    spreads.forEach(lab.report()::add);
  }

  private static Spread spread(Statistics statistics) {
    return new Spread(statistics.getMin(), statistics.getPercentile(50), statistics.getMax());
  }

  @Override
  public List<Goal> goals(Lab lab) {
    return List.of(
        atMost(
            1.3,
            "pages against Flux.fromIterable, per row, " + ALL,
            ratio("pages, " + ALL, "fromIterable, " + ALL)),
        atMost(
            1.3,
            "pages against Flux.fromIterable, per row, " + PORTIONS,
            ratio("pages, " + PORTIONS, "fromIterable, " + PORTIONS)),
        atMost(
            1.1,
            "adjustable flatMap against flatMap, asynchronous inners",
            ratio("adjustable", "flatMap")));
  }

  private static Function<Report, Spread> ratio(String ours, String theirs) {
    return report -> report.figure(ours).over(report.figure(theirs));
  }
}
