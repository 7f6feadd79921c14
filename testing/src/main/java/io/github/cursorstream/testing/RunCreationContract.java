package io.github.cursorstream.testing;

import static io.github.cursorstream.testing.TestRuns.all;
import static io.github.cursorstream.testing.TestRuns.get;
import static io.github.cursorstream.testing.TestRuns.getOrNull;
import static org.assertj.core.api.Assertions.assertThat;

import io.github.cursorstream.run.NewRun;
import io.github.cursorstream.run.Range;
import io.github.cursorstream.run.Run;
import io.github.cursorstream.run.RunEvent;
import io.github.cursorstream.run.RunParameters;
import io.github.cursorstream.run.RunState;
import io.github.cursorstream.run.Verb;
import java.time.Duration;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import reactor.core.publisher.Mono;

/** How runs come into being, are found, opened and logged. */
interface RunCreationContract extends RunStoreUnderTest {

  /** What may break in quotes, in JSON or in a code page. */
  String AWKWARD = "{\"b\": 1, \"a\": \"'ł\\\\\n%_;--\"}  ";

  @Test
  default void aNewRunIsEnqueuedAndHasDoneNothing() {
    TestRuns runs = runs();
    Run run = runs.created(RunParameters.DEFAULTS);

    assertThat(run.state()).isEqualTo(RunState.ENQUEUED);
    assertThat(run.kind()).isEqualTo(runs.kind);
    assertThat(run.isOpened()).isFalse();
    assertThat(run.hasMore()).isFalse();
    assertThat(
            Stream.of(
                run.start(), run.position(), run.tail(), run.upper(), run.error(), run.endedAt()))
        .containsOnlyNulls();
    assertThat(run.ahead() + run.inFlight() + run.waiting() + run.deadLetters()).isZero();
    assertThat(run.rows() + run.batches() + run.failures()).isZero();
    assertThat(runs.takeOrNull()).isNull();
  }

  @Test
  default void whatWasSaidAtItsCreationComesBackAsItWas() {
    TestRuns runs = runs();
    RunParameters parameters =
        new RunParameters(
            7,
            3,
            Duration.ofMillis(20),
            0.5,
            4,
            Duration.ofMillis(30),
            Duration.ofHours(30),
            5,
            Duration.ofSeconds(6));
    NewRun plan = new NewRun(runs.name + AWKWARD, runs.kind, AWKWARD, parameters, true);

    Run run = get(store().create(plan, "somebody"));

    assertThat(run.name()).isEqualTo(plan.name());
    assertThat(run.arguments()).isEqualTo(AWKWARD);
    assertThat(run.parameters()).isEqualTo(parameters);
    assertThat(run.state()).isEqualTo(RunState.HELD);
    assertThat(runs.run(run)).isEqualTo(run);
  }

  @Test
  default void aHeldRunWaitsForItsStart() {
    TestRuns runs = runs();
    Run run =
        get(
            store()
                .create(new NewRun(runs.name, runs.kind, "", RunParameters.DEFAULTS, true), "who"));

    assertThat(all(store().enqueued(Set.of(runs.kind)))).isEmpty();
    assertThat(get(store().open(run.id(), null, "1", "node")).state()).isEqualTo(RunState.HELD);
    runs.say(run, Verb.START);
    assertThat(all(store().enqueued(Set.of(runs.kind)))).extracting(Run::id).contains(run.id());
  }

  // M15
  @Test
  default void creatingWhatHasNotEndedGivesTheRunThatThereIs() {
    TestRuns runs = runs();
    NewRun plan = runs.plan("a", RunParameters.DEFAULTS);
    Run first = get(store().create(plan, "first"));

    Run second = get(store().create(runs.plan("a", plan.parameters().batchSize(5)), "second"));
    Run other = get(store().create(runs.plan("b", RunParameters.DEFAULTS), "second"));

    assertThat(second).isEqualTo(first);
    assertThat(other.id()).isGreaterThan(first.id());
    assertThat(runs.types(first)).containsExactly(RunEvent.Type.CREATED);
  }

  // M15
  @Test
  default void creatingWhatHasEndedMakesANewRun() {
    TestRuns runs = runs();
    NewRun plan = runs.plan("a", RunParameters.DEFAULTS);
    Run cancelled = get(store().create(plan, "who"));
    runs.say(cancelled, Verb.CANCEL);
    Run succeeded = get(store().create(plan, "who"));
    get(store().open(succeeded.id(), null, null, "node"));

    Run third = get(store().create(plan, "who"));

    assertThat(List.of(cancelled.id(), succeeded.id(), third.id()))
        .isSorted()
        .doesNotHaveDuplicates();
    assertThat(third.state()).isEqualTo(RunState.ENQUEUED);
  }

  @Test
  default void nothingHappensUntilSomebodySubscribes() {
    TestRuns runs = runs();
    Mono<Run> creation = store().create(runs.plan("a", RunParameters.DEFAULTS), "who");
    assertThat(getOrNull(store().latest(runs.name))).isNull();

    Run first = get(creation);
    Mono<?> cancel = store().say(first.id(), Verb.CANCEL, "who", null);
    assertThat(runs.state(first)).isEqualTo(RunState.ENQUEUED);
    get(cancel);

    assertThat(get(creation).id()).isGreaterThan(first.id());
  }

  @Test
  default void runsAreFoundByNumberAndTheNewestByName() {
    TestRuns runs = runs();
    Run first = runs.created(RunParameters.DEFAULTS);
    Run second = runs.created(RunParameters.DEFAULTS);
    runs.say(second, Verb.CANCEL);

    assertThat(get(store().find(first.id()))).isEqualTo(first);
    assertThat(get(store().latest(runs.name)).id()).isEqualTo(second.id());
    assertThat(getOrNull(store().find(Long.MAX_VALUE))).isNull();
    assertThat(getOrNull(store().latest("no " + runs.name))).isNull();
  }

  @Test
  default void allRunsAreListedTheOldestFirst() {
    TestRuns runs = runs();
    List<Run> created =
        Stream.generate(() -> runs.created(RunParameters.DEFAULTS)).limit(3).toList();
    runs.say(created.get(1), Verb.CANCEL);

    assertThat(all(store().runs()))
        .filteredOn(run -> run.kind().equals(runs.kind))
        .extracting(Run::id)
        .containsExactlyElementsOf(created.stream().map(Run::id).toList());
  }

  @Test
  default void runsOfKnownKindsWaitToBeOpenedTheOldestFirst() {
    TestRuns runs = runs();
    TestRuns others = runs();
    Run first = runs.created(RunParameters.DEFAULTS);
    Run other = others.created(RunParameters.DEFAULTS);
    Run opened = runs.opened(1, RunParameters.DEFAULTS);
    Run second = runs.created(RunParameters.DEFAULTS);

    assertThat(all(store().enqueued(Set.of(runs.kind)))).containsExactly(first, second);
    assertThat(all(store().enqueued(Set.of(runs.kind, others.kind))))
        .containsExactly(first, other, second)
        .doesNotContain(opened);
    assertThat(all(store().enqueued(Set.of()))).isEmpty();
  }

  @Test
  default void openingFixesTheBounds() {
    TestRuns runs = runs();
    Run created = runs.created(RunParameters.DEFAULTS);

    Run run = get(store().open(created.id(), "0", "9", "opener"));

    assertThat(run.state()).isEqualTo(RunState.RUNNING);
    assertThat(run.isOpened()).isTrue();
    assertThat(run.start()).isEqualTo("0");
    assertThat(run.position()).isEqualTo("0");
    assertThat(run.tail()).isEqualTo("0");
    assertThat(run.upper()).isEqualTo("9");
    assertThat(run.hasMore()).isTrue();
    assertThat(run.endedAt()).isNull();
    assertThat(runs.run(run)).isEqualTo(run);
    assertThat(runs.events(run).get(1).who()).isEqualTo("opener");
    assertThat(runs.types(run)).containsExactly(RunEvent.Type.CREATED, RunEvent.Type.OPENED);
  }

  // M3
  @Test
  default void openingWhatHasNothingToDoSucceeds() {
    TestRuns runs = runs();
    Run run = get(store().open(runs.created(RunParameters.DEFAULTS).id(), null, null, "node"));

    assertThat(run.state()).isEqualTo(RunState.SUCCEEDED);
    assertThat(run.isOpened()).isTrue();
    assertThat(run.endedAt()).isNotNull();
    assertThat(run.rows() + run.batches()).isZero();
    assertThat(runs.takeOrNull()).isNull();
    assertThat(runs.types(run)).endsWith(RunEvent.Type.SUCCEEDED);
  }

  @Test
  default void openingForTheSecondTimeDoesNothing() {
    TestRuns runs = runs();
    Run run = runs.ready(3, 1);
    runs.complete(runs.take());
    Run before = runs.run(run);

    assertThat(get(store().open(run.id(), "5", "8", "late"))).isEqualTo(before);
    assertThat(runs.types(run)).containsOnlyOnce(RunEvent.Type.OPENED);
  }

  @Test
  default void whatWasPausedOrCancelledBeforeItBeganIsNotOpened() {
    TestRuns runs = runs();
    Run paused = runs.created(RunParameters.DEFAULTS);
    runs.say(paused, Verb.PAUSE);
    Run cancelled = runs.created(RunParameters.DEFAULTS);
    runs.say(cancelled, Verb.CANCEL);

    assertThat(get(store().open(paused.id(), null, "1", "node")).state())
        .isEqualTo(RunState.PAUSED);
    assertThat(get(store().open(cancelled.id(), null, "1", "node")).state())
        .isEqualTo(RunState.CANCELLED);
    assertThat(runs.run(paused).isOpened()).isFalse();
    runs.say(paused, Verb.RESUME);
    assertThat(get(store().open(paused.id(), null, "1", "node")).state())
        .isEqualTo(RunState.RUNNING);
  }

  @Test
  default void openingMakesASlotForEachConsumer() {
    TestRuns runs = runs();
    runs.ready(9, 3);

    assertThat(Stream.generate(runs::take).limit(3).map(lease -> lease.number()))
        .containsExactlyInAnyOrder(1, 2, 3);
    assertThat(runs.takeOrNull()).isNull();
  }

  @Test
  default void positionsAreOpaque() {
    TestRuns runs = runs();
    Run run = runs.created(RunParameters.DEFAULTS);
    String upper = AWKWARD + "2";
    run = get(store().open(run.id(), AWKWARD, upper, "node"));
    getOrNull(store().extend(run, List.of(AWKWARD + "1", upper)));

    assertThat(TestRuns.ranges(runs.drain()))
        .containsExactly(new Range(AWKWARD, AWKWARD + "1"), new Range(AWKWARD + "1", upper));
    assertThat(runs.state(run)).isEqualTo(RunState.SUCCEEDED);
  }

  @Test
  default void theLogIsReadFromAnyPlaceOn() {
    TestRuns runs = runs();
    Run run = runs.ready(1, 1);
    get(store().say(run.id(), Verb.PAUSE, "operator", "lunch"));
    runs.say(run, Verb.RESUME);
    runs.drain();

    List<RunEvent> events = runs.events(run);
    assertThat(events)
        .extracting(RunEvent::type)
        .containsExactly(
            RunEvent.Type.CREATED,
            RunEvent.Type.OPENED,
            RunEvent.Type.PAUSED,
            RunEvent.Type.RESUMED,
            RunEvent.Type.SUCCEEDED);
    assertThat(events).extracting(RunEvent::id).isSorted().doesNotHaveDuplicates();
    assertThat(events).extracting(RunEvent::at).isSorted();
    assertThat(events).extracting(RunEvent::run).containsOnly(run.id());
    assertThat(events.get(2).who()).isEqualTo("operator");
    assertThat(events.get(2).detail()).contains("lunch");
    for (int i = 0; i < events.size(); i++) {
      assertThat(all(store().events(run.id(), events.get(i).id())))
          .isEqualTo(events.subList(i + 1, events.size()));
    }
  }
}
