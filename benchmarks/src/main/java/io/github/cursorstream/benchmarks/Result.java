package io.github.cursorstream.benchmarks;

import java.util.List;
import java.util.function.ToDoubleFunction;
import java.util.stream.IntStream;

/**
 * How a contender did in a race.
 *
 * @param rows of one pass
 * @param costs of its passes, one for each round
 */
record Result(String contender, long rows, Counts counts, List<Cost> costs) {

  Spread spread(ToDoubleFunction<Cost> what) {
    return Spread.of(costs.stream().mapToDouble(what));
  }

  double median(ToDoubleFunction<Cost> what) {
    return spread(what).median();
  }

  /** Rows. */
  Spread perSecond() {
    return Spread.of(costs.stream().mapToDouble(cost -> rows / cost.seconds()));
  }

  double buffersPerRow() {
    return (double) counts.buffers() / rows;
  }

  /**
   * What a row takes here for what it takes there: the ratio of the medians, and the least and the
   * greatest of all rounds.
   */
  Spread ratio(Result other, ToDoubleFunction<Cost> what) {
    double sameRows = (double) other.rows / rows;
    Spread rounds =
        Spread.of(
            IntStream.range(0, costs.size())
                .mapToDouble(
                    i ->
                        what.applyAsDouble(costs.get(i)) / what.applyAsDouble(other.costs.get(i))));
    return new Spread(
        rounds.min() * sameRows,
        median(what) / other.median(what) * sameRows,
        rounds.max() * sameRows);
  }
}
