package io.github.cursorstream.pace;

import java.time.Duration;
import java.util.Objects;

/**
 * How fast work goes that is done in batches. Not API: see {@code RunParameters}.
 *
 * @param pause how long a consumer rests between two batches; not negative
 * @param rowsPerSecond the most rows that all consumers together take, on average; 0 for no limit
 */
public record Pace(Duration pause, double rowsPerSecond) {

  /**
   * Checks the values.
   *
   * @param pause how long a consumer rests between two batches; not negative
   * @param rowsPerSecond the most rows that all consumers together take, on average; 0 for no limit
   * @throws IllegalArgumentException if one is out of its range
   */
  public Pace {
    if (Objects.requireNonNull(pause, "pause").isNegative()) {
      throw new IllegalArgumentException("pause >= 0 required but it was " + pause);
    }
    if (!(rowsPerSecond >= 0) || Double.isInfinite(rowsPerSecond)) {
      throw new IllegalArgumentException(
          "rowsPerSecond >= 0 required (0 for no limit) but it was " + rowsPerSecond);
    }
  }

  /**
   * How long a consumer rests between two batches: the pause, or longer if its share of the rate
   * wants it, {@code rows · consumers / rowsPerSecond − took}.
   *
   * @param rows of a batch
   * @param consumers who share the rate; 0 counts as 1
   * @param took how long the batch before took
   * @return never negative
   */
  public Duration rest(int rows, int consumers, Duration took) {
    if (rowsPerSecond == 0) {
      return pause;
    }
    long turn = Math.round(1000.0 * rows * Math.max(1, consumers) / rowsPerSecond);
    Duration rest = Duration.ofMillis(turn).minus(took);
    return rest.compareTo(pause) > 0 ? rest : pause;
  }
}
