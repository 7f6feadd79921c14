package io.github.cursorstream.run;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import reactor.core.publisher.Mono;
import reactor.core.publisher.Sinks;
import reactor.test.StepVerifier;

class PipelineTest {

  private static final Run RUN = run(1);

  private static Run run(long batches) {
    return new Run(
        1,
        "r",
        "k",
        "",
        RunState.RUNNING,
        RunParameters.DEFAULTS,
        null,
        null,
        null,
        null,
        null,
        "z",
        "z",
        0,
        1,
        0,
        0,
        batches,
        0,
        0,
        null,
        Instant.EPOCH,
        Instant.EPOCH,
        null);
  }

  /** What was asked for, in turn, and the answers to be given. */
  private final List<Long> asked = new ArrayList<>();

  private final List<Sinks.One<Lease>> answers = new ArrayList<>();
  private final AtomicInteger cancelled = new AtomicInteger();

  private final Pipeline pipeline =
      new Pipeline(
          lease ->
              Mono.defer(
                      () -> {
                        asked.add(lease.serial());
                        answers.add(Sinks.one());
                        return answers.get(answers.size() - 1).asMono();
                      })
                  .doOnCancel(cancelled::incrementAndGet));

  private static Lease lease(long serial) {
    return new Lease(RUN, 1, 1, serial, range(serial), 1, range(serial + 1));
  }

  private static Range range(long serial) {
    return new Range("" + serial, "" + (serial + 1));
  }

  /** One was done, with nothing behind it. */
  private Lease begun() {
    StepVerifier.create(pipeline.answer(lease(1), false))
        .then(() -> assertThat(asked).containsExactly(1L))
        .then(() -> answers.get(0).tryEmitValue(lease(2)).orThrow())
        .expectNext(lease(2))
        .verifyComplete();
    assertThat(pipeline.isAhead()).isFalse();
    return lease(2);
  }

  @Test
  void theNextBatchIsAskedForBeforeTheAnswerToTheOneInFlight() {
    StepVerifier.create(pipeline.answer(begun(), true))
        .then(() -> assertThat(asked).containsExactly(1L, 2L, 3L))
        .then(() -> answers.get(1).tryEmitValue(lease(3)).orThrow())
        .expectNext(lease(3))
        .verifyComplete();
    assertThat(pipeline.isAhead()).isTrue();
    // The last one is not asked for twice.
    StepVerifier.create(pipeline.answer(lease(3), false))
        .then(() -> assertThat(asked).containsExactly(1L, 2L, 3L))
        .then(() -> answers.get(2).tryEmitValue(lease(4)).orThrow())
        .expectNext(lease(4))
        .verifyComplete();
    assertThat(pipeline.isAhead()).isFalse();
  }

  @Test
  void withoutARangeThatIsKnownNothingIsAskedForAhead() {
    begun();
    Lease last = new Lease(RUN, 1, 1, 2, range(2), 1, null);
    StepVerifier.create(pipeline.answer(last, true))
        .then(() -> assertThat(asked).containsExactly(1L, 2L))
        .then(() -> answers.get(1).tryEmitValue(lease(4)).orThrow())
        .expectNext(lease(4))
        .verifyComplete();
  }

  @Test
  void ifSomethingCameInBetweenItsAnswerComesWhenTheOtherWasRefused() {
    Lease other = lease(4);
    CompletableFuture<Lease> answer = pipeline.answer(begun(), true).toFuture();
    answers.get(1).tryEmitValue(other).orThrow();
    assertThat(answer).isNotDone();
    answers.get(2).tryEmitError(new LostLeaseException(lease(3))).orThrow();
    assertThat(answer).isCompletedWithValue(other);
    assertThat(pipeline.isAhead()).isFalse();
  }

  @Test
  void aFailureComesWhenTheOtherHasEnded() {
    CompletableFuture<Lease> answer = pipeline.answer(begun(), true).toFuture();
    answers.get(1).tryEmitError(new IllegalStateException("broken")).orThrow();
    assertThat(answer).isNotDone();
    answers.get(2).tryEmitError(new LostLeaseException(lease(3))).orThrow();
    assertThatThrownBy(answer::join).hasRootCauseMessage("broken");
    assertThat(pipeline.isAhead()).isFalse();
  }

  @Test
  void whatWasRefusedThoughItsTurnHasComeIsAskedForAgain() {
    StepVerifier.create(pipeline.answer(begun(), true))
        .then(() -> answers.get(2).tryEmitError(new LostLeaseException(lease(3))).orThrow())
        .then(() -> answers.get(1).tryEmitValue(lease(3)).orThrow())
        .expectNext(lease(3))
        .verifyComplete();
    StepVerifier.create(pipeline.answer(lease(3), false))
        .then(() -> assertThat(asked).containsExactly(1L, 2L, 3L, 3L))
        .then(() -> answers.get(3).tryEmitError(new LostLeaseException(lease(3))).orThrow())
        .verifyError(LostLeaseException.class);
  }

  @Test
  void whatIsKnownOfTheRunIsTheLatestThatWasTold() {
    Run later = run(2);
    StepVerifier.create(pipeline.answer(begun(), true))
        .then(() -> answers.get(1).tryEmitValue(lease(3).withRun(later)).orThrow())
        .assertNext(lease -> assertThat(lease.run()).isSameAs(later))
        .verifyComplete();
    // It was asked for before that was told.
    StepVerifier.create(pipeline.answer(lease(3).withRun(later), true))
        .then(() -> answers.get(2).tryEmitValue(lease(4)).orThrow())
        .assertNext(lease -> assertThat(lease.run()).isSameAs(later))
        .verifyComplete();
  }

  @Test
  void aCancelReachesBoth() {
    StepVerifier.create(pipeline.answer(begun(), true))
        .then(() -> assertThat(asked).hasSize(3))
        .thenCancel()
        .verify();
    assertThat(cancelled).hasValue(2);
  }
}
