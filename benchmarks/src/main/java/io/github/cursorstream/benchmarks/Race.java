package io.github.cursorstream.benchmarks;

import io.github.cursorstream.testing.TcpProxy;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;

/**
 * Contenders that do the same work in turn, A B C, A B C, so that what slows the machine down slows
 * down all of them. First each has a pass in which its queries are counted and one to warm up.
 * Every pass is checked.
 */
final class Race {

  private final String name;
  private final List<Contender> contenders;
  private Duration latency = Duration.ZERO;
  private @Nullable Accounts accounts;

  Race(String name, List<Contender> contenders) {
    this.name = name;
    this.contenders = contenders;
  }

  /** What a proxy adds to each round trip. */
  Race latency(Duration roundTrip) {
    latency = roundTrip;
    return this;
  }

  /** Each pass finds this table as new, and what it did is looked up there. */
  Race over(Accounts table) {
    accounts = table;
    return this;
  }

  /** Runs it, prints it, and adds it to the lab's report. */
  void run(Lab lab) throws Exception {
    System.out.printf("%n%s%n", name);
    List<Counts> counts = new ArrayList<>();
    for (Contender contender : contenders) {
      prepare();
      counts.add(lab.meter().count(contender, total -> check(contender, total)));
    }
    List<List<Cost>> costs = costs(lab);
    List<Result> results = new ArrayList<>();
    for (int i = 0; i < contenders.size(); i++) {
      Contender contender = contenders.get(i);
      results.add(
          new Result(contender.name(), contender.expected().rows(), counts.get(i), costs.get(i)));
    }
    RaceTable.print(results);
    lab.report().add(name, results);
  }

  private List<List<Cost>> costs(Lab lab) throws Exception {
    List<List<Cost>> costs = new ArrayList<>();
    contenders.forEach(contender -> costs.add(new ArrayList<>()));
    try (Target target = target(lab)) {
      List<Callable<Total>> passes =
          contenders.stream().map(contender -> contender.over().apply(target)).toList();
      for (int round = 0; round <= lab.rounds(); round++) {
        for (int i = 0; i < passes.size(); i++) {
          prepare();
          Meter.Measured measured = lab.meter().measure(passes.get(i));
          check(contenders.get(i), measured.total());
          if (round > 0) { // That was to warm up.
            costs.get(i).add(measured.cost());
          }
        }
      }
    }
    return costs;
  }

  private Target target(Lab lab) {
    if (latency.isZero()) {
      return Target.of(lab.database());
    }
    TcpProxy proxy = TcpProxy.to(lab.database().host(), lab.database().port());
    proxy.latency(latency);
    return Target.through(proxy, lab.database());
  }

  private void prepare() {
    if (accounts != null) {
      accounts.fill();
    }
  }

  private void check(Contender contender, Total told) {
    require(contender, told);
    if (accounts != null) {
      require(contender, accounts.copied());
    }
  }

  private void require(Contender contender, Total total) {
    if (!total.equals(contender.expected())) {
      throw new IllegalStateException(
          "%s of %s: %s required but it was %s"
              .formatted(contender.name(), name, contender.expected(), total));
    }
  }
}
