package io.github.cursorstream.run;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.function.ToDoubleFunction;
import java.util.stream.DoubleStream;
import java.util.stream.IntStream;

/** How fast something grows that is looked at now and then. Times are in nanoseconds. */
final class Trend {

  private static final long WINDOW = Duration.ofMinutes(5).toNanos();

  /** With as many steps more than there are parts speeds are told of however old ones. */
  private static final int FEW = 12;

  /** The median of what comes is between the extremes of six with 1 − 2 / 2⁶ = 97 %. */
  private static final int PARTS = 6;

  private static final double SECOND = 1e9;

  private final List<Step> steps = new ArrayList<>();
  private double mark = Double.NaN;
  private long seen;

  /** It was made between two looks. */
  private record Step(long after, long at, double value) {}

  /** From one step to another. */
  private record Part(double grown, long shortest, long longest) {}

  /**
   * A look.
   *
   * @param now grows with each step; when it did so before the first look is not known
   * @param reached how much there is
   */
  void look(long at, double now, double reached) {
    if (now > mark) {
      steps.add(new Step(seen, at, reached));
      while (steps.size() > FEW && at - steps.get(0).at > WINDOW) {
        steps.remove(0);
      }
    }
    mark = Double.isNaN(mark) ? now : Math.max(mark, now);
    seen = at;
  }

  /** Whether there is more to go by than a step or two. */
  boolean isKnown() {
    return steps.size() > 3;
  }

  /** Per second; infinite if it may have been between two looks. */
  double fastest() {
    return speeds(part -> part.grown / Math.max(0, part.shortest)).max().orElseThrow();
  }

  /** Per second. A standstill makes it slower. */
  double slowest() {
    return speeds(part -> part.grown / part.longest).min().orElseThrow();
  }

  /** Per second, in the last quarter of the window, until now. */
  double recent() {
    Step from = steps.get((steps.size() - 1) * 3 / 4);
    return (last().value - from.value) / (seen - from.at) * SECOND;
  }

  private DoubleStream speeds(ToDoubleFunction<Part> speed) {
    int parts = Math.min(PARTS, steps.size() - 1);
    return IntStream.range(0, parts)
        .mapToObj(i -> part(i, parts))
        .mapToDouble(speed)
        .map(s -> s * SECOND);
  }

  private Part part(int number, int of) {
    Step from = steps.get(number * (steps.size() - 1) / of);
    Step to = steps.get((number + 1) * (steps.size() - 1) / of);
    long until = number + 1 == of ? seen : to.at;
    return new Part(to.value - from.value, to.after - from.at, until - from.after);
  }

  private Step last() {
    return steps.get(steps.size() - 1);
  }
}
