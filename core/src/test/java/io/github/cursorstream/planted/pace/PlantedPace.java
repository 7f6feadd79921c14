package io.github.cursorstream.planted.pace;

import io.github.cursorstream.planted.run.PlantedRun;

/** Imports a room that it may not import, without a cycle. */
public final class PlantedPace {

  public PlantedRun run() {
    return new PlantedRun();
  }
}
