package io.github.cursorstream.planted.cursor;

import io.github.cursorstream.planted.concurrency.PlantedConcurrency;

/** Half of a cycle, for the test that finds it. */
public final class PlantedCursor {

  public PlantedConcurrency other() {
    return new PlantedConcurrency();
  }
}
