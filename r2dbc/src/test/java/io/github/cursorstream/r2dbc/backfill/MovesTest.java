package io.github.cursorstream.r2dbc.backfill;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.cursorstream.run.Range;
import io.github.cursorstream.run.Remaining;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;

/** Skipping and going back, where positions are numbers. */
class MovesTest {

  private static final RangeOrder ORDER =
      new RangeOrder(Comparator.nullsFirst(Comparator.comparingInt(Integer::parseInt)));

  private static final int KEYS = 12;

  private static Range range(int after, int upTo) {
    return new Range(position(after), "" + upTo);
  }

  /** Of which 0 is the beginning. */
  private static @Nullable String position(int key) {
    return key == 0 ? null : "" + key;
  }

  private static Remaining work(int position, Range... waiting) {
    return new Remaining(position(position), List.of(), 0, List.of(waiting), List.of());
  }

  private static Remaining skip(Remaining work, int after, int upTo) {
    return new Moves(ORDER, work).skip(range(after, upTo), false);
  }

  private static Remaining rewind(Remaining work, int cursor) {
    return new Moves(ORDER, work).rewind(position(cursor));
  }

  @Test
  void aRangeAheadIsPassedWhenThePositionComesToIt() {
    Remaining skipping = skip(work(2), 5, 7);
    assertThat(skipping.position()).isEqualTo("2");
    assertThat(skipping.skipped()).containsExactly(range(5, 7));
    assertThat(skipping.passed()).isZero();
  }

  @Test
  void aRangeThatHoldsThePositionIsPassedAtOnce() {
    Remaining skipping = skip(work(2), 1, 7);
    assertThat(skipping.position()).isEqualTo("7");
    assertThat(skipping.skipped()).containsExactly(range(2, 7));
    assertThat(skipping.passed()).isEqualTo(1);
    assertThat(skip(work(0), 0, 3).position()).isEqualTo("3");
  }

  @Test
  void rangesThatTouchBecomeOne() {
    Remaining skipping = skip(skip(skip(work(1), 5, 7), 9, 11), 7, 9);
    assertThat(skipping.skipped()).containsExactly(range(5, 11));
    assertThat(skip(skipping, 6, 8)).isEqualTo(skipping);
  }

  @Test
  void whatWaitsIsLeftInParts() {
    Remaining work = work(9, range(0, 4), range(5, 6), range(7, 9));
    assertThat(skip(work, 2, 8).waiting()).containsExactly(range(0, 2), range(8, 9));
    assertThat(skip(work, 1, 2).waiting())
        .containsExactly(range(0, 1), range(2, 4), range(5, 6), range(7, 9));
    assertThat(skip(work, 4, 5)).isEqualTo(work);
  }

  @Test
  void aConclusionIsNotSkipped() {
    Remaining work = work(9, range(9, 9));
    assertThat(skip(work, 0, 9).waiting()).containsExactly(range(9, 9));
    assertThat(rewind(work, 5).waiting()).isEmpty();
  }

  @Test
  void whatMayBeginAgainSkipsWhatWasDoneToo() {
    Remaining skipping = new Moves(ORDER, work(9)).skip(range(2, 4), true);
    assertThat(skipping.position()).isEqualTo("9");
    assertThat(skipping.skipped()).containsExactly(range(2, 4));
    assertThat(skipping.passed()).isEqualTo(1);
  }

  @Test
  void goingBackTakesInWhatItMeets() {
    Remaining work =
        new Remaining(
            "9",
            List.of(range(3, 5), range(8, 9)),
            2,
            List.of(range(0, 2), range(5, 7)),
            List.of(range(2, 3), range(7, 8)));
    assertThat(rewind(work, 6))
        .isEqualTo(
            new Remaining(
                "6",
                List.of(range(3, 5)),
                1,
                List.of(range(0, 2), range(5, 6)),
                List.of(range(2, 3))));
    assertThat(rewind(work, 4).skipped()).containsExactly(range(3, 4));
    assertThat(rewind(work, 0)).isEqualTo(work(0));
    assertThat(rewind(work, 9)).isEqualTo(work);
    assertThat(rewind(work, 10)).isEqualTo(work);
  }

  @Test
  void whatIsSkippedAheadIsTakenBack() {
    Remaining skipping = skip(work(2), 5, 9);
    assertThat(rewind(skipping, 7).skipped()).containsExactly(range(5, 7));
    assertThat(rewind(skipping, 3)).isEqualTo(work(2));
  }

  @Test
  void aRowPutAsideWhosePlaceIsNotKnownIsDoneAgain() {
    Remaining work = new Remaining("9", List.of(), 0, List.of(), List.of(range(2, 5)));
    assertThat(rewind(work, 3))
        .isEqualTo(new Remaining("3", List.of(), 0, List.of(range(2, 3)), List.of()));
  }

  /** The keys that would be handed out. */
  private static Set<Integer> todo(Remaining work) {
    Set<Integer> keys = new TreeSet<>();
    String position = work.position();
    for (int key = position == null ? 1 : Integer.parseInt(position) + 1; key <= KEYS; key++) {
      keys.add(key);
    }
    for (Range skipped : work.skipped().subList(work.passed(), work.skipped().size())) {
      assertThat(ORDER.isBefore(position, skipped.after())).isTrue();
      keys.removeAll(keys(skipped));
    }
    for (Range waiting : work.waiting()) {
      assertThat(keys).doesNotContainAnyElementsOf(keys(waiting));
      keys.addAll(keys(waiting));
    }
    return keys;
  }

  private static Set<Integer> keys(Range range) {
    Set<Integer> keys = new HashSet<>();
    int after = range.after() == null ? 0 : Integer.parseInt(range.after());
    for (int key = after + 1; key <= Integer.parseInt(range.upTo()); key++) {
      keys.add(key);
    }
    return keys;
  }

  @Test
  void whatIsHandedOutIsWhatWasSaid() {
    Random random = new Random(5);
    for (int i = 0; i < 20_000; i++) {
      Remaining work = work(random.nextInt(KEYS + 1));
      List<Range> waiting = new ArrayList<>();
      for (int key = 1;
          work.position() != null && key <= Integer.parseInt(work.position());
          key++) {
        if (random.nextInt(4) == 0) {
          waiting.add(range(key - 1, key));
        }
      }
      work = new Remaining(work.position(), List.of(), 0, waiting, List.of());
      Set<Integer> expected = todo(work);
      for (int move = 0; move < 5; move++) {
        int one = random.nextInt(KEYS + 1);
        int other = random.nextInt(KEYS + 1);
        if (random.nextBoolean() && one < other) {
          work = skip(work, one, other);
          expected.removeAll(keys(range(one, other)));
        } else {
          work = rewind(work, one);
          expected.addAll(keys(range(one, KEYS)));
        }
        assertThat(todo(work)).isEqualTo(expected);
      }
    }
  }
}
