package io.github.cursorstream.testing;

import static io.github.cursorstream.testing.TestRuns.LAPSE;
import static io.github.cursorstream.testing.TestRuns.LONG;
import static io.github.cursorstream.testing.TestRuns.SHORT;
import static io.github.cursorstream.testing.TestRuns.fatal;
import static io.github.cursorstream.testing.TestRuns.get;
import static io.github.cursorstream.testing.TestRuns.getOrNull;
import static io.github.cursorstream.testing.TestRuns.ranges;
import static io.github.cursorstream.testing.TestRuns.step;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.github.cursorstream.run.Lease;
import io.github.cursorstream.run.LostLeaseException;
import io.github.cursorstream.run.Run;
import io.github.cursorstream.run.RunEvent;
import io.github.cursorstream.run.RunParameters;
import io.github.cursorstream.run.RunState;
import io.github.cursorstream.run.Verb;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;

/** Who has a slot, for how long, and what its two guards keep away. */
interface RunLeaseContract extends RunStoreUnderTest {

  private static void isRefused(TestRuns runs, Lease stale) {
    assertThatThrownBy(() -> runs.complete(stale)).isInstanceOf(LostLeaseException.class);
    assertThatThrownBy(() -> runs.fail(stale, fatal())).isInstanceOf(LostLeaseException.class);
  }

  @Test
  default void aTakenSlotComesWithItsFirstRange() {
    TestRuns runs = runs();
    Run run = runs.ready(2, 1);

    Lease lease = runs.take();

    assertThat(lease.run().id()).isEqualTo(run.id());
    assertThat(lease.number()).isEqualTo(1);
    assertThat(lease.range()).isEqualTo(step(1));
    assertThat(lease.attempt()).isEqualTo(1);
    assertThat(runs.types(run)).doesNotContain(RunEvent.Type.TAKEN_OVER);
  }

  // B11
  @Test
  default void aSlotHasOneOwner() {
    TestRuns runs = runs();
    runs.ready(9, 1);
    runs.take();

    assertThat(getOrNull(store().take("another", Set.of(runs.kind), LONG))).isNull();
  }

  // B11
  @Test
  default void twoNodesShareARunButNotABatch() {
    TestRuns runs = runs();
    runs.ready(9, 2);
    Lease one = get(store().take("one", Set.of(runs.kind), LONG));
    Lease two = get(store().take("two", Set.of(runs.kind), LONG));

    assertThat(one.number()).isNotEqualTo(two.number());
    assertThat(List.of(TestRuns.held(one), TestRuns.held(two)))
        .containsExactlyInAnyOrder(step(1), step(2));
    assertThat(one.batchId()).isNotEqualTo(two.batchId());
  }

  // M27
  @Test
  default void onlyRunsOfKnownKindsAreTaken() {
    TestRuns runs = runs();
    TestRuns others = runs();
    runs.ready(1, 1);

    assertThat(others.takeOrNull()).isNull();
    assertThat(getOrNull(store().take("node", Set.of(), LONG))).isNull();
    assertThat(getOrNull(store().take("node", Set.of(others.kind, runs.kind), LONG))).isNotNull();
  }

  // M14, B20
  @Test
  default void aSlotWhoseLeaseRanOutIsTakenOverWithTheRangeInIt() {
    TestRuns runs = runs();
    Run run = runs.ready(2, 1);
    Lease dead = get(store().take("dead", Set.of(runs.kind), SHORT));
    pass(LAPSE);

    Lease heir = get(store().take("heir", Set.of(runs.kind), LONG));

    assertThat(heir.number()).isEqualTo(dead.number());
    assertThat(heir.range()).isEqualTo(dead.range());
    assertThat(heir.batchId()).isEqualTo(dead.batchId());
    assertThat(heir.attempt()).isEqualTo(2);
    assertThat(heir.epoch()).isGreaterThan(dead.epoch());
    assertThat(runs.run(run).inFlight()).isEqualTo(1);
    assertThat(runs.events(run))
        .last()
        .satisfies(
            event -> {
              assertThat(event.type()).isEqualTo(RunEvent.Type.TAKEN_OVER);
              assertThat(event.who()).isEqualTo("heir");
            });
  }

  // B11: the epoch
  @Test
  default void theFormerOwnerOfASlotIsRefused() {
    TestRuns runs = runs();
    Run run = runs.ready(3, 1);
    Lease dead = runs.take(SHORT);
    pass(LAPSE);
    Lease heir = runs.take();
    // As an unlucky node would meet it: the same batch, an older owner.
    assertThat(heir.serial()).isEqualTo(dead.serial());

    isRefused(runs, dead);
    assertThat(runs.renew(dead)).isFalse();
    runs.release(dead);
    assertThat(runs.takeOrNull()).isNull();
    assertThat(runs.renew(heir)).isTrue();
    assertThat(runs.run(run).batches() + runs.run(run).failures()).isZero();
    assertThat(runs.complete(heir).range()).isEqualTo(step(2));
  }

  // The serial: an answer that was lost on its way, and a second try.
  @Test
  default void aBatchIsNotCompletedTwiceByItsOwner() {
    TestRuns runs = runs();
    Run run = runs.ready(3, 1);
    Lease first = runs.take();
    Lease second = runs.complete(first);

    assertThat(second.epoch()).isEqualTo(first.epoch());
    assertThat(second.serial()).isGreaterThan(first.serial());
    isRefused(runs, first);
    assertThat(runs.run(run).batches()).isEqualTo(1);
    assertThat(runs.run(run).failures()).isZero();
    assertThat(runs.renew(second)).isTrue();
    assertThat(runs.complete(second).range()).isEqualTo(step(3));
  }

  @Test
  default void aFailedBatchIsNotCompletedByItsOwner() {
    TestRuns runs = runs();
    runs.ready(3, 1);
    Lease first = runs.take();
    Lease second = runs.fail(first, TestRuns.again(first, LONG));

    assertThat(second.serial()).isGreaterThan(first.serial());
    isRefused(runs, first);
    assertThat(runs.renew(second)).isTrue();
  }

  @Test
  default void askingTwiceForTheFirstRangeDoesNotCompleteIt() {
    TestRuns runs = runs();
    Run run = runs.opened(2, RunParameters.DEFAULTS);
    Lease empty = runs.take();
    runs.extend(run, 0, 2);
    Lease held = runs.complete(empty);
    assertThat(held.range()).isEqualTo(step(1));

    isRefused(runs, empty);
    assertThat(runs.run(run).batches()).isZero();
    assertThat(runs.run(run).inFlight()).isEqualTo(1);
  }

  @Test
  default void aLeaseThatRanOutIsTheOwnersUntilSomebodyTakesIt() {
    TestRuns runs = runs();
    runs.ready(3, 1);
    Lease lease = runs.take(SHORT);
    pass(LAPSE);

    assertThat(runs.complete(lease).range()).isEqualTo(step(2));
  }

  @Test
  default void aSignOfLifeKeepsTheSlot() {
    TestRuns runs = runs();
    runs.ready(3, 1);
    Lease lease = runs.take(SHORT);
    assertThat(runs.renew(lease)).isTrue();
    pass(LAPSE);

    assertThat(runs.takeOrNull()).isNull();
    runs.complete(lease);
  }

  @Test
  default void completingIsASignOfLife() {
    TestRuns runs = runs();
    runs.ready(3, 1);
    Lease lease = runs.complete(runs.take(SHORT));
    pass(LAPSE);
    assertThat(runs.takeOrNull()).isNull();

    get(store().complete(lease, 1, SHORT));
    pass(LAPSE);
    assertThat(runs.take().range()).isEqualTo(step(3));
  }

  @Test
  default void failingIsASignOfLife() {
    TestRuns runs = runs();
    runs.ready(3, 1);
    Lease lease = runs.take(SHORT);
    runs.fail(lease, TestRuns.again(lease, LONG));
    pass(LAPSE);

    assertThat(runs.takeOrNull()).isNull();
  }

  @Test
  default void whatAReturnedSlotHeldIsHandedOutAgainAsIfNotBegun() {
    TestRuns runs = runs();
    Run run = runs.ready(3, 1);
    Lease former = runs.take();
    runs.release(former);
    assertThat(runs.run(run).inFlight()).isZero();
    assertThat(runs.run(run).waiting()).isEqualTo(1);

    Lease next = runs.take();

    assertThat(next.range()).isEqualTo(former.range());
    assertThat(next.attempt()).isEqualTo(1);
    assertThat(next.epoch()).isGreaterThan(former.epoch());
    assertThat(runs.types(run)).doesNotContain(RunEvent.Type.TAKEN_OVER);
    isRefused(runs, former);
    runs.release(former);
    assertThat(runs.renew(next)).isTrue();
  }

  // A heartbeat that was on its way must not bring back what was given up.
  @Test
  default void whoGaveASlotBackHasItNoMore() {
    TestRuns runs = runs();
    runs.ready(3, 1);
    Lease lease = runs.take();
    runs.release(lease);

    assertThat(runs.renew(lease)).isFalse();
    isRefused(runs, lease);
    assertThat(runs.takeOrNull()).isNotNull();
  }

  @Test
  default void slotsThatHoldARangeComeFirst() {
    TestRuns runs = runs();
    runs.ready(9, 3);
    runs.take();
    Lease second = runs.take();
    runs.release(second);

    assertThat(runs.take().range()).isEqualTo(second.range());
  }

  @Test
  default void slotsThatHoldARangeComeFirstAmongAllRuns() {
    TestRuns runs = runs();
    runs.opened(9, RunParameters.DEFAULTS.consumers(2));
    Run young = runs.ready(9, 1);
    for (int i = 0; i < 3; i++) {
      runs.take(SHORT);
    }
    pass(LAPSE);

    Lease lease = runs.take();
    assertThat(lease.run().id()).isEqualTo(young.id());
    assertThat(lease.range()).isEqualTo(step(1));
  }

  // M14, M27
  @Test
  default void whatIsLeftBehindDoesNotKeepARunFromStopping() {
    for (Verb verb : List.of(Verb.PAUSE, Verb.CANCEL)) {
      RunState stopped = verb == Verb.PAUSE ? RunState.PAUSED : RunState.CANCELLED;
      TestRuns runs = runs();
      Run run = runs.ready(9, 2);
      Lease dead = runs.take(SHORT);
      Lease idle = runs.take();
      runs.say(run, verb);
      runs.release(runs.complete(idle));
      pass(LAPSE);

      // By somebody who has not the code for it.
      assertThat(getOrNull(store().take("stranger", Set.of("another"), LONG))).isNull();

      Run now = runs.run(run);
      assertThat(now.state()).isEqualTo(stopped);
      assertThat(now.inFlight()).isZero();
      assertThat(now.waiting()).isEqualTo(1);
      assertThat(runs.events(run).stream().filter(event -> event.who().equals("stranger")))
          .extracting(RunEvent::type)
          .containsExactly(
              RunEvent.Type.TAKEN_OVER,
              verb == Verb.PAUSE ? RunEvent.Type.PAUSED : RunEvent.Type.CANCELLED);
      assertThat(runs.takeOrNull()).isNull();
      assertThatThrownBy(() -> runs.complete(dead)).isInstanceOf(LostLeaseException.class);

      runs.say(run, Verb.RESUME);
      if (verb == Verb.PAUSE) {
        Lease heir = runs.take();
        assertThat(heir.range()).isEqualTo(dead.range());
        assertThat(heir.attempt()).isEqualTo(2);
      }
    }
  }

  @Test
  default void nothingIsTakenFromWhatIsOver() {
    TestRuns runs = runs();
    Run failed = runs.ready(9, 2);
    Lease other = runs.take(SHORT);
    runs.release(runs.fail(runs.take(), fatal()));
    pass(LAPSE);
    assertThat(runs.takeOrNull()).isNull();
    // It can be moved: nobody holds anything any more.
    assertThat(runs.run(failed).inFlight()).isZero();
    assertThat(runs.run(failed).waiting()).isEqualTo(2);

    runs.say(failed, Verb.RETRY);
    assertThat(List.of(runs.take(), runs.take())).extracting(Lease::range).contains(other.range());
  }

  @Test
  default void aSlotWithNothingToDoIsNotTaken() {
    TestRuns runs = runs();
    Run run = runs.ready(2, 3);
    Lease first = runs.take();
    Lease second = runs.take();
    assertThat(runs.takeOrNull()).isNull();

    second = runs.fail(second, TestRuns.again(second, SHORT));
    assertThat(second.range()).isNull();
    runs.release(second);
    pass(LAPSE);
    Lease again = runs.take();
    assertThat(again.range()).isEqualTo(step(2));
    runs.complete(again);
    runs.complete(first);
    assertThat(runs.state(run)).isEqualTo(RunState.SUCCEEDED);
    assertThat(ranges(runs.drain())).isEmpty();
  }
}
