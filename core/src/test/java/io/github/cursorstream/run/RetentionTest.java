package io.github.cursorstream.run;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import java.time.Duration;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** How nodes make their store forget what ended long ago. */
@Timeout(30)
class RetentionTest {

  private static final Duration SOON = Duration.ofSeconds(5);

  private final RunStore store = InMemoryRunStore.create();
  private @Nullable Runner runner;

  @AfterEach
  void shutDown() {
    if (runner != null) {
      runner.shutdown(SOON).block();
    }
  }

  private void runTwice(@Nullable Duration retention) {
    Runner node = Runner.create(store, o -> o.retention(retention));
    runner = node;
    RunKind work = new Steps("work", 3);
    node.runToEnd(work)
        .then(node.runToEnd(new Steps("other", 3)))
        .then(node.runToEnd(work))
        .block(SOON);
  }

  @Test
  void nodeForgetsAllButTheNewestOfEachName() {
    runTwice(Duration.ofMillis(200));
    await().atMost(SOON).until(() -> store.runs().count().block() == 2);
    assertThat(store.runs().map(Run::name).collectList().block()).containsExactly("other", "work");
  }

  @Test
  void nodeThatKeepsEverythingForgetsNothing() {
    runTwice(null);
    await()
        .during(Duration.ofMillis(300))
        .atMost(SOON)
        .until(() -> store.runs().count().block() == 3);
  }

  @Test
  void retentionOfNothingIsRefused() {
    assertThatThrownBy(() -> Runner.create(store, o -> o.retention(Duration.ZERO)))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("retention >= 100 ms required but it was PT0S");
  }
}
