package io.github.cursorstream.testing;

import io.github.cursorstream.run.InMemoryRunStore;
import io.github.cursorstream.run.RunStore;

/**
 * The store in memory, by the real clock, and one for all tests: as the contract meets a database.
 */
class InMemoryRunStoreRealTimeTest implements RunStoreContract {

  private static final RunStore STORE = InMemoryRunStore.create();

  @Override
  public RunStore store() {
    return STORE;
  }
}
