package io.github.cursorstream.testing;

import io.github.cursorstream.run.InMemoryRunStore;
import io.github.cursorstream.run.RunStore;
import java.time.Duration;
import reactor.test.scheduler.VirtualTimeScheduler;

/** The store in memory, by a virtual clock. */
class InMemoryRunStoreTest implements RunStoreContract {

  private final VirtualTimeScheduler clock = VirtualTimeScheduler.create();
  private final RunStore store = InMemoryRunStore.create(clock);

  @Override
  public RunStore store() {
    return store;
  }

  @Override
  public void pass(Duration time) {
    clock.advanceTimeBy(time);
  }
}
