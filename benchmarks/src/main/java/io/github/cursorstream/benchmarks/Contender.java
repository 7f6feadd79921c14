package io.github.cursorstream.benchmarks;

import java.util.concurrent.Callable;
import java.util.function.Function;

/**
 * One way to do the work.
 *
 * @param name for tables and goals
 * @param expected what every pass must come to
 * @param over makes a pass that connects to a target. What it keeps open belongs to the target.
 */
record Contender(String name, Total expected, Function<Target, Callable<Total>> over) {

  /** Several times in one pass, where once would be too short to be measured. */
  Contender times(int times) {
    return new Contender(
        name,
        new Total(expected.rows() * times, expected.checksum() * times),
        target -> {
          Callable<Total> once = over.apply(target);
          return () -> {
            Total total = Total.NONE;
            for (int i = 0; i < times; i++) {
              total = total.plus(once.call());
            }
            return total;
          };
        });
  }
}
