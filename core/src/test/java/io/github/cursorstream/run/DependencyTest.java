package io.github.cursorstream.run;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.time.Duration;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import reactor.core.publisher.Mono;

/** What a node makes of runs that wait for others, and how it tells. */
@Timeout(30)
class DependencyTest {

  private static final NewRun PLAN = new NewRun("b", "b", "", RunParameters.DEFAULTS, false);

  private final RunStore store = InMemoryRunStore.create();
  private final Runner runner = Runner.create(store, o -> o.poll(Duration.ofMillis(10)));

  @AfterEach
  void shutDown() {
    runner.shutdown(Duration.ofSeconds(5)).block();
  }

  /** Three steps that wait for {@code other}. */
  private static RunKind after(String other) {
    return new Steps("b", 3) {
      @Override
      public NewRun newRun() {
        return super.newRun().dependsOn(other);
      }
    };
  }

  private @Nullable String waitsFor(RunHandle run) {
    return run.waitsFor().block();
  }

  @Test
  void aDependencyOnItselfIsRefused() {
    assertThatThrownBy(() -> PLAN.dependsOn("b"))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("a dependency on another run required but it was on \"b\" itself");
  }

  @Test
  void aDependencyIsAName() {
    for (String name : new String[] {"", " ", "x".repeat(501), "a\0"}) {
      assertThatThrownBy(() -> PLAN.dependsOn(name)).isInstanceOf(IllegalArgumentException.class);
    }
  }

  @Test
  void whatIsHeldKeepsItsDependency() {
    assertThat(PLAN.dependsOn("a").held(true)).isEqualTo(PLAN.held(true).dependsOn("a"));
    assertThat(runner.enqueueHeld(after("a")).flatMap(RunHandle::run).block().dependsOn())
        .isEqualTo("a");
  }

  @Test
  void aRunTellsWhatItWaitsFor() {
    RunHandle run = runner.start(after("a")).block();
    assertThat(waitsFor(run)).isEqualTo("it waits for \"a\", of which there is no run yet");

    NewRun plan = new NewRun("a", "elsewhere", "", RunParameters.DEFAULTS, false);
    long first = store.create(plan, "test").map(Run::id).block();
    assertThat(waitsFor(run)).isEqualTo("it waits for \"a\", whose run 2 is ENQUEUED after 0 rows");

    store.refuse(first, "no table", "test").block();
    assertThat(waitsFor(run))
        .isEqualTo("it waits for \"a\", whose run 2 is FAILED after 0 rows: no table");

    run.pause().block();
    assertThat(waitsFor(run)).isNull();
  }

  // M16
  @Test
  void ensureSucceededTellsWhatARunWaitsFor() {
    runner.start(after("a")).block();

    assertThatThrownBy(() -> runner.ensureSucceeded("b").block())
        .isInstanceOf(IllegalStateException.class)
        .hasMessage(
            "a succeeded run \"b\" required but run 1 is ENQUEUED after 0 rows;"
                + " it waits for \"a\", of which there is no run yet");
  }

  @Test
  void aRunBeginsWhenItsDependencyHasSucceeded() {
    Mono<Run> end = runner.runToEnd(after("a")).cache();
    end.subscribe();
    Run first = runner.runToEnd(new Steps("a", 40)).block();

    Run second = end.block();

    assertThat(second.state()).isEqualTo(RunState.SUCCEEDED);
    assertThat(second.startedAt()).isAfterOrEqualTo(first.endedAt());
    assertThat(runner.handle(second.id()).waitsFor().block()).isNull();
  }

  @Test
  void waitingForTheEndOfWhatIsCancelledWhileItWaitsEnds() {
    Mono<Run> end = runner.runToEnd(after("a")).cache();
    end.onErrorComplete().subscribe();
    runner.handle(1).cancel().block();

    assertThatThrownBy(end::block)
        .hasMessage("a succeeded run \"b\" required but run 1 is CANCELLED after 0 rows");
  }
}
