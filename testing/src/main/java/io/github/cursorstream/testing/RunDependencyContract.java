package io.github.cursorstream.testing;

import static io.github.cursorstream.testing.TestRuns.all;
import static io.github.cursorstream.testing.TestRuns.get;
import static org.assertj.core.api.Assertions.assertThat;

import io.github.cursorstream.run.Run;
import io.github.cursorstream.run.RunParameters;
import io.github.cursorstream.run.RunState;
import io.github.cursorstream.run.Verb;
import java.util.Set;
import org.junit.jupiter.api.Test;

/** How a run waits for another. */
interface RunDependencyContract extends RunStoreUnderTest {

  private Run depending(TestRuns runs, TestRuns other) {
    return get(
        store().create(runs.plan("", RunParameters.DEFAULTS).dependsOn(other.name), "creator"));
  }

  private boolean canBeOpened(TestRuns runs, Run run) {
    return all(store().enqueued(Set.of(runs.kind))).stream().anyMatch(r -> r.id() == run.id());
  }

  /** Opening what waits must do nothing, whoever asks. */
  private void assertWaits(TestRuns runs, Run run) {
    assertThat(canBeOpened(runs, run)).isFalse();
    assertThat(get(store().open(run.id(), "0", "1", "node"))).isEqualTo(run);
    assertThat(runs.run(run)).isEqualTo(run);
  }

  @Test
  default void whatARunDependsOnIsKnown() {
    TestRuns runs = runs();
    TestRuns other = runs();

    assertThat(depending(runs, other).dependsOn()).isEqualTo(other.name);
    assertThat(runs.run(depending(runs, other)).dependsOn()).isEqualTo(other.name);
    assertThat(runs.created(RunParameters.DEFAULTS).dependsOn()).isNull();
  }

  @Test
  default void aRunWaitsUntilItsDependencyHasSucceeded() {
    TestRuns runs = runs();
    TestRuns other = runs();
    Run run = depending(runs, other);
    assertWaits(runs, run); // There is none yet.

    Run first = other.created(RunParameters.DEFAULTS);
    assertWaits(runs, run);
    get(store().open(first.id(), "0", "1", "node"));
    other.extend(first, 0, 1);
    assertWaits(runs, run);
    other.drain();

    assertThat(canBeOpened(runs, run)).isTrue();
    assertThat(get(store().open(run.id(), "0", "1", "node")).state()).isEqualTo(RunState.RUNNING);
  }

  @Test
  default void aFailedDependencyIsWaitedForUntilItWasRetried() {
    TestRuns runs = runs();
    TestRuns other = runs();
    Run run = depending(runs, other);
    Run first = other.ready(1, 1);
    other.release(other.fail(other.take(), TestRuns.fatal()));
    assertThat(other.state(first)).isEqualTo(RunState.FAILED);
    assertWaits(runs, run);

    other.say(first, Verb.RETRY);
    assertWaits(runs, run);
    other.drain();

    assertThat(other.state(first)).isEqualTo(RunState.SUCCEEDED);
    assertThat(canBeOpened(runs, run)).isTrue();
  }

  @Test
  default void aCancelledDependencyIsWaitedForUntilItIsDone() {
    TestRuns runs = runs();
    TestRuns other = runs();
    Run run = depending(runs, other);
    Run first = other.created(RunParameters.DEFAULTS);
    other.say(first, Verb.CANCEL);
    assertWaits(runs, run);

    other.say(first, Verb.MARK_SUCCEEDED);

    assertThat(canBeOpened(runs, run)).isTrue();
  }

  @Test
  default void theNewestRunOfTheDependencyCounts() {
    TestRuns runs = runs();
    TestRuns other = runs();
    Run run = depending(runs, other);
    get(store().open(other.created(RunParameters.DEFAULTS).id(), null, null, "node"));
    assertThat(canBeOpened(runs, run)).isTrue();

    Run second = other.created(RunParameters.DEFAULTS);
    assertWaits(runs, run); // Also if it is asked with what was listed before.
    get(store().open(second.id(), null, null, "node"));

    assertThat(canBeOpened(runs, run)).isTrue();
  }

  @Test
  default void aRunThatWaitsCanBePausedResumedAndCancelled() {
    TestRuns runs = runs();
    TestRuns other = runs();
    Run run = depending(runs, other);
    runs.say(run, Verb.PAUSE);
    assertThat(runs.say(run, Verb.RESUME).state()).isEqualTo(RunState.ENQUEUED);
    assertWaits(runs, run);

    assertThat(runs.say(run, Verb.CANCEL).state()).isEqualTo(RunState.CANCELLED);
  }
}
