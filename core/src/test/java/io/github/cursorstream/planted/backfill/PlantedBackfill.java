package io.github.cursorstream.planted.backfill;

import io.github.cursorstream.planted.cursor.PlantedCursor;
import io.github.cursorstream.planted.run.PlantedRun;
import java.util.List;

/** Imports what it may import. */
public final class PlantedBackfill {

  public List<Object> rooms() {
    return List.of(new PlantedCursor(), new PlantedRun());
  }
}
