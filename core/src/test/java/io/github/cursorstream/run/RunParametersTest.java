package io.github.cursorstream.run;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatNullPointerException;

import java.time.Duration;
import java.util.List;
import java.util.function.UnaryOperator;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

class RunParametersTest {

  private static final RunParameters DEFAULTS = RunParameters.DEFAULTS;
  private static final Duration SECOND = Duration.ofSeconds(1);

  private static Arguments refusal(UnaryOperator<RunParameters> change, String message) {
    return Arguments.of(change, message);
  }

  private static Stream<Arguments> refusals() {
    return Stream.of(
        refusal(now -> now.batchSize(0), "batchSize >= 1 required but it was 0"),
        refusal(now -> now.batchSize(-7), "batchSize >= 1 required but it was -7"),
        refusal(now -> now.consumers(-1), "consumers >= 0 required but it was -1"),
        refusal(now -> now.attempts(0), "attempts >= 1 required but it was 0"),
        refusal(now -> now.deadLetters(-1), "deadLetters >= 0 required but it was -1"),
        refusal(now -> now.pause(SECOND.negated()), "pause >= 0 required but it was PT-1S"),
        refusal(
            now -> now.backoff(SECOND.negated(), SECOND),
            "minBackoff >= 0 required but it was PT-1S"),
        refusal(
            now -> now.backoff(SECOND, Duration.ZERO),
            "maxBackoff >= minBackoff required but they were PT0S and PT1S"),
        refusal(now -> now.timeout(SECOND.negated()), "timeout >= 0 required but it was PT-1S"),
        refusal(now -> now.timeout(Duration.ZERO), "timeout >= 1 ms required but it was PT0S"),
        refusal(
            now -> now.rowsPerSecond(-0.5),
            "rowsPerSecond >= 0 required (0 for no limit) but it was -0.5"),
        refusal(
            now -> now.rowsPerSecond(Double.NaN),
            "rowsPerSecond >= 0 required (0 for no limit) but it was NaN"),
        refusal(
            now -> now.rowsPerSecond(Double.POSITIVE_INFINITY),
            "rowsPerSecond >= 0 required (0 for no limit) but it was Infinity"));
  }

  @ParameterizedTest
  @MethodSource("refusals")
  void whatIsOutOfRangeIsRefusedByRuleAndValue(
      UnaryOperator<RunParameters> change, String message) {
    assertThatIllegalArgumentException()
        .isThrownBy(() -> change.apply(DEFAULTS))
        .withMessage(message);
  }

  @Test
  void theLeastThatIsAllowedIsAccepted() {
    RunParameters least =
        DEFAULTS
            .batchSize(1)
            .consumers(0)
            .pause(Duration.ZERO)
            .rowsPerSecond(0)
            .attempts(1)
            .backoff(Duration.ZERO, Duration.ZERO)
            .deadLetters(0)
            .timeout(Duration.ofMillis(1));

    assertThat(least.backoff(5)).isZero();
  }

  @Test
  void eachOptionChangesItselfAlone() {
    Duration two = Duration.ofSeconds(2);
    RunParameters changed =
        DEFAULTS
            .batchSize(2)
            .consumers(3)
            .pause(SECOND)
            .rowsPerSecond(4.5)
            .attempts(5)
            .backoff(SECOND, two)
            .deadLetters(6)
            .timeout(two.plus(two));

    assertThat(changed)
        .isEqualTo(new RunParameters(2, 3, SECOND, 4.5, 5, SECOND, two, 6, two.plus(two)));
  }

  @Test
  void theDefaultsAreWhatTheyAreSaidToBe() {
    assertThat(DEFAULTS.batchSize()).isEqualTo(1000);
    assertThat(DEFAULTS.consumers()).isEqualTo(1);
    assertThat(DEFAULTS.pause()).isZero();
    assertThat(DEFAULTS.rowsPerSecond()).isZero();
    assertThat(DEFAULTS.attempts()).isEqualTo(3);
    assertThat(DEFAULTS.minBackoff()).isEqualTo(SECOND);
    assertThat(DEFAULTS.maxBackoff()).isEqualTo(Duration.ofMinutes(1));
    assertThat(DEFAULTS.deadLetters()).isZero();
    assertThat(DEFAULTS.timeout()).isEqualTo(Duration.ofMinutes(1));
  }

  @Test
  void backoffDoublesUpToTheLongest() {
    RunParameters parameters = DEFAULTS.backoff(Duration.ofMillis(100), Duration.ofMillis(1000));

    assertThat(IntStream.rangeClosed(1, 7).mapToObj(parameters::backoff).map(Duration::toMillis))
        .isEqualTo(List.of(100L, 200L, 400L, 800L, 1000L, 1000L, 1000L));
  }

  @Test
  void backoffDoesNotOverflow() {
    assertThat(DEFAULTS.backoff(64)).isEqualTo(Duration.ofMinutes(1));
    assertThat(DEFAULTS.backoff(Integer.MAX_VALUE)).isEqualTo(Duration.ofMinutes(1));
    assertThat(DEFAULTS.backoff(Duration.ZERO, SECOND).backoff(Integer.MAX_VALUE)).isZero();
  }

  @Test
  void durationsAreRequired() {
    assertThatNullPointerException().isThrownBy(() -> DEFAULTS.pause(null)).withMessage("pause");
    assertThatNullPointerException()
        .isThrownBy(() -> DEFAULTS.backoff(null, SECOND))
        .withMessage("minBackoff");
    assertThatNullPointerException().isThrownBy(() -> DEFAULTS.backoff(SECOND, null));
    assertThatNullPointerException()
        .isThrownBy(() -> DEFAULTS.timeout(null))
        .withMessage("timeout");
  }
}
