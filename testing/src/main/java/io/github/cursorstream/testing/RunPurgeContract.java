package io.github.cursorstream.testing;

import static io.github.cursorstream.testing.TestRuns.LAPSE;
import static io.github.cursorstream.testing.TestRuns.LONG;
import static io.github.cursorstream.testing.TestRuns.SHORT;
import static io.github.cursorstream.testing.TestRuns.get;
import static io.github.cursorstream.testing.TestRuns.getOrNull;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.github.cursorstream.run.Lease;
import io.github.cursorstream.run.LostLeaseException;
import io.github.cursorstream.run.Run;
import io.github.cursorstream.run.RunEvent;
import io.github.cursorstream.run.RunParameters;
import io.github.cursorstream.run.RunState;
import io.github.cursorstream.run.Verb;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.Test;

/** What is forgotten of runs that ended long ago, and what is not. */
interface RunPurgeContract extends RunStoreUnderTest {

  /** Until nothing is left that is as old. */
  private void purge(Duration age) {
    while (get(store().purge(age)) > 0) {}
  }

  private static Run succeeded(TestRuns runs) {
    Run run = runs.ready(1, 1);
    runs.drain();
    assertThat(runs.state(run)).isEqualTo(RunState.SUCCEEDED);
    return run;
  }

  private static Run cancelled(TestRuns runs) {
    Run run = runs.created(RunParameters.DEFAULTS);
    runs.say(run, Verb.CANCEL);
    return run;
  }

  private static Run failed(TestRuns runs) {
    Run run = runs.ready(1, 1);
    runs.release(runs.fail(runs.take(), TestRuns.fatal()));
    assertThat(runs.state(run)).isEqualTo(RunState.FAILED);
    return run;
  }

  private boolean isKnown(Run run) {
    return getOrNull(store().find(run.id())) != null;
  }

  @Test
  default void whatSucceededOrWasCancelledLongAgoIsForgotten() {
    TestRuns runs = runs();
    List<Run> old = List.of(succeeded(runs), cancelled(runs));
    Run newest = runs.created(RunParameters.DEFAULTS);
    pass(LAPSE);

    purge(SHORT);

    assertThat(old).noneMatch(this::isKnown);
    assertThat(TestRuns.all(store().runs())).doesNotContainAnyElementsOf(old).contains(newest);
    for (Run run : old) {
      assertThat(runs.events(run)).isEmpty();
      assertThatThrownBy(() -> runs.say(run, Verb.PAUSE)).isInstanceOf(RuntimeException.class);
    }
    assertThat(get(store().purge(SHORT))).isZero();
  }

  // M16: whoever asks for it, or depends on it, finds it.
  @Test
  default void theNewestRunOfANameStays() {
    TestRuns runs = runs();
    Run old = cancelled(runs);
    Run newest = succeeded(runs);
    TestRuns others = runs();
    Run other = cancelled(others);
    pass(LAPSE);

    purge(SHORT);

    assertThat(isKnown(old)).isFalse();
    assertThat(get(store().latest(runs.name)).id()).isEqualTo(newest.id());
    assertThat(get(store().latest(others.name)).id()).isEqualTo(other.id());
  }

  @Test
  default void whatFailedOrIsAliveStays() {
    TestRuns runs = runs();
    Run failed = failed(runs);
    Run paused = runs.created(RunParameters.DEFAULTS);
    runs.say(paused, Verb.PAUSE);
    runs.created(RunParameters.DEFAULTS);
    pass(LAPSE);

    purge(SHORT);

    assertThat(isKnown(failed)).isTrue();
    assertThat(isKnown(paused)).isTrue();
    assertThat(runs.types(paused)).contains(RunEvent.Type.CREATED, RunEvent.Type.PAUSED);
    runs.say(failed, Verb.RETRY);
    assertThat(runs.drain()).hasSize(1);
    assertThat(runs.state(failed)).isEqualTo(RunState.SUCCEEDED);
  }

  @Test
  default void whatEndedNotSoLongAgoStays() {
    TestRuns runs = runs();
    Run run = succeeded(runs);
    runs.created(RunParameters.DEFAULTS);
    List<RunEvent> events = runs.events(run);

    purge(LONG);

    assertThat(isKnown(run)).isTrue();
    assertThat(runs.events(run)).isEqualTo(events);
  }

  @Test
  default void whatTheLogTellsOfRunsThatHaveEndedIsForgotten() {
    TestRuns runs = runs();
    List<Run> ended = List.of(failed(runs), succeeded(runs));
    pass(Duration.ofMillis(1_100));
    runs.change(ended.get(0), p -> p.batchSize(7));

    purge(Duration.ofSeconds(1));

    // What is new is not.
    assertThat(runs.types(ended.get(0))).containsExactly(RunEvent.Type.CHANGED);
    assertThat(runs.types(ended.get(1))).isEmpty();
    assertThat(runs.run(ended.get(0)).error()).isNotNull();
    long last = runs.events(ended.get(0)).get(0).id();
    runs.say(ended.get(0), Verb.RETRY);
    assertThat(TestRuns.all(store().events(ended.get(0).id(), last)))
        .extracting(RunEvent::type)
        .containsExactly(RunEvent.Type.RETRIED);
  }

  @Test
  default void whoWorkedOnAForgottenRunHasLostIt() {
    TestRuns runs = runs();
    Run run = runs.ready(2, 1);
    Lease lease = runs.take();
    runs.say(run, Verb.FORCE_CANCEL);
    runs.created(RunParameters.DEFAULTS);
    pass(LAPSE);

    purge(SHORT);

    assertThat(isKnown(run)).isFalse();
    assertThat(runs.renew(lease)).isFalse();
    assertThatThrownBy(() -> runs.complete(lease)).isInstanceOf(LostLeaseException.class);
    runs.release(lease);
  }
}
