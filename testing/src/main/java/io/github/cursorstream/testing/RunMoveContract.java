package io.github.cursorstream.testing;

import static io.github.cursorstream.testing.TestRuns.LONG;
import static io.github.cursorstream.testing.TestRuns.again;
import static io.github.cursorstream.testing.TestRuns.bad;
import static io.github.cursorstream.testing.TestRuns.get;
import static io.github.cursorstream.testing.TestRuns.getOrNull;
import static io.github.cursorstream.testing.TestRuns.held;
import static io.github.cursorstream.testing.TestRuns.step;
import static org.assertj.core.api.Assertions.assertThat;

import io.github.cursorstream.run.Conclusion;
import io.github.cursorstream.run.Lease;
import io.github.cursorstream.run.NewRun;
import io.github.cursorstream.run.Range;
import io.github.cursorstream.run.Remaining;
import io.github.cursorstream.run.Run;
import io.github.cursorstream.run.RunEvent;
import io.github.cursorstream.run.RunParameters;
import io.github.cursorstream.run.RunState;
import io.github.cursorstream.run.Verb;
import io.github.cursorstream.run.VerbResult;
import io.github.cursorstream.run.VerbResult.Kind;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;

/** How work that is still to be done is skipped, or done again. */
interface RunMoveContract extends RunStoreUnderTest {

  private Remaining remaining(Run run) {
    return get(store().remaining(run.id()));
  }

  private @Nullable VerbResult move(Run run, Remaining from, Remaining to) {
    return getOrNull(store().move(run.id(), from, to, "operator", "why"));
  }

  private void moved(Run run, Remaining to) {
    VerbResult result = Objects.requireNonNull(move(run, remaining(run), to), "a result");
    assertThat(result.kind()).isEqualTo(Kind.DONE);
  }

  private static Range range(int after, int upTo) {
    return new Range("" + after, "" + upTo);
  }

  private static Remaining skipping(@Nullable String position, int passed, Range... skipped) {
    return new Remaining(position, List.of(skipped), passed, List.of(), List.of());
  }

  /** Finds ends as a kind would, and completes everything. */
  private List<Range> walk(TestRuns runs, Run run) {
    List<Range> walked = new ArrayList<>();
    for (int turns = 0; turns < 100; turns++) {
      Run now = runs.run(run);
      if (now.state() != RunState.RUNNING) {
        return walked;
      }
      if (now.hasMore()) {
        runs.extend(
            run,
            Integer.parseInt(Objects.requireNonNull(now.tail())),
            Integer.parseInt(Objects.requireNonNull(now.stop())));
      }
      Lease lease = runs.take();
      while (lease.range() != null) {
        walked.add(held(lease));
        lease = runs.complete(lease);
      }
      runs.release(lease);
    }
    throw new AssertionError("it does not end: " + runs.run(run));
  }

  @Test
  default void whatRemainsIsKnown() {
    TestRuns runs = runs();
    Run run = runs.ready(9, RunParameters.DEFAULTS.deadLetters(1).consumers(1));
    assertThat(remaining(run)).isEqualTo(skipping("0", 0));
    Lease lease = runs.take();
    lease = runs.fail(lease, bad(lease));
    runs.release(runs.fail(lease, again(lease, LONG)));
    runs.say(run, Verb.PAUSE);

    // What was given back waits too.
    assertThat(remaining(run))
        .isEqualTo(new Remaining("3", List.of(), 0, List.of(step(2), step(3)), List.of(step(1))));
  }

  @Test
  default void whatIsSkippedIsNotHandedOut() {
    TestRuns runs = runs();
    Run run = runs.ready(9, 1);
    moved(run, skipping("0", 0, range(2, 4), range(7, 9)));

    Run skipping = runs.run(run);
    assertThat(skipping.position()).isEqualTo("0");
    assertThat(skipping.tail()).isEqualTo("0");
    assertThat(skipping.ahead()).isZero();
    assertThat(skipping.stop()).isEqualTo("2");
    assertThat(skipping.upper()).isEqualTo("9");
    assertThat(runs.events(run))
        .last()
        .satisfies(
            event -> {
              assertThat(event.type()).isEqualTo(RunEvent.Type.MOVED);
              assertThat(event.who()).isEqualTo("operator");
              assertThat(event.detail()).isEqualTo("why");
            });
    runs.extend(run, 0, 2);
    runs.extend(run, 2, 4); // Somebody who looked further.
    assertThat(runs.run(run).ahead()).isEqualTo(2);
    assertThat(walk(runs, run)).containsExactly(step(1), step(2), step(5), step(6), step(7));
    assertThat(runs.run(run).position()).isEqualTo("9");
    assertThat(runs.state(run)).isEqualTo(RunState.SUCCEEDED);
  }

  @Test
  default void endsThatWereLookedForBeforeItWasMovedAreNotAdded() {
    TestRuns runs = runs();
    Run run = runs.opened(9, RunParameters.DEFAULTS);
    Run before = runs.run(run);
    moved(run, skipping("0", 0, range(2, 4)));
    getOrNull(store().extend(before, List.of("3", "6", "9")));
    assertThat(runs.run(run).ahead()).isZero();
    assertThat(walk(runs, run))
        .containsExactly(step(1), step(2), step(5), step(6), step(7), step(8), step(9));
  }

  @Test
  default void aChangedBatchSizeForgetsEndsAndNothingThatIsSkipped() {
    TestRuns runs = runs();
    Run run = runs.opened(5, RunParameters.DEFAULTS);
    moved(run, skipping("0", 0, range(2, 4)));
    runs.extend(run, 0, 2);
    Lease lease = runs.take();
    runs.change(run, p -> p.batchSize(7));
    runs.release(runs.complete(lease));

    assertThat(walk(runs, run)).containsExactly(step(2), step(5));
  }

  @Test
  default void eachPassSkipsTheSame() {
    TestRuns runs = runs();
    NewRun plan = runs.plan("", RunParameters.DEFAULTS).gated(true);
    Run run = get(store().create(plan, "creator"));
    get(store().open(run.id(), "0", "4", "opener"));
    moved(run, skipping("1", 1, range(0, 1), range(2, 3)));
    for (int pass = 0; pass < 2; pass++) {
      runs.extend(run, 1, 2);
      Lease lease = runs.take();
      assertThat(lease.range()).isEqualTo(step(2));
      lease = runs.complete(lease);
      assertThat(lease.run().tail()).isEqualTo("3");
      runs.extend(run, 3, 4);
      lease = runs.complete(lease);
      assertThat(lease.range()).isEqualTo(step(4));
      lease = runs.complete(lease);
      assertThat(lease.concludes()).isTrue();
      runs.release(get(store().conclude(lease, Conclusion.again("4", "", "why"), LONG)));
      assertThat(runs.run(run).position()).isEqualTo("1");
    }
  }

  @Test
  default void whatIsDoneAgainIsHandedOutAgain() {
    TestRuns runs = runs();
    Run run = runs.ready(6, RunParameters.DEFAULTS.deadLetters(1).consumers(1));
    Lease lease = runs.take();
    lease = runs.fail(lease, bad(lease));
    lease = runs.fail(lease, again(lease, LONG));
    lease = runs.fail(lease, again(lease, LONG));
    runs.say(run, Verb.PAUSE);
    runs.release(runs.complete(lease));
    assertThat(remaining(run).waiting()).containsExactly(step(2), step(3));
    // Behind 2.5: half of (2, 3] goes, and what was put aside.
    Range half = new Range("2", "2.5");
    moved(run, new Remaining("3", List.of(), 0, List.of(step(2), half), List.of()));

    Run moved = runs.run(run);
    assertThat(moved.position()).isEqualTo("3");
    assertThat(moved.waiting()).isEqualTo(2);
    assertThat(moved.deadLetters()).isZero();
    assertThat(get(store().deadLetters(run.id()).collectList())).isEmpty();
    assertThat(moved.state()).isEqualTo(RunState.PAUSED);
    runs.say(run, Verb.RESUME);
    runs.extend(run, 3, 6);
    lease = runs.take(); // What is new is due now, what was there when it was.
    assertThat(lease.range()).isEqualTo(half);
    assertThat(lease.attempt()).isEqualTo(1);
    lease = runs.complete(lease);
    assertThat(lease.range()).isEqualTo(step(4));
    assertThat(runs.run(run).waiting()).isEqualTo(1);
  }

  @Test
  default void aRunThatHasNothingLeftThenSucceeds() {
    TestRuns runs = runs();
    Run run = runs.ready(9, 0);
    moved(run, skipping("9", 1, range(0, 9)));
    assertThat(runs.state(run)).isEqualTo(RunState.SUCCEEDED);
    assertThat(runs.types(run)).endsWith(RunEvent.Type.MOVED, RunEvent.Type.SUCCEEDED);
  }

  @Test
  default void whatHasChangedMeanwhileIsNotMoved() {
    TestRuns runs = runs();
    Run run = runs.ready(9, 1);
    Remaining before = remaining(run);
    Lease lease = runs.take();
    runs.say(run, Verb.PAUSE);
    runs.release(runs.complete(lease));

    assertThat(move(run, before, skipping("5", 0))).isNull();
    assertThat(runs.run(run).position()).isEqualTo("1");
    assertThat(runs.types(run)).doesNotContain(RunEvent.Type.MOVED);
  }

  // M5

  @Test
  default void nothingIsMovedWhereItCouldBeInFlightOrIsOver() {
    TestRuns runs = runs();
    Run run = runs.created(RunParameters.DEFAULTS);
    assertRefused(run, RunState.ENQUEUED);
    runs.say(run, Verb.PAUSE);
    assertRefused(run, RunState.PAUSED);
    runs.say(run, Verb.RESUME);
    get(store().open(run.id(), "0", "9", "opener"));
    runs.extend(run, 0, 9);
    Lease lease = runs.take();
    assertRefused(run, RunState.RUNNING);
    runs.say(run, Verb.PAUSE);
    assertRefused(run, RunState.PAUSING);
    runs.release(runs.complete(lease));
    moved(run, skipping("2", 0));
    runs.say(run, Verb.RESUME);
    runs.extend(run, 2, 9);
    lease = runs.take();
    runs.say(run, Verb.CANCEL);
    assertRefused(run, RunState.CANCELLING);
    runs.complete(lease);
    assertRefused(run, RunState.CANCELLED);
  }

  private void assertRefused(Run run, RunState state) {
    VerbResult result =
        Objects.requireNonNull(move(run, remaining(run), skipping("5", 0)), "a result");
    assertThat(result.kind()).as("in %s", state).isEqualTo(Kind.REFUSED);
    assertThat(result.state()).isEqualTo(state);
    assertThat(result.reason()).isNotBlank();
  }
}
