package io.github.cursorstream.testing;

import static io.github.cursorstream.testing.TestRuns.all;
import static io.github.cursorstream.testing.TestRuns.bad;
import static io.github.cursorstream.testing.TestRuns.fatal;
import static io.github.cursorstream.testing.TestRuns.get;
import static io.github.cursorstream.testing.TestRuns.held;
import static io.github.cursorstream.testing.TestRuns.ranges;
import static io.github.cursorstream.testing.TestRuns.step;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.github.cursorstream.run.Again;
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

/** Rows that are put aside, their budget, and their way back. */
interface RunDeadLetterContract extends RunStoreUnderTest {

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
                List.of(new Again(good, 0, Duration.ZERO)),
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
    assertThat(held(lease)).isEqualTo(step(3));
    lease = runs.complete(lease);
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
  default void aRunThatSucceededWithoutSomeRowsDoesThemAgain() {
    TestRuns runs = runs();
    Run run = runs.ready(1, RunParameters.DEFAULTS.deadLetters(5));
    Lease lease = runs.take();
    runs.release(runs.fail(lease, bad(lease)));
    assertThat(runs.state(run)).isEqualTo(RunState.SUCCEEDED);

    assertThat(get(store().retryDeadLetters(run.id(), "ada"))).isEqualTo(1);
    assertThat(runs.state(run)).isEqualTo(RunState.RUNNING);
    assertThat(runs.run(run).endedAt()).isNull();
    Lease again = runs.take();
    assertThat(again.range()).isEqualTo(lease.range());
    runs.complete(again);
    assertThat(runs.state(run)).isEqualTo(RunState.SUCCEEDED);
  }

  @Test
  default void rowsOfARunThatIsCancelledStayAside() {
    TestRuns runs = runs();
    Run run = runs.ready(2, RunParameters.DEFAULTS.deadLetters(5));
    Lease lease = runs.take();
    runs.release(runs.fail(lease, bad(lease)));
    runs.say(run, Verb.CANCEL);

    assertThatThrownBy(() -> get(store().retryDeadLetters(run.id(), "ada")))
        .isInstanceOf(RuntimeException.class);
    assertThat(all(store().deadLetters(run.id()))).hasSize(1);
  }
}
