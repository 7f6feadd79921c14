package io.github.cursorstream.r2dbc.planted.r2dbc.keyset;

import io.github.cursorstream.r2dbc.planted.r2dbc.internal.Leaf;
import java.util.List;

/** Shows what it should not. */
public final class Room {

  /** As a parameter. */
  public void take(List<Leaf> leaves) {}

  /** As what it returns. */
  public Leaf leaf() {
    return new Leaf();
  }
}
