package io.github.cursorstream.testing;

import static io.github.cursorstream.testing.TestRuns.LAPSE;
import static io.github.cursorstream.testing.TestRuns.LONG;
import static io.github.cursorstream.testing.TestRuns.SHORT;
import static io.github.cursorstream.testing.TestRuns.again;
import static io.github.cursorstream.testing.TestRuns.all;
import static io.github.cursorstream.testing.TestRuns.bad;
import static io.github.cursorstream.testing.TestRuns.get;
import static io.github.cursorstream.testing.TestRuns.step;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.github.cursorstream.run.Again;
import io.github.cursorstream.run.BatchDone;
import io.github.cursorstream.run.Conclusion;
import io.github.cursorstream.run.Lease;
import io.github.cursorstream.run.LostLeaseException;
import io.github.cursorstream.run.Range;
import io.github.cursorstream.run.Run;
import io.github.cursorstream.run.RunEvent;
import io.github.cursorstream.run.RunParameters;
import io.github.cursorstream.run.RunState;
import io.github.cursorstream.run.Verb;
import java.time.Duration;
import java.util.List;
import java.util.UUID;
import org.junit.jupiter.api.Test;

/** How a gated run ends: one consumer is asked to conclude, when everything is done. */
interface RunConclusionContract extends RunStoreUnderTest {

  /** Opened, with all ends found. */
  private Run gated(TestRuns runs, int last, RunParameters parameters) {
    Run run =
        get(
            store()
                .create(
                    runs.plan(UUID.randomUUID().toString(), parameters).gated(true), "creator"));
    get(store().open(run.id(), "0", "" + last, "opener"));
    runs.extend(run, 0, last);
    return runs.run(run);
  }

  private Run gated(TestRuns runs, int last, int consumers) {
    return gated(runs, last, RunParameters.DEFAULTS.consumers(consumers));
  }

  /** All is done, and a slot is asked to conclude. */
  private Lease asked(TestRuns runs, int last) {
    Lease lease = runs.take();
    for (int i = 0; i < last; i++) {
      assertThat(lease.concludes()).isFalse();
      lease = runs.complete(lease);
    }
    assertThat(lease.concludes()).isTrue();
    return lease;
  }

  private Lease conclude(Lease lease, Conclusion conclusion) {
    return get(store().conclude(lease, conclusion, LONG));
  }

  @Test
  default void oneConsumerConcludesWhenEverythingIsDone() {
    TestRuns runs = runs();
    Run run = gated(runs, 2, 3);
    assertThat(run.gate()).isEmpty();
    Lease first = runs.take();
    Lease second = runs.take();
    assertThat(runs.complete(second).range()).isNull();
    Lease asked = runs.complete(first);

    assertThat(asked.range()).isEqualTo(new Range("2", "2"));
    assertThat(asked.attempt()).isEqualTo(1);
    assertThat(asked.run()).isEqualTo(runs.run(run));
    assertThat(asked.run().state()).isEqualTo(RunState.RUNNING);
    assertThat(asked.run().inFlight()).isEqualTo(1);
    assertThat(runs.takeOrNull()).isNull();
    Lease last = conclude(asked, Conclusion.succeeded());
    assertThat(last.range()).isNull();
    assertThat(last.run()).isEqualTo(runs.run(run));
    assertThat(last.run().state()).isEqualTo(RunState.SUCCEEDED);
    assertThat(last.run().endedAt()).isNotNull();
    assertThat(last.run().batches()).isEqualTo(2);
    assertThat(last.run().inFlight()).isZero();
    assertThat(runs.types(run)).containsOnlyOnce(RunEvent.Type.SUCCEEDED);
    assertThat(runs.takeOrNull()).isNull();
  }

  // M3

  @Test
  default void aRunWithNothingToDoHasNothingToConclude() {
    TestRuns runs = runs();
    for (String upper : new String[] {null, "0"}) {
      Run run = get(store().create(runs.plan("", RunParameters.DEFAULTS).gated(true), "creator"));
      assertThat(get(store().open(run.id(), "0", upper, "opener")).state())
          .isEqualTo(RunState.SUCCEEDED);
    }
  }

  // B21

  @Test
  default void anotherPassBeginsAtTheStart() {
    TestRuns runs = runs();
    Run run = gated(runs, 2, 1);
    Lease lease = conclude(asked(runs, 2), Conclusion.again("3", "2.5", "one came"));

    assertThat(lease.range()).isNull();
    Run again = runs.run(run);
    assertThat(again.state()).isEqualTo(RunState.RUNNING);
    assertThat(again.start()).isEqualTo("0");
    assertThat(again.position()).isEqualTo("0");
    assertThat(again.tail()).isEqualTo("0");
    assertThat(again.upper()).isEqualTo("3");
    assertThat(again.gate()).isEqualTo("2.5");
    assertThat(again.hasMore()).isTrue();
    assertThat(runs.events(run))
        .last()
        .satisfies(
            event -> {
              assertThat(event.type()).isEqualTo(RunEvent.Type.BEGUN_AGAIN);
              assertThat(event.detail()).isEqualTo("one came");
            });
    runs.extend(run, 0, 3);
    lease = runs.complete(lease);
    for (int i = 1; i <= 3; i++) {
      assertThat(lease.range()).isEqualTo(step(i));
      lease = runs.complete(lease);
    }
    assertThat(lease.range()).isEqualTo(new Range("3", "3"));
    assertThat(conclude(lease, Conclusion.succeeded()).run().state()).isEqualTo(RunState.SUCCEEDED);
    assertThat(runs.run(run).batches()).isEqualTo(5);
  }

  @Test
  default void aFailedConclusionFailsTheRunAndARetryBeginsAtTheStart() {
    TestRuns runs = runs();
    Run run = gated(runs, 1, 1);
    Lease lease = conclude(asked(runs, 1), Conclusion.failed("1", "0.5", "one is left"));

    assertThat(lease.range()).isNull();
    assertThat(lease.run().state()).isEqualTo(RunState.FAILED);
    assertThat(lease.run().error()).isEqualTo("one is left");
    assertThat(lease.run().endedAt()).isNotNull();
    assertThat(runs.types(run)).endsWith(RunEvent.Type.FAILED);
    runs.release(lease);
    runs.say(run, Verb.RETRY);
    assertThat(runs.run(run).gate()).isEqualTo("0.5");
    runs.extend(run, 0, 1);
    lease = runs.take();
    assertThat(lease.range()).isEqualTo(step(1));
    conclude(runs.complete(lease), Conclusion.succeeded());
    assertThat(runs.state(run)).isEqualTo(RunState.SUCCEEDED);
  }

  @Test
  default void anotherPassForgetsTheDeadLettersThatItMeetsAgain() {
    for (Conclusion conclusion :
        List.of(Conclusion.again("1", "", "why"), Conclusion.failed("1", "", "why"))) {
      TestRuns runs = runs();
      Run run = gated(runs, 1, RunParameters.DEFAULTS.deadLetters(1));
      Lease bad = runs.take();
      Lease asked = runs.fail(bad, bad(bad));
      assertThat(asked.run().deadLetters()).isEqualTo(1);
      runs.release(conclude(asked, conclusion));

      assertThat(runs.run(run).deadLetters()).isZero();
      assertThat(all(store().deadLetters(run.id()))).isEmpty();
      runs.say(run, Verb.RETRY);
      runs.extend(run, 0, 1);
      bad = runs.take();
      assertThat(conclude(runs.fail(bad, bad(bad)), Conclusion.succeeded()).run().deadLetters())
          .isEqualTo(1);
      assertThat(runs.state(run)).isEqualTo(RunState.SUCCEEDED);
    }
  }

  // M6

  @Test
  default void aPauseOrACancelIsStrongerThanAConclusion() {
    for (Verb verb : List.of(Verb.PAUSE, Verb.CANCEL)) {
      for (Conclusion conclusion :
          List.of(
              Conclusion.succeeded(),
              Conclusion.again("2", "x", "why"),
              Conclusion.failed("2", "x", "why"))) {
        TestRuns runs = runs();
        Run run = gated(runs, 1, 1);
        Lease asked = asked(runs, 1);
        runs.say(run, verb);
        runs.release(conclude(asked, conclusion));

        assertThat(runs.state(run))
            .isEqualTo(verb == Verb.PAUSE ? RunState.PAUSED : RunState.CANCELLED);
        assertThat(runs.run(run).gate()).isEmpty();
        if (verb == Verb.PAUSE) {
          runs.say(run, Verb.RESUME);
          assertThat(runs.state(run)).isEqualTo(RunState.RUNNING);
          conclude(runs.take(), Conclusion.succeeded());
          assertThat(runs.state(run)).isEqualTo(RunState.SUCCEEDED);
        }
      }
    }
  }

  @Test
  default void whoeverTakesTheSlotOverConcludes() {
    TestRuns runs = runs();
    Run run = gated(runs, 1, 1);
    Lease lost = get(store().complete(runs.take(), 1, SHORT));
    assertThat(lost.concludes()).isTrue();
    pass(LAPSE);
    Lease taken = runs.take();

    assertThat(taken.range()).isEqualTo(lost.range());
    assertThat(taken.attempt()).isEqualTo(2);
    assertThatThrownBy(() -> conclude(lost, Conclusion.failed("1", "", "it was frozen")))
        .isInstanceOf(LostLeaseException.class);
    conclude(taken, Conclusion.succeeded());
    assertThat(runs.state(run)).isEqualTo(RunState.SUCCEEDED);
  }

  @Test
  default void aConclusionThatIsGivenBackIsAskedForAgain() {
    TestRuns runs = runs();
    Run run = gated(runs, 1, 2);
    Lease asked = asked(runs, 1);
    runs.release(asked);
    Lease second = runs.take();
    assertThat(second.range()).isEqualTo(asked.range());
    assertThat(second.attempt()).isEqualTo(1);
    runs.say(run, Verb.FORCE_PAUSE);
    assertThat(runs.state(run)).isEqualTo(RunState.PAUSED);
    runs.say(run, Verb.RESUME);
    Lease third = runs.take();
    assertThat(third.range()).isEqualTo(asked.range());
    assertThat(runs.takeOrNull()).isNull();
    conclude(third, Conclusion.succeeded());
    assertThat(runs.state(run)).isEqualTo(RunState.SUCCEEDED);
  }

  @Test
  default void aConclusionThatFailsIsTriedAgainWhenItIsDue() {
    TestRuns runs = runs();
    gated(runs, 1, 1);
    Lease asked = asked(runs, 1);
    Lease after = runs.fail(asked, again(asked, SHORT));
    assertThat(after.range()).isNull();
    runs.release(after);
    assertThat(runs.takeOrNull()).isNull();
    pass(LAPSE);
    Lease second = runs.take();
    assertThat(second.range()).isEqualTo(asked.range());
    assertThat(second.attempt()).isEqualTo(2);
  }

  @Test
  default void whatWaitsComesBeforeTheConclusion() {
    TestRuns runs = runs();
    Run run = gated(runs, 1, 2);
    Again left = new Again(step(1), 0, SHORT);
    Lease lease = get(store().complete(runs.take(), new BatchDone(1, List.of(left)), LONG));
    assertThat(lease.range()).isNull();
    assertThat(runs.takeOrNull()).isNull();
    pass(LAPSE);
    Lease rest = runs.complete(lease);
    assertThat(rest.range()).isEqualTo(step(1));
    assertThat(runs.complete(rest).concludes()).isTrue();
    assertThat(runs.state(run)).isEqualTo(RunState.RUNNING);
  }

  // Dead letters that are handed out while somebody concludes, or between two who do.

  @Test
  default void noConclusionIsDrawnWhileSomethingIsToBeDone() {
    for (boolean givenBack : List.of(false, true)) {
      TestRuns runs = runs();
      Run run = gated(runs, 1, RunParameters.DEFAULTS.consumers(2).deadLetters(1));
      Lease bad = runs.take();
      Lease asked = runs.fail(bad, bad(bad));
      assertThat(asked.concludes()).isTrue();
      if (givenBack) {
        runs.release(asked);
      }
      assertThat(get(store().retryDeadLetters(run.id(), "operator"))).isEqualTo(1);
      Lease letter = runs.take();
      assertThat(letter.range()).isEqualTo(step(1));
      if (givenBack) {
        runs.release(runs.take());
      } else {
        runs.release(conclude(asked, Conclusion.succeeded()));
      }
      assertThat(runs.state(run)).isEqualTo(RunState.RUNNING);
      Lease last = runs.complete(letter);
      assertThat(last.concludes()).isTrue();
      assertThat(runs.run(run).inFlight()).isEqualTo(1);
      conclude(last, Conclusion.succeeded());
      assertThat(runs.state(run)).isEqualTo(RunState.SUCCEEDED);
    }
  }

  @Test
  default void deadLettersOfARunThatSucceededAreConcludedAgain() {
    TestRuns runs = runs();
    Run run = gated(runs, 1, RunParameters.DEFAULTS.deadLetters(1));
    Lease bad = runs.take();
    runs.release(conclude(runs.fail(bad, bad(bad)), Conclusion.succeeded()));
    assertThat(runs.state(run)).isEqualTo(RunState.SUCCEEDED);
    get(store().retryDeadLetters(run.id(), "operator"));

    assertThat(runs.complete(runs.take()).concludes()).isTrue();
  }

  @Test
  default void withoutConsumersNobodyConcludes() {
    TestRuns runs = runs();
    Run run = gated(runs, 1, 1);
    Lease lease = runs.take();
    runs.change(run, p -> p.consumers(0));
    assertThat(runs.complete(lease).range()).isNull();
    assertThat(runs.state(run)).isEqualTo(RunState.RUNNING);
    assertThat(runs.takeOrNull()).isNull();
    runs.change(run, p -> p.consumers(1));
    conclude(runs.take(), Conclusion.succeeded());
    assertThat(runs.state(run)).isEqualTo(RunState.SUCCEEDED);
  }

  @Test
  default void whoIsNotAskedMayNotConclude() {
    TestRuns runs = runs();
    gated(runs, 1, 1);
    Lease lease = runs.take();
    assertThatThrownBy(() -> conclude(lease, Conclusion.succeeded()))
        .isInstanceOf(IllegalArgumentException.class);
    assertThat(runs.complete(lease).concludes()).isTrue();
  }

  // Without a consumer too: where nothing is to be done there is nothing to wait for.

  @Test
  default void anUngatedRunNeedsNoConsumerToEnd() {
    TestRuns runs = runs();
    Run empty = runs.created(RunParameters.DEFAULTS.consumers(0));
    assertThat(get(store().open(empty.id(), null, null, "opener")).state())
        .isEqualTo(RunState.SUCCEEDED);
    Run run = runs.ready(1, 1);
    assertThat(run.gate()).isNull();
    Lease lease = runs.take();
    runs.change(run, p -> p.consumers(0));
    runs.say(run, Verb.PAUSE);
    runs.complete(lease);
    assertThat(runs.state(run)).isEqualTo(RunState.PAUSED);
    runs.say(run, Verb.RESUME);
    assertThat(runs.state(run)).isEqualTo(RunState.SUCCEEDED);
    Run failed = runs.ready(1, 1);
    lease = runs.take();
    runs.change(failed, p -> p.consumers(0));
    runs.fail(lease, again(lease, Duration.ZERO));
    assertThat(runs.state(failed)).isEqualTo(RunState.RUNNING);
  }
}
