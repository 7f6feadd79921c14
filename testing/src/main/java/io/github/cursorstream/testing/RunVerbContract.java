package io.github.cursorstream.testing;

import static io.github.cursorstream.testing.TestRuns.LONG;
import static io.github.cursorstream.testing.TestRuns.fatal;
import static io.github.cursorstream.testing.TestRuns.get;
import static io.github.cursorstream.testing.TestRuns.ranges;
import static io.github.cursorstream.testing.TestRuns.step;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.github.cursorstream.run.Lease;
import io.github.cursorstream.run.LostLeaseException;
import io.github.cursorstream.run.NewRun;
import io.github.cursorstream.run.Run;
import io.github.cursorstream.run.RunEvent;
import io.github.cursorstream.run.RunParameters;
import io.github.cursorstream.run.RunState;
import io.github.cursorstream.run.Transitions;
import io.github.cursorstream.run.Verb;
import io.github.cursorstream.run.VerbResult;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import org.junit.jupiter.api.Test;

/** What verbs do to a run and to its batches in flight. */
interface RunVerbContract extends RunStoreUnderTest {

  /** Ways into each state, with work left. */
  private static Map<String, Function<TestRuns, Run>> situations() {
    Map<String, Function<TestRuns, Run>> ways = new LinkedHashMap<>();
    ways.put(
        "held",
        runs ->
            get(
                runs.store.create(
                    new NewRun(runs.name, runs.kind, "", RunParameters.DEFAULTS, true), "who")));
    ways.put("enqueued", runs -> runs.created(RunParameters.DEFAULTS));
    ways.put("running, idle", runs -> runs.ready(3, 1));
    ways.put("running", RunVerbContract::busy);
    ways.put("pausing", runs -> after(runs, busy(runs), Verb.PAUSE));
    ways.put("paused", runs -> after(runs, runs.ready(3, 1), Verb.PAUSE));
    ways.put(
        "paused before it began",
        runs -> after(runs, runs.created(RunParameters.DEFAULTS), Verb.PAUSE));
    ways.put("cancelling", runs -> after(runs, busy(runs), Verb.CANCEL));
    ways.put("cancelled", runs -> after(runs, runs.ready(3, 1), Verb.CANCEL));
    ways.put("failed", RunVerbContract::failed);
    ways.put("succeeded", runs -> after(runs, failed(runs), Verb.MARK_SUCCEEDED));
    return ways;
  }

  private static Run busy(TestRuns runs) {
    Run run = runs.ready(3, 1);
    runs.take();
    return run;
  }

  private static Run failed(TestRuns runs) {
    Run run = runs.ready(3, 1);
    runs.fail(runs.take(), fatal());
    return run;
  }

  private static Run after(TestRuns runs, Run run, Verb verb) {
    runs.say(run, verb);
    return run;
  }

  // M5
  @Test
  default void everyVerbDoesInEverySituationWhatTheTableSays() {
    situations()
        .forEach(
            (situation, way) -> {
              for (Verb verb : Verb.values()) {
                TestRuns runs = runs();
                Run before = runs.run(way.apply(runs));
                boolean idle = before.inFlight() == 0;
                List<RunEvent.Type> log = new ArrayList<>(runs.types(before));

                VerbResult result = runs.say(before, verb);

                Run after = runs.run(before);
                assertThat(result)
                    .as("%s said to a run that is %s", verb, situation)
                    .isEqualTo(Transitions.of(before.state(), verb, before.isOpened(), idle));
                assertThat(after.state()).isEqualTo(result.state());
                assertThat(after.endedAt() != null).isEqualTo(after.state().isEnded());
                if (after.state() != before.state()) {
                  log.add(Transitions.logged(verb, after.state()));
                }
                assertThat(runs.types(before)).isEqualTo(log);
              }
            });
  }

  @Test
  default void aVerbToARunThatThereIsNotIsAnError() {
    for (Verb verb : Verb.values()) {
      assertThatThrownBy(() -> get(store().say(Long.MAX_VALUE, verb, "who", null)))
          .isInstanceOf(RuntimeException.class)
          .hasMessageContaining("" + Long.MAX_VALUE);
    }
  }

  // B3
  @Test
  default void pausingWaitsForTheBatchInFlightAndResumingHasNoGapAndNoRepeat() {
    TestRuns runs = runs();
    Run run = runs.ready(6, 2);
    Lease first = runs.take();
    Lease second = runs.take();

    assertThat(runs.say(run, Verb.PAUSE).state()).isEqualTo(RunState.PAUSING);
    first = runs.complete(first);
    assertThat(first.range()).isNull();
    assertThat(runs.state(run)).isEqualTo(RunState.PAUSING);
    assertThat(runs.run(run).inFlight()).isEqualTo(1);
    second = runs.complete(second);
    assertThat(second.range()).isNull();
    assertThat(second.run().state()).isEqualTo(RunState.PAUSED);
    assertThat(runs.state(run)).isEqualTo(RunState.PAUSED);
    assertThat(runs.types(run)).endsWith(RunEvent.Type.PAUSED);
    assertThat(runs.complete(first).range()).isNull();
    runs.release(second);
    assertThat(runs.takeOrNull()).isNull();

    runs.say(run, Verb.RESUME);
    assertThat(ranges(runs.drain())).containsExactly(step(3), step(4), step(5), step(6));
    assertThat(runs.state(run)).isEqualTo(RunState.SUCCEEDED);
    assertThat(runs.run(run).batches()).isEqualTo(6);
  }

  @Test
  default void aPauseTakenBackIsNotFelt() {
    TestRuns runs = runs();
    Run run = runs.ready(2, 1);
    Lease lease = runs.take();
    runs.say(run, Verb.PAUSE);
    runs.say(run, Verb.RESUME);

    assertThat(runs.complete(lease).range()).isEqualTo(step(2));
  }

  // M6
  @Test
  default void whatFinishesItsLastBatchWhilePausingSucceedsWhenResumed() {
    TestRuns runs = runs();
    Run run = runs.ready(1, 1);
    Lease lease = runs.take();
    runs.say(run, Verb.PAUSE);
    runs.complete(lease);
    assertThat(runs.state(run)).isEqualTo(RunState.PAUSED);

    VerbResult resumed = runs.say(run, Verb.RESUME);
    assertThat(resumed.isAccepted()).isTrue();
    // Nobody could take anything from it any more: without this it would be running for ever.
    assertThat(runs.state(run)).isEqualTo(RunState.SUCCEEDED);
    assertThat(resumed.state()).isEqualTo(RunState.SUCCEEDED);
    assertThat(runs.types(run)).endsWith(RunEvent.Type.SUCCEEDED);
  }

  @Test
  default void cancellingWaitsForTheBatchInFlight() {
    TestRuns runs = runs();
    Run run = runs.ready(2, 1);
    Lease lease = runs.take();

    assertThat(runs.say(run, Verb.CANCEL).state()).isEqualTo(RunState.CANCELLING);
    assertThat(runs.complete(lease).range()).isNull();

    Run cancelled = runs.run(run);
    assertThat(cancelled.state()).isEqualTo(RunState.CANCELLED);
    assertThat(cancelled.batches()).isEqualTo(1);
    assertThat(cancelled.endedAt()).isNotNull();
    assertThat(cancelled.inFlight()).isZero();
    assertThat(runs.types(run)).endsWith(RunEvent.Type.CANCELLED);
    assertThat(runs.takeOrNull()).isNull();
  }

  // M6
  @Test
  default void whatFinishesItsLastBatchWhileCancellingIsCancelled() {
    TestRuns runs = runs();
    Run run = runs.ready(1, 1);
    Lease lease = runs.take();
    runs.say(run, Verb.CANCEL);
    runs.complete(lease);

    assertThat(runs.state(run)).isEqualTo(RunState.CANCELLED);
  }

  @Test
  default void aForcedVerbTakesTheLeasesAway() {
    for (Verb verb : List.of(Verb.FORCE_PAUSE, Verb.FORCE_CANCEL)) {
      TestRuns runs = runs();
      Run run = runs.ready(3, 3);
      List<Lease> leases = new ArrayList<>(List.of(runs.take(), runs.take(), runs.take()));
      leases.set(2, runs.complete(leases.get(2)));
      assertThat(leases.get(2).range()).isNull();

      runs.say(run, verb);

      Run forced = runs.run(run);
      assertThat(forced.inFlight()).isZero();
      assertThat(forced.waiting()).isEqualTo(2);
      for (Lease lease : leases) {
        assertThat(runs.renew(lease)).as("%s leaves %s", verb, lease).isFalse();
        assertThatThrownBy(() -> runs.complete(lease)).isInstanceOf(LostLeaseException.class);
        assertThatThrownBy(() -> runs.fail(lease, fatal())).isInstanceOf(LostLeaseException.class);
      }
      assertThat(runs.run(run)).isEqualTo(forced);
      assertThat(runs.takeOrNull()).isNull();
    }
  }

  @Test
  default void whatAForcedPauseUndidIsHandedOutAgainAfterAResume() {
    TestRuns runs = runs();
    Run run = runs.ready(3, 2);
    Lease first = runs.take();
    runs.take();
    runs.say(run, Verb.FORCE_PAUSE);
    runs.say(run, Verb.RESUME);

    Lease again = runs.take();
    assertThat(again.attempt()).isEqualTo(1);
    assertThat(List.of(step(1), step(2))).contains(TestRuns.held(again));
    runs.release(again);
    assertThat(runs.drain())
        .extracting(Lease::range)
        .containsExactlyInAnyOrder(step(1), step(2), step(3));
    assertThatThrownBy(() -> runs.complete(first)).isInstanceOf(LostLeaseException.class);
    assertThat(runs.run(run).batches()).isEqualTo(3);
    assertThat(runs.state(run)).isEqualTo(RunState.SUCCEEDED);
  }

  @Test
  default void aForcedPauseEndsAPauseThatWaits() {
    TestRuns runs = runs();
    Run run = runs.ready(3, 1);
    Lease lease = runs.take();
    runs.say(run, Verb.PAUSE);

    assertThat(runs.say(run, Verb.FORCE_PAUSE).state()).isEqualTo(RunState.PAUSED);
    assertThat(runs.renew(lease)).isFalse();
  }

  // NewRun: while one of that name and arguments has not ended there is no second.
  @Test
  default void aFailedRunIsNotRetriedBesideItsSuccessor() {
    TestRuns runs = runs();
    NewRun plan = runs.plan("a", RunParameters.DEFAULTS);
    Run first = get(store().create(plan, "who"));
    get(store().open(first.id(), "0", "1", "node"));
    runs.extend(first, 0, 1);
    runs.fail(runs.take(), fatal());
    Run second = get(store().create(plan, "who"));
    assertThat(second.id()).isNotEqualTo(first.id());

    VerbResult refused = runs.say(first, Verb.RETRY);

    assertThat(refused.kind()).isEqualTo(VerbResult.Kind.REFUSED);
    assertThat(refused.state()).isEqualTo(RunState.FAILED);
    assertThat(refused.reason()).contains("" + second.id());
    assertThat(runs.state(first)).isEqualTo(RunState.FAILED);
    runs.say(second, Verb.CANCEL);
    assertThat(runs.say(first, Verb.RETRY).kind()).isEqualTo(VerbResult.Kind.DONE);
  }

  @Test
  default void theWhyOfAVerbIsLogged() {
    TestRuns runs = runs();
    Run run = runs.created(RunParameters.DEFAULTS);
    get(store().say(run.id(), Verb.PAUSE, "ada", "too early"));

    assertThat(runs.events(run))
        .last()
        .satisfies(
            event -> {
              assertThat(event.type()).isEqualTo(RunEvent.Type.PAUSED);
              assertThat(event.who()).isEqualTo("ada");
              assertThat(event.detail()).isEqualTo("PAUSE: too early");
            });
  }

  // M8
  @Test
  default void theLogTellsTheLifeOfARun() {
    TestRuns runs = runs();
    Run run =
        get(store().create(runs.plan("", RunParameters.DEFAULTS.deadLetters(1)).held(true), "who"));
    runs.say(run, Verb.START);
    get(store().open(run.id(), "0", "3", "node"));
    runs.extend(run, 0, 3);
    Lease lease = runs.take();
    runs.say(run, Verb.PAUSE);
    lease = runs.complete(lease);
    runs.say(run, Verb.RESUME);
    runs.release(lease);
    runs.release(runs.fail(runs.take(), fatal()));
    runs.say(run, Verb.RETRY);
    lease = runs.take();
    runs.release(runs.fail(lease, TestRuns.bad(lease)));
    lease = runs.take();
    runs.say(run, Verb.CANCEL);
    runs.release(runs.complete(lease));
    runs.say(run, Verb.MARK_SUCCEEDED);

    assertThat(runs.events(run))
        .extracting(event -> event.type() + " " + event.detail())
        .containsExactly(
            "CREATED null",
            "ENQUEUED START",
            "OPENED null",
            "PAUSING PAUSE",
            "PAUSED null",
            "RESUMED RESUME",
            "BATCH_FAILED it cannot work",
            "FAILED it cannot work",
            "RETRIED RETRY",
            "BATCH_FAILED the row is bad",
            "DEAD_LETTER why it is bad",
            "CANCELLING CANCEL",
            "CANCELLED null",
            "SUCCEEDED MARK_SUCCEEDED");
  }

  @Test
  default void whatIsDeclaredDoneIsOverWhateverIsLeft() {
    TestRuns runs = runs();
    Run run = runs.ready(3, 1);
    Lease lease = get(store().complete(runs.take(), 5, LONG));
    runs.say(run, Verb.FORCE_PAUSE);
    runs.say(run, Verb.MARK_SUCCEEDED);

    Run done = runs.run(run);
    assertThat(done.state()).isEqualTo(RunState.SUCCEEDED);
    assertThat(done.rows()).isEqualTo(5);
    assertThat(runs.takeOrNull()).isNull();
    assertThatThrownBy(() -> runs.complete(lease)).isInstanceOf(LostLeaseException.class);
  }
}
