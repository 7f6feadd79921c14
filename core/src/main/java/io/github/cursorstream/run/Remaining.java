package io.github.cursorstream.run;

import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Where the work of a run is that is still to be done, while nothing is in flight. Only the run's
 * kind can compare the positions. Not API: for the rooms that have kinds.
 *
 * @param position everything behind it is to be done, but for what is skipped; null for the
 *     beginning
 * @param skipped what is never handed out, in order; the parts neither overlap nor touch
 * @param passed how many of these lie before the position; the next one lies behind it
 * @param waiting ranges before the position that are to be done again
 * @param putAside ranges of dead letters
 */
public record Remaining(
    @Nullable String position,
    List<Range> skipped,
    int passed,
    List<Range> waiting,
    List<Range> putAside) {

  /**
   * Copies the lists.
   *
   * @param position everything behind it is to be done, but for what is skipped; null for the
   *     beginning
   * @param skipped what is never handed out, in order; the parts neither overlap nor touch
   * @param passed how many of these lie before the position; the next one lies behind it
   * @param waiting ranges before the position that are to be done again
   * @param putAside ranges of dead letters
   */
  public Remaining {
    skipped = List.copyOf(skipped);
    waiting = List.copyOf(waiting);
    putAside = List.copyOf(putAside);
  }
}
