package io.github.cursorstream.benchmarks;

import static io.github.cursorstream.benchmarks.Goal.atMost;
import static io.github.cursorstream.benchmarks.Goal.wall;

import io.github.cursorstream.benchmarks.OurWriters.Setup;
import java.util.List;

/** Copying a column, 1,000 rows at a time. */
final class Writing implements Group {

  private static final String RACE = "writing";

  private static final String EXECUTE_1 = "execute, 1 consumer";
  private static final String EXECUTE_2 = "execute, 2 consumers";
  private static final String ONE_UPDATE = "one UPDATE";
  private static final String PROCEDURE = "PL/pgSQL loop with COMMIT";

  @Override
  public String name() {
    return "writing";
  }

  @Override
  public void run(Lab lab) throws Exception {
    Accounts accounts = new Accounts(lab.database(), lab.rows() / 2);
    new Race(
            RACE,
            List.of(
                JdbcWriters.procedure(PROCEDURE, accounts),
                JdbcWriters.oneUpdate(ONE_UPDATE, accounts),
                JdbcWriters.ranges("JDBC loop over ranges", accounts),
                JdbcWriters.rows("JDBC loop over rows", accounts),
                SpringBatchWriter.chunks("Spring Batch chunks", accounts),
                execute(EXECUTE_1, accounts, 1),
                execute(EXECUTE_2, accounts, 2),
                execute("execute, 4 consumers", accounts, 4),
                execute("execute, 8 consumers", accounts, 8),
                rows("processInTransaction, 1 consumer", accounts, 1),
                rows("processInTransaction, 2 consumers", accounts, 2),
                rows("processInTransaction, 4 consumers", accounts, 4),
                rows("processInTransaction, 8 consumers", accounts, 8)))
        .over(accounts)
        .run(lab);
  }

  private static Contender execute(String name, Accounts accounts, int consumers) {
    return OurWriters.backfill(name, accounts, Setup.consumers(consumers), OurWriters::execute);
  }

  private static Contender rows(String name, Accounts accounts, int consumers) {
    return OurWriters.backfill(name, accounts, Setup.consumers(consumers), OurWriters::rows);
  }

  @Override
  public List<Goal> goals(Lab lab) {
    return List.of(
        atMost(
            0.70,
            "column copy, 2 consumers, against the PL/pgSQL loop",
            wall(RACE, EXECUTE_2, PROCEDURE)),
        atMost(
            1.05,
            "column copy, 1 consumer, against the PL/pgSQL loop",
            wall(RACE, EXECUTE_1, PROCEDURE)),
        atMost(
            0.78,
            "column copy, 2 consumers, against one UPDATE of everything",
            wall(RACE, EXECUTE_2, ONE_UPDATE)));
  }
}
