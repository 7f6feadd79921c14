package io.github.cursorstream.testing;

import static io.github.cursorstream.testing.TestRuns.LAPSE;
import static io.github.cursorstream.testing.TestRuns.LONG;
import static io.github.cursorstream.testing.TestRuns.SHORT;
import static io.github.cursorstream.testing.TestRuns.bad;
import static io.github.cursorstream.testing.TestRuns.get;
import static io.github.cursorstream.testing.TestRuns.getOrNull;
import static org.assertj.core.api.Assertions.assertThat;

import io.github.cursorstream.run.Lease;
import io.github.cursorstream.run.Run;
import io.github.cursorstream.run.RunEvent;
import io.github.cursorstream.run.RunParameters;
import io.github.cursorstream.run.RunState;
import io.github.cursorstream.run.Telling;
import io.github.cursorstream.run.Verb;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Queue;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.ConcurrentLinkedQueue;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import reactor.core.publisher.Flux;
import reactor.core.publisher.Mono;
import reactor.core.scheduler.Schedulers;

/** How the events of runs come to be told to the hooks of their kind. */
interface RunTellingContract extends RunStoreUnderTest {

  private Run hooked(TestRuns runs) {
    return get(
        store()
            .create(
                runs.plan(UUID.randomUUID().toString(), RunParameters.DEFAULTS.deadLetters(9))
                    .hooked(true),
                "creator"));
  }

  private @Nullable Telling untoldOrNull(TestRuns runs, Duration lease) {
    return getOrNull(store().untold(Set.of(runs.kind), lease));
  }

  private Telling untold(TestRuns runs, Duration lease) {
    return Objects.requireNonNull(untoldOrNull(runs, lease), "something to tell");
  }

  private void told(Telling telling) {
    told(telling, null);
  }

  private void told(Telling telling, @Nullable String error) {
    getOrNull(store().told(telling, "node", error));
  }

  /** What is told from now on. */
  private List<RunEvent> tellAll(TestRuns runs) {
    List<RunEvent> events = new ArrayList<>();
    for (Telling next = untoldOrNull(runs, LONG); next != null; next = untoldOrNull(runs, LONG)) {
      events.add(next.event());
      told(next);
    }
    return events;
  }

  // M8
  @Test
  default void theLogIsToldInOrderOneEventAfterTheOther() {
    TestRuns runs = runs();
    Run run = hooked(runs);
    get(store().say(run.id(), Verb.PAUSE, "ada", "lunch"));

    Telling first = untold(runs, LONG);
    assertThat(first.attempt()).isEqualTo(1);
    assertThat(first.run()).isEqualTo(runs.run(run));
    assertThat(untoldOrNull(runs, LONG)).isNull(); // The second has to wait for the first.
    told(first);
    Telling second = untold(runs, LONG);
    told(second);

    assertThat(List.of(first.event(), second.event())).isEqualTo(runs.events(run));
    assertThat(untoldOrNull(runs, LONG)).isNull();
    runs.say(run, Verb.CANCEL);
    assertThat(tellAll(runs)).extracting(RunEvent::type).containsExactly(RunEvent.Type.CANCELLED);
  }

  @Test
  default void runsWithoutHooksAreNotTold() {
    TestRuns runs = runs();
    runs.say(runs.ready(3, 1), Verb.CANCEL);

    assertThat(untoldOrNull(runs, LONG)).isNull();
  }

  @Test
  default void runsOfOtherKindsAreLeftToOthers() {
    TestRuns runs = runs();
    TestRuns others = runs();
    hooked(others);

    assertThat(untoldOrNull(runs, LONG)).isNull();
    assertThat(getOrNull(store().untold(Set.of(), LONG))).isNull();
    assertThat(get(store().untold(Set.of(runs.kind, others.kind), LONG))).isNotNull();
  }

  @Test
  default void severalRunsAreToldAtTheSameTimeTheOldestFirst() {
    TestRuns runs = runs();
    Run first = hooked(runs);
    Run second = hooked(runs);

    assertThat(untold(runs, LONG).run().id()).isEqualTo(first.id());
    assertThat(untold(runs, LONG).run().id()).isEqualTo(second.id());
    assertThat(untoldOrNull(runs, LONG)).isNull();
  }

  @Test
  default void whoDoesNotTellInTimeIsFollowedAndHasNoSayAnyMore() {
    TestRuns runs = runs();
    Run run = hooked(runs);
    runs.say(run, Verb.PAUSE);
    Telling lost = untold(runs, SHORT);
    assertThat(untoldOrNull(runs, LONG)).isNull();
    pass(LAPSE);
    Telling again = untold(runs, LONG);
    assertThat(again.event()).isEqualTo(lost.event());
    assertThat(again.attempt()).isEqualTo(2);

    told(lost);
    told(lost, "it came too late");
    assertThat(untoldOrNull(runs, LONG)).isNull();
    told(again);
    told(again); // It may have been told, and nobody have heard of it.
    Telling next = untold(runs, LONG);
    told(lost);
    told(again);

    assertThat(next.event().type()).isEqualTo(RunEvent.Type.PAUSED);
    assertThat(next.attempt()).isEqualTo(1);
    assertThat(untoldOrNull(runs, LONG)).isNull();
    assertThat(runs.types(run)).doesNotContain(RunEvent.Type.HOOK_FAILED);
  }

  // M10
  @Test
  default void whatCannotBeToldIsLoggedAndPassedOver() {
    TestRuns runs = runs();
    Run run = hooked(runs);
    runs.say(run, Verb.PAUSE);

    told(untold(runs, LONG), "no such service");

    assertThat(runs.events(run))
        .last()
        .satisfies(
            event -> {
              assertThat(event.type()).isEqualTo(RunEvent.Type.HOOK_FAILED);
              assertThat(event.who()).isEqualTo("node");
              assertThat(event.detail()).isEqualTo("no such service");
            });
    assertThat(tellAll(runs)).extracting(RunEvent::type).containsExactly(RunEvent.Type.PAUSED);
    assertThat(runs.state(run)).isEqualTo(RunState.PAUSED);
  }

  @Test
  default void allIsToldButFailedAttempts() {
    TestRuns runs = runs();
    Run run = hooked(runs);
    get(store().open(run.id(), "0", "2", "node"));
    runs.extend(run, 0, 2);
    Lease lease = runs.take();
    lease = runs.fail(lease, TestRuns.again(lease, Duration.ZERO));
    lease = runs.fail(lease, bad(lease));
    runs.change(run, p -> p.batchSize(7));
    runs.release(lease);
    runs.drain();

    assertThat(tellAll(runs))
        .extracting(RunEvent::type)
        .containsExactly(
            RunEvent.Type.CREATED,
            RunEvent.Type.OPENED,
            RunEvent.Type.DEAD_LETTER,
            RunEvent.Type.CHANGED,
            RunEvent.Type.SUCCEEDED);
  }

  @Test
  default void nothingIsToldTwiceNorOutOfOrderByManyAtOnce() {
    TestRuns runs = runs();
    List<Run> all = List.of(hooked(runs), hooked(runs), hooked(runs));
    Queue<RunEvent> told = new ConcurrentLinkedQueue<>();
    Mono<Void> teller =
        store()
            .untold(Set.of(runs.kind), LONG)
            .flatMap(
                telling -> {
                  told.add(telling.event());
                  return store().told(telling, "node", null).thenReturn(true);
                })
            .defaultIfEmpty(false)
            .repeat(200)
            .then();
    Mono<Void> operators =
        Flux.fromIterable(all)
            .flatMap(
                run ->
                    Flux.range(0, 10)
                        .concatMap(
                            i ->
                                store()
                                    .say(
                                        run.id(),
                                        i % 2 == 0 ? Verb.PAUSE : Verb.RESUME,
                                        "operator",
                                        null)))
            .then();

    Flux.merge(operators, Flux.range(0, 4).flatMap(i -> teller.subscribeOn(Schedulers.parallel())))
        .blockLast(Duration.ofSeconds(30));
    told.addAll(tellAll(runs));

    for (Run run : all) {
      assertThat(told.stream().filter(event -> event.run() == run.id()).toList())
          .isEqualTo(runs.events(run));
    }
  }
}
