package io.github.cursorstream.benchmarks;

import java.util.Locale;
import java.util.stream.DoubleStream;

/** What was measured several times. */
record Spread(double min, double median, double max) {

  static Spread of(double value) {
    return new Spread(value, value, value);
  }

  static Spread of(DoubleStream values) {
    double[] sorted = values.sorted().toArray();
    return sorted.length == 0
        ? of(Double.NaN)
        : new Spread(
            sorted[0],
            (sorted[(sorted.length - 1) / 2] + sorted[sorted.length / 2]) / 2,
            sorted[sorted.length - 1]);
  }

  /** The ratio, at its least and its greatest where the two do not vary together. */
  Spread over(Spread other) {
    return new Spread(min / other.max, median / other.median, max / other.min);
  }

  /** With as many digits as there is something to tell by. */
  String text() {
    return number(median) + (min < max ? " (" + number(min) + "–" + number(max) + ")" : "");
  }

  static String number(double value) {
    if (Double.isNaN(value)) {
      return "–";
    }
    int digits = Math.abs(value) >= 100 ? 0 : 2;
    return String.format(Locale.ROOT, "%,." + digits + "f", value);
  }
}
