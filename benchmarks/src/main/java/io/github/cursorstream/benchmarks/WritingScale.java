package io.github.cursorstream.benchmarks;

import io.github.cursorstream.benchmarks.OurWriters.Setup;
import java.util.List;
import java.util.stream.IntStream;

/** How copying a column gains from consumers, and from nodes. */
final class WritingScale implements Group {

  private static final int CONSUMERS = 4;

  @Override
  public String name() {
    return "writing-scale";
  }

  @Override
  public void run(Lab lab) throws Exception {
    Accounts accounts = new Accounts(lab.database(), lab.rows() / 4);
    new Race(
            "consumers",
            IntStream.of(1, 2, 4, 8, 16)
                .mapToObj(Setup::consumers)
                .map(setup -> execute("consumers: " + setup.consumers(), accounts, setup))
                .toList())
        .over(accounts)
        .run(lab);
    new Race(
            "nodes",
            IntStream.of(1, 2, 4)
                .mapToObj(Setup.consumers(CONSUMERS)::nodes)
                .map(setup -> execute("nodes: " + setup.nodes(), accounts, setup))
                .toList())
        .over(accounts)
        .run(lab);
  }

  private static Contender execute(String name, Accounts accounts, Setup setup) {
    return OurWriters.backfill(name, accounts, setup, OurWriters::execute);
  }

  @Override
  public List<Goal> goals(Lab lab) {
    return List.of();
  }
}
