package io.github.cursorstream.testing;

import static io.github.cursorstream.testing.TestRuns.LONG;
import static io.github.cursorstream.testing.TestRuns.get;
import static io.github.cursorstream.testing.TestRuns.getOrNull;
import static io.github.cursorstream.testing.TestRuns.ranges;
import static io.github.cursorstream.testing.TestRuns.step;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

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
import org.junit.jupiter.api.Test;

/** Parameters that are changed while a run runs. */
interface RunChangeContract extends RunStoreUnderTest {

  // M12
  @Test
  default void aChangeIsKeptAndLoggedAndFeltWithTheNextBatch() {
    TestRuns runs = runs();
    Run run = runs.ready(3, 1);
    Lease lease = runs.take();

    Run changed =
        get(store().change(run.id(), now -> now.pause(Duration.ofMillis(7)).attempts(9), "ada"));

    RunParameters expected = RunParameters.DEFAULTS.pause(Duration.ofMillis(7)).attempts(9);
    assertThat(changed.parameters()).isEqualTo(expected);
    assertThat(runs.run(run).parameters()).isEqualTo(expected);
    assertThat(changed.ahead()).isEqualTo(2);
    assertThat(runs.complete(lease).run().parameters()).isEqualTo(expected);
    assertThat(runs.events(run))
        .last()
        .satisfies(
            event -> {
              assertThat(event.type()).isEqualTo(RunEvent.Type.CHANGED);
              assertThat(event.who()).isEqualTo("ada");
            });
  }

  @Test
  default void whatIsNotThereOrNotAllowedIsNotChanged() {
    TestRuns runs = runs();
    Run run = runs.ready(3, 1);

    assertThatThrownBy(() -> get(store().change(Long.MAX_VALUE, now -> now.attempts(5), "who")))
        .isInstanceOf(RuntimeException.class);
    assertThatThrownBy(() -> runs.change(run, now -> now.attempts(5).batchSize(0)))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("batchSize >= 1 required but it was 0");
    assertThat(runs.run(run)).isEqualTo(run);
    assertThat(runs.types(run)).doesNotContain(RunEvent.Type.CHANGED);
  }

  // B2
  @Test
  default void aRunCanBeChangedBeforeItBegins() {
    TestRuns runs = runs();
    Run run = runs.created(RunParameters.DEFAULTS);
    runs.change(run, now -> now.consumers(2));
    get(store().open(run.id(), "0", "9", "node"));
    runs.extend(run, 0, 9);

    assertThat(List.of(runs.take().number(), runs.take().number())).containsExactlyInAnyOrder(1, 2);
    assertThat(runs.takeOrNull()).isNull();
  }

  // M12
  @Test
  default void anotherBatchSizeForgetsTheEndsThatWereFoundForTheOldOne() {
    TestRuns runs = runs();
    Run run = runs.ready(9, 1);
    Lease lease = runs.take();
    Run before = runs.run(run);

    Run changed = runs.change(run, now -> now.batchSize(4));

    assertThat(changed.ahead()).isZero();
    assertThat(changed.position()).isEqualTo("1");
    assertThat(changed.tail()).isEqualTo("1");
    assertThat(changed.hasMore()).isTrue();
    assertThat(changed.inFlight()).isEqualTo(1);
    // Whoever was looking behind the old tail comes too late.
    getOrNull(store().extend(before, List.of("10")));
    assertThat(runs.run(run).ahead()).isZero();
    lease = runs.complete(lease);
    assertThat(lease.range()).isNull();
    getOrNull(store().extend(runs.run(run), List.of("5", "9")));
    runs.release(lease);
    assertThat(ranges(runs.drain())).containsExactly(new Range("1", "5"), new Range("5", "9"));
    assertThat(runs.state(run)).isEqualTo(RunState.SUCCEEDED);
  }

  @Test
  default void anotherBatchSizeBeforeTheFirstBatchBeginsAnew() {
    TestRuns runs = runs();
    Run opened = runs.opened(9, RunParameters.DEFAULTS.consumers(1));
    Run run = opened;
    runs.extend(run, 0, 9);
    runs.change(run, now -> now.batchSize(4));

    assertThat(runs.run(run).tail()).isEqualTo("0");
    getOrNull(store().extend(opened, TestRuns.ends(0, 9))); // Whoever has looked for the old ones.
    assertThat(runs.run(run).ahead()).isZero();
    getOrNull(store().extend(runs.run(run), List.of("4", "9")));
    assertThat(ranges(runs.drain())).containsExactly(new Range("0", "4"), new Range("4", "9"));
  }

  // B2
  @Test
  default void consumersComeAndGoWhileItRuns() {
    TestRuns runs = runs();
    Run run = runs.ready(9, 1);
    Lease first = runs.take();
    assertThat(runs.takeOrNull()).isNull();

    runs.change(run, now -> now.consumers(3));
    Lease second = runs.take();
    Lease third = runs.take();
    assertThat(List.of(second.number(), third.number())).containsExactlyInAnyOrder(2, 3);
    assertThat(runs.takeOrNull()).isNull();

    runs.change(run, now -> now.consumers(1));
    assertThat(runs.run(run).inFlight()).isEqualTo(3);
    assertThat(runs.renew(second)).isTrue();
    assertThat(runs.complete(second).range()).isNull();
    assertThat(runs.complete(third).range()).isNull();
    assertThat(runs.run(run).batches()).isEqualTo(2);
    assertThat(runs.takeOrNull()).isNull();
    assertThat(runs.complete(first).range()).isEqualTo(step(4));
  }

  // B2
  @Test
  default void noConsumersIsARest() {
    TestRuns runs = runs();
    Run run = runs.ready(3, 1);
    Lease lease = runs.take();
    runs.change(run, now -> now.consumers(0));
    assertThat(runs.complete(lease).range()).isNull();
    assertThat(runs.takeOrNull()).isNull();
    assertThat(runs.state(run)).isEqualTo(RunState.RUNNING);

    runs.change(run, now -> now.consumers(1));
    assertThat(ranges(runs.drain())).containsExactly(step(2), step(3));
    assertThat(runs.state(run)).isEqualTo(RunState.SUCCEEDED);
  }

  @Test
  default void aSlotThatIsTakenAwayIsItsOwnersNoMore() {
    TestRuns runs = runs();
    Run run = runs.opened(9, RunParameters.DEFAULTS.consumers(2));
    runs.take();
    Lease second = runs.take();
    assertThat(second.range()).isNull();

    runs.change(run, now -> now.consumers(1));

    assertThat(runs.renew(second)).isFalse();
    assertThatThrownBy(() -> runs.complete(second)).isInstanceOf(LostLeaseException.class);
    runs.release(second);
  }

  // A slot that forgot its epochs would take its former owner for the present one.
  @Test
  default void aSlotThatComesBackIsNotItsFormerOwners() {
    TestRuns runs = runs();
    Run run = runs.opened(9, RunParameters.DEFAULTS.consumers(2));
    runs.take();
    Lease former = runs.take();
    runs.change(run, now -> now.consumers(1));
    runs.change(run, now -> now.consumers(2));

    Lease present = runs.take();

    assertThat(present.number()).isEqualTo(former.number());
    assertThat(present.epoch()).isGreaterThan(former.epoch());
    assertThat(runs.renew(former)).isFalse();
    assertThatThrownBy(() -> runs.complete(former)).isInstanceOf(LostLeaseException.class);
    assertThat(runs.renew(present)).isTrue();
  }

  @Test
  default void aSlotToBeTakenAwayIsFirstRidOfItsRange() {
    TestRuns runs = runs();
    Run run = runs.ready(9, 2);
    Lease first = runs.take();
    Lease second = runs.take();
    runs.change(run, now -> now.consumers(1));
    Lease high = first.number() == 2 ? first : second;
    high = runs.fail(high, TestRuns.again(high, LONG));
    assertThat(high.range()).isNull();
    assertThat(runs.takeOrNull()).isNull();
    assertThat(runs.run(run).waiting()).isEqualTo(1);
  }

  @Test
  default void fewerConsumersAndAForcedPauseLoseNothing() {
    TestRuns runs = runs();
    Run run = runs.ready(3, 3);
    runs.take();
    runs.take();
    runs.take();
    runs.change(run, now -> now.consumers(1));
    runs.say(run, Verb.FORCE_PAUSE);
    runs.say(run, Verb.RESUME);

    Lease only = runs.take();
    assertThat(only.number()).isEqualTo(1);
    assertThat(runs.takeOrNull()).isNull();
    runs.release(only);
    assertThat(ranges(runs.drain())).containsExactlyInAnyOrder(step(1), step(2), step(3));
  }
}
