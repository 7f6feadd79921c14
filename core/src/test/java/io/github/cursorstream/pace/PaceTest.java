package io.github.cursorstream.pace;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import java.time.Duration;
import org.junit.jupiter.api.Test;

class PaceTest {

  private static final Duration NONE = Duration.ZERO;

  private static Duration millis(long count) {
    return Duration.ofMillis(count);
  }

  @Test
  void withoutLimitsThereIsNoRest() {
    assertThat(new Pace(NONE, 0).rest(1000, 4, NONE)).isZero();
  }

  @Test
  void aPauseIsAPauseHoweverLongTheBatchTook() { // B12
    Pace pace = new Pace(millis(50), 0);
    assertThat(pace.rest(1000, 4, NONE)).isEqualTo(millis(50));
    assertThat(pace.rest(1000, 4, Duration.ofHours(1))).isEqualTo(millis(50));
  }

  @Test
  void aRateIsSharedByTheConsumersAndTheBatchCounts() {
    Pace pace = new Pace(NONE, 1000);
    assertThat(pace.rest(500, 1, NONE)).isEqualTo(millis(500));
    assertThat(pace.rest(500, 1, millis(200))).isEqualTo(millis(300));
    assertThat(pace.rest(500, 4, millis(200))).isEqualTo(millis(1800));
  }

  @Test
  void aBatchThatIsSlowerThanTheRateNeedsNoRest() {
    assertThat(new Pace(NONE, 1000).rest(500, 1, millis(501))).isZero();
  }

  @Test
  void theLongerRestCounts() {
    assertThat(new Pace(millis(400), 1000).rest(500, 1, NONE)).isEqualTo(millis(500));
    assertThat(new Pace(millis(400), 1000).rest(500, 1, millis(200))).isEqualTo(millis(400));
  }

  @Test
  void ofNoConsumersTheLastOneRestsLikeOne() {
    assertThat(new Pace(NONE, 1000).rest(500, 0, NONE)).isEqualTo(millis(500));
  }

  @Test
  void aRateMayBeLessThanARowASecond() {
    assertThat(new Pace(NONE, 0.1).rest(1, 1, NONE)).isEqualTo(Duration.ofSeconds(10));
  }

  @Test
  void whatIsNoPaceIsRefused() {
    assertThatIllegalArgumentException()
        .isThrownBy(() -> new Pace(millis(-1), 0))
        .withMessage("pause >= 0 required but it was PT-0.001S");
    assertThatIllegalArgumentException()
        .isThrownBy(() -> new Pace(NONE, -1))
        .withMessage("rowsPerSecond >= 0 required (0 for no limit) but it was -1.0");
    assertThatIllegalArgumentException()
        .isThrownBy(() -> new Pace(NONE, Double.NaN))
        .withMessageContaining("NaN");
    assertThatIllegalArgumentException()
        .isThrownBy(() -> new Pace(NONE, Double.POSITIVE_INFINITY))
        .withMessageContaining("Infinity");
  }
}
