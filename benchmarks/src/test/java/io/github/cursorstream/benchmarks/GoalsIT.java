package io.github.cursorstream.benchmarks;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.cursorstream.benchmarks.Goals.Outcome;
import io.github.cursorstream.testing.TestDatabase;
import io.github.cursorstream.testing.TestPostgres;
import java.util.Map;
import org.junit.jupiter.api.Test;

/** The harness, on tables so small that what it measures means nothing. */
class GoalsIT {

  @Test
  void everyContenderReadsWhatTheServerHasAndEveryGoalFindsItsFigure() throws Exception {
    try (TestDatabase database = TestPostgres.shared().createDatabase("benchmarks")) {
      Outcome outcome = Goals.run(new Lab(database, 2_000, 1), Map.of(), Goals.GROUPS);

      assertThat(outcome.goals())
          .isNotEmpty()
          .allSatisfy(goal -> assertThat(goal.figure().median()).isPositive());
    }
  }
}
