package io.github.cursorstream.testing;

import static io.github.cursorstream.testing.TestRuns.LAPSE;
import static io.github.cursorstream.testing.TestRuns.LONG;
import static io.github.cursorstream.testing.TestRuns.SHORT;
import static io.github.cursorstream.testing.TestRuns.again;
import static io.github.cursorstream.testing.TestRuns.fatal;
import static io.github.cursorstream.testing.TestRuns.ranges;
import static io.github.cursorstream.testing.TestRuns.step;
import static org.assertj.core.api.Assertions.assertThat;

import io.github.cursorstream.run.Again;
import io.github.cursorstream.run.BatchFailure;
import io.github.cursorstream.run.Lease;
import io.github.cursorstream.run.Range;
import io.github.cursorstream.run.Run;
import io.github.cursorstream.run.RunEvent;
import io.github.cursorstream.run.RunParameters;
import io.github.cursorstream.run.RunState;
import io.github.cursorstream.run.Verb;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.Test;

/** What becomes of batches that fail, and of the run. */
interface RunFailureContract extends RunStoreUnderTest {

  // M10

  @Test
  default void aFailureIsCountedKeptAndLogged() {
    TestRuns runs = runs();
    Run run = runs.ready(3, 1);
    Lease lease = runs.take();
    runs.fail(lease, again(lease, LONG));

    Run failed = runs.run(run);
    assertThat(failed.state()).isEqualTo(RunState.RUNNING);
    assertThat(failed.failures()).isEqualTo(1);
    assertThat(failed.batches() + failed.rows()).isZero();
    assertThat(failed.waiting()).isEqualTo(1);
    assertThat(failed.error()).isEqualTo("it broke");
    assertThat(runs.events(run))
        .last()
        .satisfies(
            event -> {
              assertThat(event.type()).isEqualTo(RunEvent.Type.BATCH_FAILED);
              assertThat(event.detail()).contains("it broke");
            });
  }

  // M2, B7

  @Test
  default void aFailedRangeIsDoneAgainOnceItIsDue() {
    TestRuns runs = runs();
    Run run = runs.ready(2, 1);
    Lease first = runs.take();
    Lease second = runs.fail(first, again(first, SHORT));
    assertThat(second.range()).isEqualTo(step(2));
    pass(LAPSE);

    Lease third = runs.complete(second);
    assertThat(third.range()).isEqualTo(step(1));
    assertThat(third.attempt()).isEqualTo(2);
    assertThat(third.batchId()).isEqualTo(first.batchId());
    assertThat(runs.complete(third).run().state()).isEqualTo(RunState.SUCCEEDED);
    assertThat(runs.run(run).batches()).isEqualTo(2);
  }

  @Test
  default void whatIsNotDueIsNotTaken() {
    TestRuns runs = runs();
    runs.ready(1, 1);
    Lease lease = runs.take();
    runs.release(runs.fail(lease, again(lease, LONG)));

    assertThat(runs.takeOrNull()).isNull();
  }

  @Test
  default void whatIsDueComesBeforeWhatIsNew() {
    TestRuns runs = runs();
    runs.ready(9, 2);
    Lease first = runs.take();
    assertThat(runs.fail(first, again(first, Duration.ZERO)).range()).isEqualTo(step(1));
  }

  // M19

  @Test
  default void theHalvesOfARangeAreEachDoneOnce() {
    TestRuns runs = runs();
    Run run = runs.ready(2, 1);
    Range left = new Range("0", "0.5");
    Range right = new Range("0.5", "1");
    runs.release(
        runs.fail(
            runs.take(),
            new BatchFailure(
                "it took too long",
                List.of(new Again(left, 0, Duration.ZERO), new Again(right, 2, Duration.ZERO)),
                null,
                false)));

    List<Lease> done = runs.drain();
    assertThat(ranges(done)).containsExactlyInAnyOrder(left, right, step(2));
    assertThat(done)
        .filteredOn(lease -> lease.range() != null && lease.range().equals(right))
        .extracting(Lease::attempt)
        .containsExactly(3);
    assertThat(runs.state(run)).isEqualTo(RunState.SUCCEEDED);
  }

  @Test
  default void aFailureWithNothingToDoAgainIsOver() {
    TestRuns runs = runs();
    Run run = runs.ready(1, 1);
    runs.fail(runs.take(), new BatchFailure("the row went away", List.of(), null, false));

    assertThat(runs.state(run)).isEqualTo(RunState.SUCCEEDED);
    assertThat(runs.run(run).batches()).isZero();
  }

  // M2

  @Test
  default void aFatalFailureFailsTheRunAndLosesNothing() {
    for (boolean listed : List.of(false, true)) {
      TestRuns runs = runs();
      Run run = runs.ready(3, 1);
      Lease lease = runs.take();
      BatchFailure failure =
          listed
              ? new BatchFailure("it cannot work", again(lease, Duration.ZERO).again(), null, true)
              : fatal();
      lease = runs.fail(lease, failure);

      assertThat(lease.range()).isNull();
      assertThat(runs.state(run)).isEqualTo(RunState.FAILED);
      assertThat(runs.run(run).error()).isEqualTo("it cannot work");
      assertThat(runs.run(run).waiting()).isEqualTo(1);
      assertThat(runs.types(run)).endsWith(RunEvent.Type.BATCH_FAILED, RunEvent.Type.FAILED);
      runs.release(lease);
      runs.say(run, Verb.RETRY);
      assertThat(runs.run(run).endedAt()).isNull();
      assertThat(ranges(runs.drain())).containsExactlyInAnyOrder(step(1), step(2), step(3));
      assertThat(runs.state(run)).isEqualTo(RunState.SUCCEEDED);
    }
  }

  @Test
  default void aRunFailsAlsoOfWhatIsNoBatch() {
    TestRuns runs = runs();
    Run run = runs.opened(2, RunParameters.DEFAULTS);
    Lease lease = runs.fail(runs.take(), fatal());

    assertThat(lease.range()).isNull();
    assertThat(runs.state(run)).isEqualTo(RunState.FAILED);
    assertThat(runs.run(run).error()).isEqualTo("it cannot work");
    assertThat(runs.run(run).failures()).isEqualTo(1);
    assertThat(runs.run(run).waiting() + runs.run(run).inFlight()).isZero();
    runs.release(lease);
    runs.say(run, Verb.RETRY);
    runs.extend(run, 0, 2);
    assertThat(ranges(runs.drain())).containsExactly(step(1), step(2));
    assertThat(runs.state(run)).isEqualTo(RunState.SUCCEEDED);
  }

  @Test
  default void whatIsInFlightWhenTheRunFailsIsFinished() {
    TestRuns runs = runs();
    Run run = runs.ready(9, 2);
    Lease other = runs.take();
    runs.fail(runs.take(), fatal());

    Lease after = runs.complete(other);
    assertThat(after.range()).isNull();
    assertThat(runs.run(run).batches()).isEqualTo(1);
    assertThat(runs.state(run)).isEqualTo(RunState.FAILED);
  }

  // What ends a run must not leave batches that go on behind it; MARK_SUCCEEDED may be refused.

  @Test
  default void aFailedRunThatIsEndedHasNothingInFlight() {
    for (Verb verb : List.of(Verb.CANCEL, Verb.FORCE_CANCEL, Verb.MARK_SUCCEEDED)) {
      TestRuns runs = runs();
      Run run = runs.ready(9, 2);
      Lease other = runs.take();
      runs.fail(runs.take(), fatal());

      runs.say(run, verb);
      if (runs.state(run) == RunState.FAILED || runs.state(run) == RunState.CANCELLING) {
        runs.complete(other);
        runs.say(run, verb);
      }
      assertThat(runs.state(run)).isIn(RunState.CANCELLED, RunState.SUCCEEDED);
      assertThat(runs.run(run).inFlight()).as("after %s", verb).isZero();
    }
  }

  // M6

  @Test
  default void aFailureWhilePausingOrCancellingDoesNotChangeWhatWasAskedFor() {
    for (Verb verb : List.of(Verb.PAUSE, Verb.CANCEL)) {
      TestRuns runs = runs();
      Run run = runs.ready(9, 1);
      Lease lease = runs.take();
      runs.say(run, verb);
      runs.fail(lease, fatal());

      assertThat(runs.state(run))
          .isEqualTo(verb == Verb.PAUSE ? RunState.PAUSED : RunState.CANCELLED);
      assertThat(runs.run(run).waiting()).isEqualTo(1);
      assertThat(runs.run(run).failures()).isEqualTo(1);
    }
  }

  // M20

  @Test
  default void moreThanHalfOfFiftyFailedFailsTheRun() {
    TestRuns runs = runs();
    Run run = runs.ready(99, 1);
    Lease lease = runs.take();
    for (int i = 0; i < 49; i++) {
      assertThat(lease.run().state()).as("after %s attempts", i).isEqualTo(RunState.RUNNING);
      lease = runs.fail(lease, again(lease, LONG));
    }
    lease = runs.fail(lease, again(lease, LONG));

    assertThat(lease.range()).isNull();
    assertThat(lease.run().state()).isEqualTo(RunState.FAILED);
    assertThat(runs.run(run).waiting()).isEqualTo(50);
    assertThat(runs.types(run)).containsOnlyOnce(RunEvent.Type.FAILED);
  }

  // M20

  @Test
  default void halfOfFiftyFailedIsBorne() {
    TestRuns runs = runs();
    runs.ready(99, 1);
    Lease lease = runs.take();
    for (int i = 0; i < 25; i++) {
      lease = runs.complete(lease);
    }
    for (int i = 0; i < 25; i++) {
      lease = runs.fail(lease, again(lease, LONG));
      assertThat(lease.run().state()).isEqualTo(RunState.RUNNING);
    }
    lease = runs.fail(lease, again(lease, LONG));
    assertThat(lease.run().state()).isEqualTo(RunState.FAILED);
  }
}
