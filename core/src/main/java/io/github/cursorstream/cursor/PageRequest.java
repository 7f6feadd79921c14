package io.github.cursorstream.cursor;

import org.jspecify.annotations.Nullable;

/**
 * What a page fetch asks for.
 *
 * @param after the position to start behind, exclusive; null for the beginning
 * @param size how many items at most, 1 or more
 */
public record PageRequest(@Nullable Cursor after, int size) {

  /**
   * Refuses a request for nothing.
   *
   * @param after null for the beginning
   * @param size 1 or more
   */
  public PageRequest {
    if (size < 1) {
      throw new IllegalArgumentException("size >= 1 required but it was " + size);
    }
  }
}
