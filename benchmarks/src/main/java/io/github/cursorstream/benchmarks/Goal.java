package io.github.cursorstream.benchmarks;

import java.util.function.Function;
import java.util.function.ToDoubleFunction;

/**
 * What is to be reached.
 *
 * @param what for people to read
 * @param figure taken from what came out
 * @param bound at most or at least which it is to be
 */
record Goal(String what, Function<Report, Spread> figure, Bound bound) {

  /** A limit. */
  record Bound(boolean atMost, double value) {

    boolean holds(double figure) {
      return atMost ? figure <= value : figure >= value;
    }

    @Override
    public String toString() {
      return (atMost ? "≤ " : "≥ ") + Spread.number(value);
    }
  }

  static Goal atMost(double bound, String what, Function<Report, Spread> figure) {
    return new Goal(what, figure, new Bound(true, bound));
  }

  static Goal atLeast(double bound, String what, Function<Report, Spread> figure) {
    return new Goal(what, figure, new Bound(false, bound));
  }

  /** How long it takes, per row, for what another takes in the same race. */
  static Function<Report, Spread> wall(String race, String ours, String theirs) {
    return ratio(race, ours, theirs, Cost::seconds);
  }

  static Function<Report, Spread> ratio(
      String race, String ours, String theirs, ToDoubleFunction<Cost> what) {
    return report -> report.result(race, ours).ratio(report.result(race, theirs), what);
  }

  static Function<Report, Spread> buffers(String race, String ours, String theirs) {
    return report ->
        Spread.of(
            report.result(race, ours).buffersPerRow()
                / report.result(race, theirs).buffersPerRow());
  }

  /** With what came out. */
  record Verdict(String goal, String bound, Spread figure, boolean met) {
    @Override
    public String toString() {
      return "  %-86s %8s %22s  %s".formatted(goal, bound, figure.text(), met ? "PASS" : "FAIL");
    }
  }

  Verdict judge(Report report) {
    Spread measured = figure.apply(report);
    return new Verdict(what, bound.toString(), measured, bound.holds(measured.median()));
  }
}
