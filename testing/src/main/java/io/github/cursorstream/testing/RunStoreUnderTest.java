package io.github.cursorstream.testing;

import io.github.cursorstream.run.RunStore;
import java.time.Duration;
import reactor.core.publisher.Mono;

/** Whose store is tested, and how its time passes. */
interface RunStoreUnderTest {

  /** The store, the same one throughout a test. */
  RunStore store();

  /**
   * Lets time pass by the store's clock: really, unless a test with a virtual clock overrides it.
   */
  default void pass(Duration time) {
    Mono.delay(time).block();
  }

  /** Runs of a kind that no other test has. */
  default TestRuns runs() {
    return new TestRuns(store());
  }
}
