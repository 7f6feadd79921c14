package io.github.cursorstream.run;

import java.util.List;

/**
 * What became of a batch that was done, all of it or a part.
 *
 * @param rows what the work counted
 * @param rest what is left of its range, to be done again; parts of it that do not overlap
 */
public record BatchDone(long rows, List<Again> rest) {

  /**
   * Copies the list.
   *
   * @param rows what the work counted
   * @param rest what is left of its range, to be done again; parts of it that do not overlap
   */
  public BatchDone {
    rest = List.copyOf(rest);
  }

  /**
   * Of which nothing is left.
   *
   * @param rows what the work counted
   * @return all of it
   */
  public static BatchDone all(long rows) {
    return new BatchDone(rows, List.of());
  }
}
