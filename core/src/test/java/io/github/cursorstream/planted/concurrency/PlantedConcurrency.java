package io.github.cursorstream.planted.concurrency;

import io.github.cursorstream.planted.cursor.PlantedCursor;

/** The other half. */
public final class PlantedConcurrency {

  public PlantedCursor other() {
    return new PlantedCursor();
  }
}
