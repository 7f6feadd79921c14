package io.github.cursorstream.examples;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.cursorstream.examples.Example.Result;
import io.github.cursorstream.testing.TestDatabase;
import io.github.cursorstream.testing.TestPostgres;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Every example, small: what it claims holds, and its last line says so. */
class ExamplesIT {

  private TestDatabase database;

  @BeforeEach
  void createDatabase() {
    database = TestPostgres.shared().createDatabase("examples");
  }

  @AfterEach
  void dropDatabase() {
    database.close();
  }

  @Test
  void consumersChangeWhileItRuns() {
    assertPass(Quickstart.run(database, 20_000));
  }

  @Test
  void aKilledReaderIsResumed() throws Exception {
    assertPass(ResumeFromToken.run(database, 20_000));
  }

  @Test
  void rangesCoverTheTable() {
    assertPass(ParallelRanges.run(database, 50_000));
  }

  @Test
  void listsAndApisArePagedOnDemand() {
    assertPass(PagingAnything.run(95));
  }

  @Test
  void aSlowClientStopsTheQueries() {
    assertPass(ExportNdjson.run(database, 60_000, false));
  }

  @Test
  void theHeapDoesNotGrow() {
    assertPass(ConstantMemory.run(database, 50_000));
  }

  @Test
  void pagesReadWhatOneSelectReads() {
    // The claim about speed is for large tables on a quiet machine.
    assertPass(
        CompareWithOneSelect.run(
            database, new CompareWithOneSelect.Settings(20_000, 1, 1, Double.MAX_VALUE)));
  }

  @Test
  void aBackfillIsSteeredAndDoesEachRowOnce() {
    assertPass(BackfillUsers.run(database, 30_000));
  }

  @Test
  void aKilledBackfillIsResumed() throws Exception {
    assertPass(KilledAndResumed.run(database, 10_000));
  }

  @Test
  void nodesThatComeAndGoShareARunEvenly() throws Exception {
    assertPass(SharedByThreeNodes.run(database, 50_000, 5));
  }

  @Test
  void aSlowServiceIsCalledUntilEachCallHadItsEffect() {
    assertPass(CallAnHttpService.run(database, 800));
  }

  @Test
  void theBadRowIsFoundAndDoneLater() {
    assertPass(PoisonRow.run(database, 2_000));
  }

  @Test
  void aColumnIsCopiedAsTheProcedureDoes() {
    // The claim about speed is for large tables on a quiet machine, with fsync on.
    assertPass(
        CompareWithPlpgsql.run(
            database,
            new CompareWithPlpgsql.Settings(5_000, 1, Double.MAX_VALUE, Double.MAX_VALUE)));
  }

  private static void assertPass(Result result) {
    assertThat(result.toString()).startsWith("RESULT ").endsWith(" PASS");
  }
}
