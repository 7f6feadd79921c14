package io.github.cursorstream.testing;

import static io.github.cursorstream.testing.TestRuns.LAPSE;
import static io.github.cursorstream.testing.TestRuns.LONG;
import static io.github.cursorstream.testing.TestRuns.SHORT;
import static io.github.cursorstream.testing.TestRuns.again;
import static io.github.cursorstream.testing.TestRuns.all;
import static io.github.cursorstream.testing.TestRuns.bad;
import static io.github.cursorstream.testing.TestRuns.fatal;
import static io.github.cursorstream.testing.TestRuns.get;
import static io.github.cursorstream.testing.TestRuns.held;
import static io.github.cursorstream.testing.TestRuns.ranges;
import static io.github.cursorstream.testing.TestRuns.step;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.github.cursorstream.run.BatchFailure;
import io.github.cursorstream.run.DeadLetter;
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

/** What becomes of batches that fail, of rows that are put aside, and of the run. */
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
                List.of(
                    new BatchFailure.Again(left, 0, Duration.ZERO),
                    new BatchFailure.Again(right, 2, Duration.ZERO)),
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

  // M19, B7
  @Test
  default void aRowIsPutAsideAndTheRunGoesOn() {
    TestRuns runs = runs();
    Run run = runs.ready(2, RunParameters.DEFAULTS.deadLetters(1));
    Lease lease = runs.take();
    runs.fail(lease, bad(lease));

    assertThat(runs.run(run).deadLetters()).isEqualTo(1);
    assertThat(runs.run(run).waiting()).isZero();
    assertThat(all(store().deadLetters(run.id())))
        .singleElement()
        .satisfies(
            letter -> {
              assertThat(letter.run()).isEqualTo(run.id());
              assertThat(letter.range()).isEqualTo(step(1));
              assertThat(letter.row()).isEqualTo("{\"id\": 1}");
              assertThat(letter.error()).isEqualTo("why it is bad");
              assertThat(letter.attempts()).isEqualTo(1);
              assertThat(letter.at()).isNotNull();
            });
    assertThat(runs.types(run)).contains(RunEvent.Type.BATCH_FAILED, RunEvent.Type.DEAD_LETTER);
    assertThat(runs.state(run)).isEqualTo(RunState.RUNNING);
  }

  @Test
  default void whatIsLeftOfABatchIsDoneBesideTheRowThatIsPutAside() {
    TestRuns runs = runs();
    Run run = runs.ready(1, RunParameters.DEFAULTS.deadLetters(1));
    Range good = new Range("0", "0.5");
    Range row = new Range("0.5", "1");
    runs.release(
        runs.fail(
            runs.take(),
            new BatchFailure(
                "a row is bad",
                List.of(new BatchFailure.Again(good, 0, Duration.ZERO)),
                new DeadLetter(run.id(), row, null, "bad", 4, null),
                false)));

    assertThat(ranges(runs.drain())).containsExactly(good);
    assertThat(runs.state(run)).isEqualTo(RunState.SUCCEEDED);
    assertThat(all(store().deadLetters(run.id())))
        .extracting(DeadLetter::range, DeadLetter::row)
        .containsExactly(org.assertj.core.api.Assertions.tuple(row, null));
  }

  @Test
  default void deadLettersAreListedTheOldestFirst() {
    TestRuns runs = runs();
    Run run = runs.ready(3, RunParameters.DEFAULTS.deadLetters(3));
    Lease lease = runs.take();
    for (int i = 0; i < 3; i++) {
      lease = runs.fail(lease, bad(lease));
    }

    assertThat(all(store().deadLetters(run.id())))
        .extracting(DeadLetter::range)
        .containsExactly(step(1), step(2), step(3));
    assertThat(runs.state(run)).isEqualTo(RunState.SUCCEEDED);
  }

  // M2
  @Test
  default void pastTheBudgetTheRunFailsAndKeepsItsPlace() {
    TestRuns runs = runs();
    Run run = runs.ready(3, RunParameters.DEFAULTS.deadLetters(1));
    Lease lease = runs.take();
    lease = runs.fail(lease, bad(lease));
    lease = runs.fail(lease, bad(lease));

    assertThat(lease.range()).isNull();
    Run failed = runs.run(run);
    assertThat(failed.state()).isEqualTo(RunState.FAILED);
    assertThat(failed.endedAt()).isNotNull();
    assertThat(failed.failures()).isEqualTo(2);
    assertThat(failed.inFlight()).isZero();
    assertThat(runs.types(run)).endsWith(RunEvent.Type.FAILED);
    runs.release(lease);
    assertThat(runs.takeOrNull()).isNull();

    // Each row is either done or aside at the end, whichever way the store kept the last one.
    get(store().retryDeadLetters(run.id(), "operator"));
    runs.change(run, now -> now.deadLetters(9));
    assertThat(runs.say(run, Verb.RETRY).state()).isEqualTo(RunState.RUNNING);
    assertThat(ranges(runs.drain())).containsExactlyInAnyOrder(step(1), step(2), step(3));
    assertThat(runs.state(run)).isEqualTo(RunState.SUCCEEDED);
  }

  @Test
  default void whatDidNotFitIntoTheBudgetIsDoneAgainAfterARetry() {
    TestRuns runs = runs();
    Run run = runs.ready(2, 1);
    Lease lease = runs.take();
    runs.release(runs.fail(lease, bad(lease)));
    assertThat(runs.state(run)).isEqualTo(RunState.FAILED);
    assertThat(runs.run(run).waiting()).isEqualTo(1);

    runs.say(run, Verb.RETRY);
    assertThat(ranges(runs.drain())).containsExactlyInAnyOrder(step(1), step(2));
    assertThat(runs.run(run).endedAt()).isNotNull();
  }

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

  // What ends a run must not leave batches that go on behind it.
  @Test
  default void aFailedRunThatIsEndedHasNothingInFlightInTheEnd() {
    for (Verb verb : List.of(Verb.CANCEL, Verb.FORCE_CANCEL, Verb.MARK_SUCCEEDED)) {
      TestRuns runs = runs();
      Run run = runs.ready(9, 2);
      Lease other = runs.take();
      runs.fail(runs.take(), fatal());

      runs.say(run, verb);
      // Lost or finished, by the store's choice; but then it is over.
      if (runs.renew(other)) {
        runs.complete(other);
      }
      if (!runs.state(run).isEnded() || runs.state(run) == RunState.FAILED) {
        runs.say(run, verb);
      }
      assertThat(runs.run(run).inFlight()).as("after %s", verb).isZero();
      assertThat(runs.state(run)).isIn(RunState.CANCELLED, RunState.SUCCEEDED);
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

  @Test
  default void rowsThatWerePutAsideAreHandedOutAgain() {
    TestRuns runs = runs();
    Run run = runs.ready(3, RunParameters.DEFAULTS.deadLetters(5));
    Lease lease = runs.take();
    lease = runs.fail(lease, bad(lease));
    lease = runs.fail(lease, bad(lease));
    int logged = runs.events(run).size();

    assertThat(get(store().retryDeadLetters(run.id(), "ada"))).isEqualTo(2);

    assertThat(all(store().deadLetters(run.id()))).isEmpty();
    assertThat(runs.run(run).deadLetters()).isZero();
    assertThat(runs.run(run).waiting()).isEqualTo(2);
    assertThat(runs.events(run).subList(logged, logged + 1))
        .extracting(RunEvent::who)
        .containsExactly("ada");
    assertThat(get(store().retryDeadLetters(run.id(), "ada"))).isZero();
    runs.release(lease);
    Lease held = runs.take();
    assertThat(held(held)).isEqualTo(step(3));
    lease = runs.complete(held);
    assertThat(lease.attempt()).isEqualTo(1);
    runs.release(lease);
    assertThat(ranges(runs.drain())).containsExactlyInAnyOrder(step(1), step(2));
    assertThat(runs.state(run)).isEqualTo(RunState.SUCCEEDED);
  }

  @Test
  default void rowsOfAPausedOrFailedRunAreHandedOutOnceItGoesOn() {
    for (boolean fail : List.of(false, true)) {
      TestRuns runs = runs();
      Run run = runs.ready(3, RunParameters.DEFAULTS.deadLetters(5));
      Lease lease = runs.take();
      lease = runs.fail(lease, bad(lease));
      if (fail) {
        runs.release(runs.fail(lease, fatal()));
      } else {
        runs.complete(lease);
        runs.say(run, Verb.FORCE_PAUSE);
      }
      RunState before = runs.state(run);
      assertThat(before).isEqualTo(fail ? RunState.FAILED : RunState.PAUSED);

      assertThat(get(store().retryDeadLetters(run.id(), "ada"))).isEqualTo(1);
      assertThat(runs.state(run)).isEqualTo(before);
      assertThat(runs.takeOrNull()).isNull();
      runs.say(run, fail ? Verb.RETRY : Verb.RESUME);
      List<Lease> rest = runs.drain();
      assertThat(ranges(rest)).contains(step(1), step(3));
      assertThat(ranges(rest)).doesNotHaveDuplicates();
      assertThat(runs.state(run)).isEqualTo(RunState.SUCCEEDED);
    }
  }

  @Test
  default void rowsOfARunThatIsOverStayAside() {
    TestRuns runs = runs();
    Run run = runs.ready(1, RunParameters.DEFAULTS.deadLetters(5));
    Lease lease = runs.take();
    runs.fail(lease, bad(lease));
    assertThat(runs.state(run)).isEqualTo(RunState.SUCCEEDED);

    assertThatThrownBy(() -> get(store().retryDeadLetters(run.id(), "ada")))
        .isInstanceOf(RuntimeException.class);
    assertThat(all(store().deadLetters(run.id()))).hasSize(1);
    assertThat(runs.run(run).waiting()).isZero();
  }
}
