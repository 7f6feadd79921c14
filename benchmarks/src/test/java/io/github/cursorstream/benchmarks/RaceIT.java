package io.github.cursorstream.benchmarks;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.github.cursorstream.benchmarks.Dataset.Shape;
import io.github.cursorstream.benchmarks.OurWriters.Setup;
import io.github.cursorstream.testing.TestDatabase;
import io.github.cursorstream.testing.TestPostgres;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** The harness, on tables so small that what it measures means nothing. */
class RaceIT {

  private TestDatabase database;
  private Lab lab;

  @BeforeEach
  void createDatabase() {
    database = TestPostgres.shared().createDatabase("benchmarks");
    lab = new Lab(database, 2_500, 1);
  }

  @AfterEach
  void dropDatabase() {
    database.close();
  }

  @Test
  void contendersReadWhatTheServerHasAndAreCompared() throws Exception {
    Dataset items = lab.dataset(Shape.MIXED, lab.rows());
    new Race(
            "reading",
            List.of(
                OurReaders.stream("ours", items, o -> o.prefetch(1)),
                JdbcReaders.cursor("JDBC", items, ""),
                CopyReader.copy("COPY", items)))
        .run(lab);

    Spread ratio = Goal.wall("reading", "ours", "JDBC").apply(lab.report());
    assertThat(ratio.median()).isPositive().isBetween(ratio.min(), ratio.max());
    assertThat(lab.report().result("reading", "COPY").costs())
        .singleElement()
        .satisfies(cost -> assertThat(cost.allocated()).isPositive());
  }

  @Test
  void queriesRoundTripsAndBuffersAreCountedForEachPage() throws Exception {
    Dataset items = lab.dataset(Shape.MIXED, lab.rows());

    Counts threePages = count(OurReaders.stream("", items, o -> o));
    Counts fivePages = count(OurReaders.stream("", items, o -> o.pageSize(600)));

    assertThat(fivePages.statements() - threePages.statements()).isEqualTo(2);
    assertThat(fivePages.roundTrips() - threePages.roundTrips()).isEqualTo(2);
    // A seek each: from the root of the index to the row.
    assertThat(fivePages.buffers() - threePages.buffers()).isBetween(2L, 10L);
  }

  private Counts count(Contender contender) throws Exception {
    return lab.meter().count(contender, total -> assertThat(total).isEqualTo(contender.expected()));
  }

  @Test
  void whatIsWrittenIsLookedUp() throws Exception {
    Accounts accounts = new Accounts(database, lab.rows());
    Contender backfill =
        OurWriters.backfill("ours", accounts, Setup.consumers(2), OurWriters::rows);
    Contender nothing = new Contender("nothing", accounts.expected(), target -> accounts::expected);

    new Race("writing", List.of(backfill)).over(accounts).run(lab);

    assertThatThrownBy(() -> new Race("writing", List.of(nothing)).over(accounts).run(lab))
        .hasMessage(
            "nothing of writing: %s required but it was %s", accounts.expected(), Total.NONE);
  }
}
