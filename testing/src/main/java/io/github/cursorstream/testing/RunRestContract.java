package io.github.cursorstream.testing;

import static io.github.cursorstream.testing.TestRuns.LAPSE;
import static io.github.cursorstream.testing.TestRuns.LONG;
import static io.github.cursorstream.testing.TestRuns.SHORT;
import static io.github.cursorstream.testing.TestRuns.get;
import static io.github.cursorstream.testing.TestRuns.getOrNull;
import static io.github.cursorstream.testing.TestRuns.ranges;
import static io.github.cursorstream.testing.TestRuns.step;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.github.cursorstream.run.Again;
import io.github.cursorstream.run.BatchDone;
import io.github.cursorstream.run.Lease;
import io.github.cursorstream.run.LostLeaseException;
import io.github.cursorstream.run.Range;
import io.github.cursorstream.run.Run;
import io.github.cursorstream.run.RunParameters;
import io.github.cursorstream.run.RunState;
import io.github.cursorstream.run.Verb;
import java.time.Duration;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** What becomes of a batch that ended early: what is left of it is done before the run ends. */
interface RunRestContract extends RunStoreUnderTest {

  private static BatchDone done(long rows, Duration after, Range... rest) {
    return new BatchDone(rows, Stream.of(rest).map(range -> new Again(range, 0, after)).toList());
  }

  // B9

  @Test
  default void whatIsLeftOfABatchIsDoneBeforeTheRunSucceeds() {
    TestRuns runs = runs();
    Run run = runs.ready(1, 1);
    Range left = new Range("0.2", "it's \\0.4"); // Positions are any text.
    Range right = new Range("0.6", "1");
    Lease next = get(store().complete(runs.take(), done(7, Duration.ZERO, left, right), LONG));

    assertThat(next.range()).isEqualTo(left);
    assertThat(next.attempt()).isEqualTo(1);
    assertThat(next.run()).isEqualTo(runs.run(run));
    assertThat(next.run().state()).isEqualTo(RunState.RUNNING);
    assertThat(next.run().rows()).isEqualTo(7);
    assertThat(next.run().batches()).isEqualTo(1);
    assertThat(next.run().waiting()).isEqualTo(1);
    runs.release(next);
    assertThat(ranges(runs.drain())).containsExactlyInAnyOrder(left, right);
    assertThat(runs.state(run)).isEqualTo(RunState.SUCCEEDED);
    assertThat(runs.run(run).batches()).isEqualTo(3);
    assertThat(runs.run(run).failures()).isZero();
  }

  @Test
  default void whatIsLeftMayBeginWithTheRun() {
    TestRuns runs = runs();
    Run run = runs.created(RunParameters.DEFAULTS);
    run = get(store().open(run.id(), null, "1", "node"));
    getOrNull(store().extend(run, List.of("1")));
    Range left = new Range(null, "0.5");

    assertThat(get(store().complete(runs.take(), done(1, Duration.ZERO, left), LONG)).range())
        .isEqualTo(left);
  }

  @Test
  default void whatIsLeftIsNotTakenBeforeItIsDue() {
    TestRuns runs = runs();
    Run run = runs.ready(2, 1);
    Lease next = get(store().complete(runs.take(), done(0, SHORT, step(1)), LONG));
    assertThat(next.range()).isEqualTo(step(2));
    next = runs.complete(next);

    assertThat(next.range()).isNull();
    assertThat(next.run().state()).isEqualTo(RunState.RUNNING);
    assertThat(next.run().waiting()).isEqualTo(1);
    runs.release(next);
    assertThat(runs.takeOrNull()).isNull();
    pass(LAPSE);
    assertThat(ranges(runs.drain())).containsExactly(step(1));
    assertThat(runs.state(run)).isEqualTo(RunState.SUCCEEDED);
  }

  @Test
  default void whatDidNothingButLeaveSomethingIsNoBatch() {
    TestRuns runs = runs();
    Run run = runs.ready(1, 1);
    Lease lease = runs.take();
    for (int i = 0; i < 3; i++) {
      lease = get(store().complete(lease, done(0, Duration.ZERO, step(1)), LONG));
      assertThat(lease.attempt()).isEqualTo(1);
    }
    assertThat(runs.run(run).batches()).isZero();
    assertThat(runs.complete(lease).run().batches()).isEqualTo(1);
  }

  @Test
  default void whatIsLeftOfALostBatchIsNobodysBusiness() {
    TestRuns runs = runs();
    Run run = runs.ready(1, 1);
    Lease lost = runs.take();
    runs.say(run, Verb.FORCE_PAUSE);

    assertThatThrownBy(() -> get(store().complete(lost, done(1, Duration.ZERO, step(1)), LONG)))
        .isInstanceOf(LostLeaseException.class);
    assertThat(runs.run(run).waiting()).isEqualTo(1);
  }

  @Test
  default void ofNothingNothingIsLeft() {
    TestRuns runs = runs();
    Run run = runs.opened(1, RunParameters.DEFAULTS);
    get(store().complete(runs.take(), done(1, Duration.ZERO, step(1)), LONG));

    assertThat(runs.run(run).waiting()).isZero();
    assertThat(runs.run(run).rows()).isZero();
  }

  @Test
  default void aPauseWaitsNotForWhatIsLeft() {
    TestRuns runs = runs();
    Run run = runs.ready(1, 1);
    Lease lease = runs.take();
    runs.say(run, Verb.PAUSE);
    get(store().complete(lease, done(1, Duration.ZERO, step(1)), LONG));

    assertThat(runs.state(run)).isEqualTo(RunState.PAUSED);
    assertThat(runs.run(run).waiting()).isEqualTo(1);
  }
}
