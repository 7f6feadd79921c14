package io.github.cursorstream.testing;

import static io.github.cursorstream.testing.TestRuns.SHORT;
import static org.assertj.core.api.Assertions.assertThat;

import io.github.cursorstream.run.Lease;
import io.github.cursorstream.run.Run;
import io.github.cursorstream.run.RunEvent;
import io.github.cursorstream.run.RunParameters;
import io.github.cursorstream.run.RunState;
import io.github.cursorstream.run.Verb;
import java.util.List;
import org.junit.jupiter.api.Test;

/** What whoever listens hears of. */
interface RunHintContract extends RunStoreUnderTest {

  @Test
  default void whatIsSaidOrChangedIsHeardOf() {
    TestRuns runs = runs();
    Run run = runs.created(RunParameters.DEFAULTS);
    try (TestHints hears = new TestHints(runs)) {
      for (Verb verb : List.of(Verb.PAUSE, Verb.RESUME, Verb.FORCE_PAUSE, Verb.RESUME)) {
        assertThat(hears.of(run, () -> runs.say(run, verb))).as("%s", verb).isTrue();
      }
      assertThat(hears.of(run, () -> runs.change(run, p -> p.consumers(3)))).isTrue();
      assertThat(hears.of(run, () -> runs.say(run, Verb.CANCEL))).isTrue();
    }
  }

  @Test
  default void whatChangesTheStateByItselfIsHeardOf() {
    TestRuns runs = runs();
    try (TestHints hears = new TestHints(runs)) {
      Run run = runs.created(RunParameters.DEFAULTS.deadLetters(1));
      assertThat(hears.of(run, () -> TestRuns.get(runs.store.open(run.id(), "0", "3", "opener"))))
          .isTrue();
      runs.extend(run, 0, 3);
      Lease first = runs.take();
      runs.say(run, Verb.PAUSE);
      assertThat(hears.of(run, () -> runs.complete(first))).isTrue();
      assertThat(runs.state(run)).isEqualTo(RunState.PAUSED);
      runs.say(run, Verb.RESUME);
      runs.release(first);
      Lease second = runs.take();
      assertThat(hears.of(run, () -> runs.fail(second, TestRuns.fatal()))).isTrue();
      assertThat(runs.state(run)).isEqualTo(RunState.FAILED);
      runs.say(run, Verb.RETRY);
      runs.release(second);
      Lease bad = runs.take();
      Lease third = runs.fail(bad, TestRuns.bad(bad));
      assertThat(hears.of(run, () -> runs.complete(third))).isTrue();
      assertThat(runs.state(run)).isEqualTo(RunState.SUCCEEDED);
      assertThat(
              hears.of(run, () -> TestRuns.get(runs.store.retryDeadLetters(run.id(), "operator"))))
          .isTrue();
    }
  }

  @Test
  default void whatIsHandedBackIsHeardOf() {
    TestRuns runs = runs();
    Run run = runs.ready(3, 2);
    try (TestHints hears = new TestHints(runs)) {
      Lease lease = runs.take();
      assertThat(hears.of(run, () -> runs.release(lease))).isTrue();
      runs.take(SHORT);
      Lease last = runs.take();
      runs.say(run, Verb.CANCEL);
      pass(TestRuns.LAPSE);
      assertThat(runs.takeOrNull()).isNull();
      assertThat(hears.of(run, () -> runs.release(last))).isTrue();
      assertThat(runs.state(run)).isEqualTo(RunState.CANCELLED);
      assertThat(runs.types(run)).endsWith(RunEvent.Type.CANCELLED);
    }
  }

  // Notifications make the commits of batches wait for each other.
  @Test
  default void completedBatchesAreNotHeardOf() {
    TestRuns runs = runs();
    Run run = runs.ready(9, 1);
    try (TestHints hears = new TestHints(runs)) {
      Lease lease = runs.take();
      assertThat(hears.of(run, () -> runs.complete(runs.complete(lease)))).isFalse();
    }
  }
}
