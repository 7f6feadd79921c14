package io.github.cursorstream.testing;

import static io.github.cursorstream.testing.TestRuns.LONG;
import static io.github.cursorstream.testing.TestRuns.again;
import static io.github.cursorstream.testing.TestRuns.ends;
import static io.github.cursorstream.testing.TestRuns.get;
import static io.github.cursorstream.testing.TestRuns.getOrNull;
import static io.github.cursorstream.testing.TestRuns.ranges;
import static io.github.cursorstream.testing.TestRuns.step;
import static org.assertj.core.api.Assertions.assertThat;

import io.github.cursorstream.run.Lease;
import io.github.cursorstream.run.Range;
import io.github.cursorstream.run.Run;
import io.github.cursorstream.run.RunEvent;
import io.github.cursorstream.run.RunParameters;
import io.github.cursorstream.run.RunState;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

/** How the ends that were found become ranges, and the last of them the run's end. */
interface RunHandOutContract extends RunStoreUnderTest {

  // M1
  @Test
  default void rangesAreHandedOutInOrderWithoutGap() {
    TestRuns runs = runs();
    Run run = runs.ready(12, 1);

    assertThat(ranges(runs.drain()))
        .containsExactlyElementsOf(IntStream.rangeClosed(1, 12).mapToObj(TestRuns::step).toList());
    Run done = runs.run(run);
    assertThat(done.state()).isEqualTo(RunState.SUCCEEDED);
    assertThat(done.start()).isEqualTo("0");
    assertThat(done.position()).isEqualTo("12");
    assertThat(done.batches()).isEqualTo(12);
    assertThat(done.rows()).isEqualTo(12);
    assertThat(done.endedAt()).isNotNull();
    assertThat(done.inFlight() + done.waiting() + done.ahead()).isZero();
    assertThat(runs.types(run)).containsOnlyOnce(RunEvent.Type.SUCCEEDED);
  }

  // M4
  @Test
  default void theFirstRangeBeginsWhereTheRunDoes() {
    TestRuns runs = runs();
    Run run = runs.created(RunParameters.DEFAULTS);
    run = get(store().open(run.id(), null, "1", "node"));
    getOrNull(store().extend(run, List.of("1")));

    assertThat(ranges(runs.drain())).containsExactly(new Range(null, "1"));
    assertThat(runs.state(run)).isEqualTo(RunState.SUCCEEDED);
  }

  @Test
  default void positionAheadAndInFlightFollowWhatIsHandedOut() {
    TestRuns runs = runs();
    Run run = runs.ready(3, 2);
    assertThat(runs.run(run).ahead()).isEqualTo(3);
    assertThat(runs.run(run).hasMore()).isFalse();

    Lease lease = runs.take();
    assertThat(lease.run()).isEqualTo(runs.run(run));
    assertThat(lease.run().position()).isEqualTo("1");
    assertThat(lease.run().tail()).isEqualTo("3");
    assertThat(lease.run().ahead()).isEqualTo(2);
    assertThat(lease.run().inFlight()).isEqualTo(1);

    runs.take();
    assertThat(runs.run(run).position()).isEqualTo("2");
    assertThat(runs.run(run).inFlight()).isEqualTo(2);

    lease = get(store().complete(lease, 40, LONG));
    assertThat(lease.run()).isEqualTo(runs.run(run));
    assertThat(lease.range()).isEqualTo(step(3));
    assertThat(lease.attempt()).isEqualTo(1);
    assertThat(lease.run().rows()).isEqualTo(40);
    assertThat(lease.run().batches()).isEqualTo(1);
    assertThat(lease.run().inFlight()).isEqualTo(2);
  }

  @Test
  default void aRunSucceedsOnlyWithTheLastBatchInFlight() {
    TestRuns runs = runs();
    Run run = runs.ready(2, 2);
    Lease first = runs.take();
    Lease second = runs.take();

    assertThat(runs.complete(second).range()).isNull();
    assertThat(runs.state(run)).isEqualTo(RunState.RUNNING);
    assertThat(runs.complete(first).run().state()).isEqualTo(RunState.SUCCEEDED);
  }

  @Test
  default void aRunDoesNotSucceedWhileARangeWaits() {
    TestRuns runs = runs();
    Run run = runs.ready(1, 1);
    Lease lease = runs.take();
    lease = runs.fail(lease, again(lease, LONG));

    assertThat(lease.range()).isNull();
    assertThat(runs.run(run).waiting()).isEqualTo(1);
    assertThat(runs.state(run)).isEqualTo(RunState.RUNNING);
  }

  @Test
  default void aRunDoesNotSucceedWhileEndsAreToBeFound() {
    TestRuns runs = runs();
    Run run = runs.opened(2, RunParameters.DEFAULTS);
    runs.extend(run, 0, 1);
    Lease lease = runs.complete(runs.take());

    assertThat(lease.range()).isNull();
    assertThat(lease.run().state()).isEqualTo(RunState.RUNNING);
    assertThat(lease.run().hasMore()).isTrue();
    runs.extend(run, 1, 2);
    assertThat(runs.complete(lease).range()).isEqualTo(step(2));
  }

  @Test
  default void aSlotIsTakenToFindEnds() {
    TestRuns runs = runs();
    Run run = runs.opened(2, RunParameters.DEFAULTS);

    Lease lease = runs.take();
    assertThat(lease.range()).isNull();
    assertThat(lease.run().hasMore()).isTrue();
    assertThat(lease.run().inFlight()).isZero();
    runs.extend(run, 0, 2);
    lease = get(store().complete(lease, 0, LONG));
    assertThat(lease.range()).isEqualTo(step(1));
    assertThat(lease.attempt()).isEqualTo(1);
    assertThat(lease.run().batches()).isZero();
  }

  @Test
  default void endsThatSomebodyElseFoundAreNotAddedTwice() {
    TestRuns runs = runs();
    Run run = runs.opened(9, RunParameters.DEFAULTS);
    runs.extend(run, 0, 3);
    runs.extend(run, 0, 5);
    assertThat(runs.run(run).ahead()).isEqualTo(3);
    assertThat(runs.run(run).tail()).isEqualTo("3");

    runs.take();
    getOrNull(store().extend(runs.seen(run, null), ends(0, 9)));
    getOrNull(store().extend(runs.seen(run, "1"), ends(1, 9)));
    runs.extend(run, 3, 4);
    runs.extend(run, 3, 4);

    assertThat(runs.run(run).ahead()).isEqualTo(3);
    assertThat(runs.run(run).tail()).isEqualTo("4");
    assertThat(runs.run(run).hasMore()).isTrue();
    runs.extend(run, 4, 9);
    assertThat(runs.run(run).hasMore()).isFalse();
  }

  @Test
  default void whereNoMoreEndsAreFoundTheWorkEnds() {
    TestRuns runs = runs();
    Run run = runs.opened(9, RunParameters.DEFAULTS);
    runs.extend(run, 0, 2);
    getOrNull(store().extend(runs.seen(run, "1"), List.of()));
    assertThat(runs.run(run).hasMore()).as("of another tail").isTrue();

    getOrNull(store().extend(runs.seen(run, "2"), List.of()));
    runs.extend(run, 2, 3);
    assertThat(runs.run(run).upper()).isEqualTo("2");
    assertThat(runs.run(run).hasMore()).isFalse();
    assertThat(ranges(runs.drain())).containsExactly(step(1), step(2));
    assertThat(runs.state(run)).isEqualTo(RunState.SUCCEEDED);
  }

  // M3
  @Test
  default void whereNoEndIsFoundAtAllThereIsNothingToDo() {
    for (String start : Arrays.asList(null, "0")) {
      TestRuns runs = runs();
      Run run = runs.created(RunParameters.DEFAULTS);
      get(store().open(run.id(), start, "9", "node"));
      Lease lease = runs.take();
      getOrNull(store().extend(runs.seen(run, start), List.of()));

      assertThat(runs.complete(lease).run().state()).isEqualTo(RunState.SUCCEEDED);
      assertThat(runs.run(run).batches()).isZero();
    }
  }

  @Test
  default void aRunWhoseEndIsFoundByNobodyWhoSaysSoIsTakenOnceMore() {
    TestRuns runs = runs();
    Run run = runs.opened(9, RunParameters.DEFAULTS);
    runs.extend(run, 0, 1);
    runs.release(runs.complete(runs.take()));
    assertThat(runs.state(run)).isEqualTo(RunState.RUNNING);
    getOrNull(store().extend(runs.seen(run, "1"), List.of()));

    Lease lease = runs.take();
    assertThat(lease.range()).isNull();
    assertThat(runs.complete(lease).run().state()).isEqualTo(RunState.SUCCEEDED);
  }
}
