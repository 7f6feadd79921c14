package io.github.cursorstream.run;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.time.Duration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Runs in somebody's hand, and runners, that are not there any more or never were. */
@Timeout(30)
class RunHandleTest {

  private static final Duration SOON = Duration.ofSeconds(5);

  private final Runner runner = Runner.create(InMemoryRunStore.create());

  @Test
  void nobodyWaitsForARunThatIsNotThere() {
    RunHandle none = runner.handle(17);

    assertThat(none.run().blockOptional(SOON)).isEmpty();
    assertThat(none.events().collectList().block(SOON)).isEmpty();
    assertThatThrownBy(() -> none.onFinish().block(SOON))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("a run of the store required but there is none with id 17");
  }

  @Test
  void aRunnerThatWasShutDownTakesNoWorkThatItWouldNotDo() {
    RunHandle run = runner.start(new Steps("first", 1)).block(SOON);
    assertThat(run.onFinish().block(SOON).state()).isEqualTo(RunState.SUCCEEDED);
    runner.shutdown(SOON).block(SOON);

    assertThatThrownBy(() -> runner.runToEnd(new Steps("second", 1)).block(SOON))
        .isInstanceOf(IllegalStateException.class)
        .hasMessageContaining("was shut down; create another");
    assertThat(runner.handle(2).run().blockOptional(SOON)).isEmpty();
    assertThat(run.events().count().block(SOON)).isEqualTo(3);
  }

  @Test
  void aNameHasOneKind() {
    Steps kind = new Steps("first", 1);
    runner.register(kind).register(kind);

    assertThatThrownBy(() -> runner.register(new Steps("first", 2)))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("another \"first\"; keep that one");
    runner.shutdown(SOON).block(SOON);
  }
}
