package io.github.cursorstream.r2dbc.planted.r2dbc.internal;

import io.github.cursorstream.r2dbc.planted.r2dbc.keyset.Room;

/** Looks back. */
public final class Leaf {

  Room room() {
    return new Room();
  }
}
