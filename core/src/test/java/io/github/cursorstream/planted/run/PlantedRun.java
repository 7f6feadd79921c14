package io.github.cursorstream.planted.run;

import java.sql.Connection;

/** Names a database. */
public final class PlantedRun {

  public Class<?> database() {
    return Connection.class;
  }
}
