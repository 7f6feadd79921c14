package io.github.cursorstream.benchmarks;

import io.github.cursorstream.testing.TcpProxy;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.function.UnaryOperator;

/**
 * Contenders that do the same work in turn, A B C, A B C, so that what slows the machine down slows
 * down all of them. First each has a pass in which its queries are counted and one to warm up.
 * Every pass is checked.
 */
final class Race {

  private final String name;
  private final List<Contender> contenders;
  private Duration latency = Duration.ZERO;
  private int rounds;
  private Runnable before = () -> {};
  private UnaryOperator<Total> seen = total -> total;

  Race(Lab lab, String name, List<Contender> contenders) {
    this.name = name;
    this.contenders = contenders;
    this.rounds = lab.rounds();
  }

  /** What a proxy adds to each round trip. */
  Race latency(Duration roundTrip) {
    latency = roundTrip;
    return this;
  }

  /** What comes before each pass, and takes no time of it. */
  Race before(Runnable preparation) {
    before = preparation;
    return this;
  }

  /** What each pass came to, where it cannot say so itself. */
  Race seen(UnaryOperator<Total> check) {
    seen = check;
    return this;
  }

  void run(Lab lab) throws Exception {
    System.out.printf("%n%s%n", name);
    List<Counts> counts = new ArrayList<>();
    for (Contender contender : contenders) {
      before.run();
      counts.add(lab.meter().count(contender, total -> check(contender, total)));
    }
    List<List<Cost>> costs = new ArrayList<>();
    contenders.forEach(contender -> costs.add(new ArrayList<>()));
    try (Target target = target(lab)) {
      List<Callable<Total>> passes =
          contenders.stream().map(contender -> contender.over().apply(target)).toList();
      for (int round = 0; round <= rounds; round++) {
        for (int i = 0; i < passes.size(); i++) {
          before.run();
          Meter.Measured measured = lab.meter().measure(passes.get(i));
          check(contenders.get(i), measured.total());
          if (round > 0) {
            costs.get(i).add(measured.cost());
          }
        }
      }
    }
    List<Result> results = new ArrayList<>();
    for (int i = 0; i < contenders.size(); i++) {
      Contender contender = contenders.get(i);
      results.add(
          new Result(contender.name(), contender.expected().rows(), counts.get(i), costs.get(i)));
    }
    Tables.print(results);
    lab.report().add(name, results);
  }

  private Target target(Lab lab) {
    if (latency.isZero()) {
      return Target.of(lab.database());
    }
    TcpProxy proxy = TcpProxy.to(lab.database().host(), lab.database().port());
    proxy.latency(latency);
    return Target.through(proxy, lab.database());
  }

  private void check(Contender contender, Total told) {
    Total total = seen.apply(told);
    if (!total.equals(contender.expected())) {
      throw new IllegalStateException(
          "%s of %s: %s required but it was %s"
              .formatted(contender.name(), name, contender.expected(), total));
    }
  }
}
