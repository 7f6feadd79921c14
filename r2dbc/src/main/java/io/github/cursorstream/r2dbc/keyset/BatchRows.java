package io.github.cursorstream.r2dbc.keyset;

import java.util.List;

/**
 * What was read of a batch's range, and what was not. Not API.
 *
 * @param items the rows, in order
 * @param upTo how far was looked: the range's end, or before it if it has grown
 * @param skipped where rows lie up to there that somebody holds: parts of the range that hold no
 *     row that was read
 * @param <T> what a row is mapped to
 */
public record BatchRows<T>(List<T> items, String upTo, List<KeyRange> skipped) {

  /**
   * Copies the lists.
   *
   * @param items the rows, in order
   * @param upTo how far was looked: the range's end, or before it if it has grown
   * @param skipped where rows lie up to there that somebody holds
   */
  public BatchRows {
    items = List.copyOf(items);
    skipped = List.copyOf(skipped);
  }
}
