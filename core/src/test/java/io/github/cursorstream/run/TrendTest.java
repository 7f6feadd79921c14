package io.github.cursorstream.run;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.util.List;
import java.util.PriorityQueue;
import java.util.Random;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;

/** What is told of growth that is looked at now and then. */
class TrendTest {

  private static final long SECOND = 1_000_000_000;

  private final Trend trend = new Trend();

  /** Looks once a second, from one second to the other. */
  private void look(int from, int to, double start, double perSecond) {
    for (int second = from; second <= to; second++) {
      double now = start + (second - from) * perSecond;
      trend.look(second * SECOND, now, now);
    }
  }

  @Test
  void nothingIsKnownAtFirst() {
    look(0, 0, 5, 1);
    assertThat(trend.isKnown()).isFalse();
    look(1, 2, 6, 1);
    assertThat(trend.isKnown()).isFalse();
    look(3, 5, 8, 1);
    assertThat(trend.isKnown()).isTrue();
  }

  @Test
  void whatDoesNotGrowIsNotKnown() {
    look(0, 1_000, 5, 0);
    assertThat(trend.isKnown()).isFalse();
  }

  @Test
  void steadyGrowthIsKnownMoreExactlyWithTime() {
    look(0, 10, 0, 2);
    double early = trend.fastest() - trend.slowest();
    look(11, 200, 22, 2);
    assertThat(trend.slowest()).isBetween(1.9, 2.0);
    assertThat(trend.fastest()).isBetween(2.0, 2.1);
    assertThat(early).isGreaterThan(1);
    assertThat(trend.recent()).isCloseTo(2.0, within(0.1));
    assertThat(trend.fastest() - trend.slowest()).isLessThan(0.2);
  }

  @Test
  void bothSpeedsAreKnownAfterAChange() {
    look(0, 100, 0, 1);
    look(101, 160, 103, 3);
    assertThat(trend.slowest()).isLessThan(2);
    assertThat(trend.fastest()).isBetween(3.0, 3.4);
    assertThat(trend.recent()).isCloseTo(3.0, within(0.3));
  }

  @Test
  void whatIsLongAgoDoesNotCount() {
    look(0, 100, 0, 50);
    look(101, 500, 5_001, 1);
    assertThat(trend.fastest()).isLessThan(1.1);
  }

  @Test
  void aStandstillShowsInTheSlowest() {
    look(0, 100, 0, 1);
    double fastest = trend.fastest();
    look(101, 1_000, 100, 0);
    assertThat(trend.slowest()).isLessThan(0.05);
    assertThat(trend.fastest()).isEqualTo(fastest);
  }

  @Test
  void longStepsAreRememberedForLongerThanTheWindow() {
    for (int second = 0; second < 2_000; second++) {
      double now = Math.floor(second / 180.0);
      trend.look(second * SECOND, now, now);
    }
    assertThat(trend.slowest()).isBetween(0.9 / 180, 1.0 / 180);
    assertThat(trend.fastest()).isBetween(1.0 / 180, 1.1 / 180);
  }

  @Test
  void theTruthIsBetweenTheExtremesNearlyAlways() {
    double sum = 0;
    for (int seed = 0; seed < 20; seed++) {
      sum += truthful(new Random(seed), 1_000);
    }
    assertThat(sum / 20).isGreaterThan(0.93);
  }

  /** Which part of what was told about the end of so many steps by four consumers was true. */
  private static double truthful(Random random, int total) {
    TreeSet<Double> ends = new TreeSet<>();
    PriorityQueue<Double> free = new PriorityQueue<>(List.of(0.0, 0.0, 0.0, 0.0));
    for (int step = 0; step < total; step++) {
      double end = free.remove() + 0.1 + 3 * random.nextDouble();
      free.add(end);
      ends.add(end);
    }
    Trend trend = new Trend();
    int told = 0;
    int held = 0;
    for (int second = 0; second < ends.last(); second++) {
      int left = ends.tailSet((double) second, false).size();
      trend.look(second * SECOND, total - left, total - left);
      if (trend.isKnown()) {
        double truth = ends.last() - second;
        told++;
        held += left / trend.fastest() <= truth && truth <= left / trend.slowest() + 1 ? 1 : 0;
      }
    }
    return held / (double) told;
  }

  @Test
  void whatIsReachedMayStandStillWhileStepsAreMade() {
    for (int second = 0; second < 10; second++) {
      trend.look(second * SECOND, second, 7);
    }
    assertThat(trend.isKnown()).isTrue();
    assertThat(trend.recent()).isZero();
  }
}
