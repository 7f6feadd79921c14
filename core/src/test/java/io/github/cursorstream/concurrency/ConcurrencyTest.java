package io.github.cursorstream.concurrency;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatNullPointerException;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.reactivestreams.Publisher;
import reactor.core.Disposable;
import reactor.core.Disposables;
import reactor.core.publisher.Flux;
import reactor.core.publisher.Mono;
import reactor.core.publisher.Sinks;
import reactor.test.StepVerifier;
import reactor.test.subscriber.TestSubscriber;

/** The limit itself: how it is set, kept, shared and given back. */
@Timeout(30)
class ConcurrencyTest {

  /** A source that counts what it is asked for, and elements that finish when they are told to. */
  private static final class Work {

    final AtomicLong asked = new AtomicLong();
    final List<Sinks.One<Integer>> started = new ArrayList<>();
    final TestSubscriber<Integer> result;

    Work(Concurrency limit, Operator operator, int elements) {
      this(limit, operator, elements, TestSubscriber.create());
    }

    Work(Concurrency limit, Operator operator, int elements, TestSubscriber<Integer> result) {
      this.result = result;
      Flux.range(0, elements)
          .doOnRequest(asked::addAndGet)
          .transform(operator.of(limit, this::start))
          .subscribe(result);
    }

    private Publisher<Integer> start(int element) {
      Sinks.One<Integer> sink = Sinks.one();
      started.add(sink);
      return sink.asMono();
    }

    void finish(int index) {
      started.get(index).tryEmitValue(index).orThrow();
    }
  }

  @Test
  void aNegativeLimitIsRefusedAndLeavesTheOldOne() {
    assertThatIllegalArgumentException()
        .isThrownBy(() -> Concurrency.of(-1))
        .withMessage("concurrency >= 0 required but it was -1");
    Concurrency limit = Concurrency.of(3);
    assertThatIllegalArgumentException()
        .isThrownBy(() -> limit.set(-7))
        .withMessage("concurrency >= 0 required but it was -7");
    assertThat(limit.get()).isEqualTo(3);
  }

  @ParameterizedTest
  @EnumSource
  void aMissingMapperIsRefusedByName(Operator operator) {
    assertThatNullPointerException()
        .isThrownBy(() -> operator.<Integer, Integer>of(Concurrency.of(1), null))
        .withMessage("mapper");
  }

  @Test
  void lambdasNeedNoTypes() {
    Concurrency limit = Concurrency.of(2);
    Flux<String> result =
        Flux.just(1, 2).transform(limit.flatMapSequential(n -> Mono.just("<" + n + ">")));
    StepVerifier.create(result).expectNext("<1>", "<2>").verifyComplete();
  }

  @ParameterizedTest
  @EnumSource
  void asksForAsManyAsTheLimitAndForOneWhenOneFinishes(Operator operator) {
    Concurrency limit = Concurrency.of(3);
    Work work = new Work(limit, operator, 100);
    assertThat(work.asked).hasValue(3);
    assertThat(limit.inUse()).isEqualTo(3);

    work.finish(0);
    assertThat(work.asked).hasValue(4);
    assertThat(work.started).hasSize(4);
    assertThat(limit.inUse()).isEqualTo(3);
  }

  @ParameterizedTest
  @EnumSource
  void raisingAsksForTheDifferenceAtOnce(Operator operator) {
    Concurrency limit = Concurrency.of(2);
    Work work = new Work(limit, operator, 100);
    limit.set(5);
    assertThat(limit.get()).isEqualTo(5);
    assertThat(work.asked).hasValue(5);
    assertThat(limit.inUse()).isEqualTo(5);
    limit.set(5);
    assertThat(work.asked).hasValue(5);
  }

  @ParameterizedTest
  @EnumSource
  void raisingDoesNotWaitForASlowDownstream(Operator operator) {
    Concurrency limit = Concurrency.of(1);
    AtomicLong asked = new AtomicLong();
    List<Long> seen = new ArrayList<>();
    Sinks.One<Integer> first = Sinks.one();
    Flux.range(0, 100)
        .doOnRequest(asked::addAndGet)
        .transform(operator.of(limit, n -> n == 0 ? first.asMono() : Mono.never()))
        .subscribe(
            n -> {
              limit.set(4); // while the value is being delivered
              seen.add(asked.get());
            });
    first.tryEmitValue(0).orThrow();
    assertThat(seen).containsExactly(4L);
  }

  @ParameterizedTest
  @EnumSource
  void loweringAsksForNothingUntilEnoughHaveFinished(Operator operator) {
    Concurrency limit = Concurrency.of(4);
    Work work = new Work(limit, operator, 100);
    limit.set(2);
    assertThat(limit.inUse()).isEqualTo(4);
    work.finish(0);
    work.finish(1);
    assertThat(work.asked).hasValue(4);
    assertThat(limit.inUse()).isEqualTo(2);
    work.finish(2);
    assertThat(work.asked).hasValue(5);
    assertThat(limit.inUse()).isEqualTo(2);
  }

  @ParameterizedTest
  @EnumSource
  void raisingAgainWhileDrainingAsksOnlyForWhatIsMissing(Operator operator) {
    Concurrency limit = Concurrency.of(4);
    Work work = new Work(limit, operator, 100);
    limit.set(1);
    work.finish(0);
    limit.set(5);
    assertThat(work.asked).hasValue(6);
    assertThat(limit.inUse()).isEqualTo(5);
  }

  @ParameterizedTest
  @EnumSource
  void zeroPausesWhileResultsStillFlow(Operator operator) {
    Concurrency limit = Concurrency.of(2);
    Work work = new Work(limit, operator, 100);
    limit.set(0);
    work.finish(0);
    work.finish(1);
    assertThat(work.result.getReceivedOnNext()).containsExactly(0, 1);
    assertThat(work.asked).hasValue(2);
    assertThat(limit.inUse()).isZero();

    limit.set(1);
    assertThat(work.asked).hasValue(3);
  }

  @ParameterizedTest
  @EnumSource
  void aSourceThatCompletesDuringAPauseCompletesTheResult(Operator operator) {
    Concurrency limit = Concurrency.of(2);
    Work work = new Work(limit, operator, 2);
    limit.set(0);
    work.finish(0);
    assertThat(work.result.isTerminatedOrCancelled()).isFalse();
    work.finish(1);
    assertThat(work.result.isTerminatedComplete()).isTrue();
    assertThat(limit.inUse()).isZero();
  }

  @ParameterizedTest
  @EnumSource
  void startsPausedAtZero(Operator operator) {
    Concurrency limit = Concurrency.of(0);
    Work work = new Work(limit, operator, 3);
    assertThat(work.asked).hasValue(0);
    limit.set(3);
    assertThat(work.started).hasSize(3);
  }

  @ParameterizedTest
  @EnumSource
  void anEmptySourceCompletesEvenWhenPaused(Operator operator) {
    Concurrency limit = Concurrency.of(0);
    assertThat(new Work(limit, operator, 0).result.isTerminatedComplete()).isTrue();
    assertThat(limit.inUse()).isZero();
  }

  @ParameterizedTest
  @EnumSource
  void canBeChangedFromWithinTheMapper(Operator operator) {
    Concurrency limit = Concurrency.of(1);
    int[] limits = {3, 1, 2, 7, 1};
    AtomicInteger next = new AtomicInteger();
    StepVerifier.create(
            Flux.range(0, 1_000)
                .transform(
                    operator.of(
                        limit,
                        n -> {
                          limit.set(limits[next.getAndIncrement() % limits.length]);
                          return n % 2 == 0 ? Mono.just(n) : Mono.just(n).hide();
                        })))
        .expectNextCount(1_000)
        .verifyComplete();
    assertThat(limit.inUse()).isZero();
  }

  @ParameterizedTest
  @EnumSource
  void followsChangesWhileItRuns(Operator operator) {
    AtomicInteger running = new AtomicInteger();
    List<Integer> samples = new ArrayList<>();
    Concurrency limit = Concurrency.of(1);
    StepVerifier.withVirtualTime(
            () ->
                Flux.range(0, 1_000)
                    .transform(
                        operator.<Integer, Integer>of(
                            limit,
                            n ->
                                Mono.just(n)
                                    .delayElement(Duration.ofSeconds(1))
                                    .doOnSubscribe(s -> running.incrementAndGet())
                                    .doOnNext(v -> running.decrementAndGet()))))
        .expectSubscription()
        .then(() -> samples.add(running.get()))
        .thenAwait(Duration.ofMillis(3_500))
        .then(() -> limit.set(10))
        .then(() -> samples.add(running.get()))
        .thenAwait(Duration.ofSeconds(2))
        .then(() -> limit.set(1))
        .thenAwait(Duration.ofSeconds(2))
        .then(() -> samples.add(running.get()))
        .then(() -> limit.set(0))
        .thenAwait(Duration.ofSeconds(2))
        .then(() -> samples.add(running.get()))
        .then(() -> limit.set(50))
        .then(() -> samples.add(running.get()))
        .thenAwait(Duration.ofSeconds(100))
        .expectNextCount(1_000)
        .verifyComplete();
    assertThat(samples).containsExactly(1, 10, 1, 0, 50);
    assertThat(limit.inUse()).isZero();
  }

  @ParameterizedTest
  @EnumSource
  void aSlowDownstreamStopsTheSource(Operator operator) {
    Concurrency limit = Concurrency.of(2);
    Work work = new Work(limit, operator, 100, TestSubscriber.builder().initialRequest(0).build());
    work.finish(0);
    work.finish(1);
    assertThat(work.asked).as("complete, but not delivered").hasValue(2);
    assertThat(limit.inUse()).isEqualTo(2);

    work.result.request(1);
    assertThat(work.result.getReceivedOnNext()).hasSize(1);
    assertThat(work.asked).hasValue(3);
  }

  @ParameterizedTest
  @EnumSource
  void aSingleValueHoldsItsPermitUntilItIsDelivered(Operator operator) {
    Concurrency limit = Concurrency.of(2);
    AtomicLong asked = new AtomicLong();
    TestSubscriber<Integer> result = TestSubscriber.builder().initialRequest(0).build();
    Flux.range(0, 100)
        .doOnRequest(asked::addAndGet)
        .transform(operator.of(limit, Mono::just))
        .subscribe(result);
    assertThat(asked).hasValue(2);
    assertThat(limit.inUse()).isEqualTo(2);
    result.request(5);
    assertThat(result.getReceivedOnNext()).containsExactly(0, 1, 2, 3, 4);
    assertThat(asked).hasValue(7);
  }

  @ParameterizedTest
  @EnumSource
  void emptyElementsNeedNoDemand(Operator operator) {
    Concurrency limit = Concurrency.of(2);
    TestSubscriber<Integer> result = TestSubscriber.builder().initialRequest(0).build();
    Flux.range(0, 1_000)
        .transform(
            operator.<Integer, Integer>of(
                limit, n -> n % 2 == 0 ? Flux.empty() : Flux.<Integer>empty().hide()))
        .subscribe(result);
    assertThat(result.isTerminatedComplete()).isTrue();
    assertThat(limit.inUse()).isZero();
  }

  // ---- giving back

  @ParameterizedTest
  @EnumSource
  void cancellingGivesEverythingBack(Operator operator) {
    Concurrency limit = Concurrency.of(4);
    Work work = new Work(limit, operator, 2); // two permits are never answered
    Work other = new Work(Concurrency.of(4), operator, 100);
    work.result.cancel();
    other.result.cancel();
    assertThat(limit.inUse()).isZero();
  }

  @ParameterizedTest
  @EnumSource
  void permitsThatTheSourceNeverAnswersAreGivenBackWhenItCompletes(Operator operator) {
    Concurrency limit = Concurrency.of(10);
    Work work = new Work(limit, operator, 3);
    assertThat(limit.inUse()).isEqualTo(3);
    work.finish(0);
    assertThat(limit.inUse()).isEqualTo(2);
    work.finish(1);
    work.finish(2);
    assertThat(limit.inUse()).isZero();
  }

  @ParameterizedTest
  @EnumSource
  void errorsGiveEverythingBack(Operator operator) {
    Concurrency limit = Concurrency.of(4);
    IllegalStateException boom = new IllegalStateException("boom");
    List<Flux<Integer>> failing =
        List.of(
            Flux.<Integer>error(boom).transform(operator.of(limit, Mono::just)),
            Flux.range(0, 9).concatWith(Flux.error(boom)).transform(operator.of(limit, Mono::just)),
            Flux.range(0, 9).transform(operator.of(limit, n -> Mono.<Integer>error(boom))),
            Flux.range(0, 9).transform(operator.of(limit, n -> Mono.<Integer>error(boom).hide())),
            Flux.range(0, 9).transform(operator.of(limit, n -> null)),
            Flux.range(0, 9)
                .transform(
                    operator.<Integer, Integer>of(
                        limit,
                        n -> {
                          throw boom;
                        })));
    for (Flux<Integer> flux : failing) {
      StepVerifier.create(flux).thenConsumeWhile(n -> true).verifyError();
      assertThat(limit.inUse()).isZero();
    }
  }

  @ParameterizedTest
  @EnumSource
  void cancellingFromWithinOnSubscribeHoldsNothing(Operator operator) {
    Concurrency limit = Concurrency.of(4);
    AtomicLong asked = new AtomicLong();
    StepVerifier.create(
            Flux.range(0, 9)
                .doOnRequest(asked::addAndGet)
                .transform(operator.of(limit, Mono::just)))
        .thenCancel()
        .verify();
    Flux.range(0, 9)
        .doOnRequest(asked::addAndGet)
        .transform(operator.of(limit, Mono::just))
        .doOnSubscribe(s -> s.cancel())
        .subscribe();
    assertThat(limit.inUse()).isZero();
    Work next = new Work(limit, operator, 100);
    assertThat(next.asked).as("nobody else has a share").hasValue(4);
  }

  // ---- sharing

  @ParameterizedTest
  @EnumSource
  void isDividedEvenlyAndTheRemainderGoesToTheEarliest(Operator operator) {
    Concurrency limit = Concurrency.of(0);
    Work first = new Work(limit, operator, 100);
    Work second = new Work(limit, operator, 100);
    Work third = new Work(limit, operator, 100);
    limit.set(8);
    assertThat(List.of(first.asked.get(), second.asked.get(), third.asked.get()))
        .containsExactly(3L, 3L, 2L);
    assertThat(limit.inUse()).isEqualTo(8);
  }

  @ParameterizedTest
  @EnumSource
  void aNewcomerGetsItsShareAsTheOthersFinish(Operator operator) {
    Concurrency limit = Concurrency.of(4);
    Work first = new Work(limit, operator, 100);
    Work second = new Work(limit, operator, 100);
    assertThat(second.asked).hasValue(0);
    for (int i = 0; i < 4; i++) {
      first.finish(i);
      assertThat(limit.inUse()).isEqualTo(4);
    }
    assertThat(first.asked).hasValue(6);
    assertThat(second.asked).hasValue(2);
  }

  @ParameterizedTest
  @EnumSource
  void whoLeavesLeavesItsShareToTheOthersAtOnce(Operator operator) {
    Concurrency limit = Concurrency.of(4);
    Work first = new Work(limit, operator, 100);
    Work second = new Work(limit, operator, 100);
    first.result.cancel();
    assertThat(second.asked).hasValue(4);
    assertThat(limit.inUse()).isEqualTo(4);
  }

  @ParameterizedTest
  @EnumSource
  void aSourceThatEndedLeavesWhatItDoesNotNeedToTheOthers(Operator operator) {
    Concurrency limit = Concurrency.of(4);
    Work first = new Work(limit, operator, 1);
    Work second = new Work(limit, operator, 100);
    assertThat(second.asked).hasValue(3);
    first.finish(0);
    assertThat(first.result.isTerminatedComplete()).isTrue();
    assertThat(second.asked).hasValue(4);
  }

  @ParameterizedTest
  @EnumSource
  void othersGoOnOnlyAfterTheEndWasDelivered(Operator operator) {
    Concurrency limit = Concurrency.of(1);
    List<String> events = new ArrayList<>();
    Sinks.One<Integer> sink = Sinks.one();
    Flux.just(1)
        .hide()
        .transform(operator.of(limit, n -> sink.asMono()))
        .subscribe(n -> {}, e -> {}, () -> events.add("completed, in use: " + limit.inUse()));
    Flux.<Integer>never()
        .doOnRequest(n -> events.add("the next asks for " + n))
        .transform(operator.of(limit, Mono::just))
        .subscribe();
    sink.tryEmitValue(1).orThrow();
    assertThat(events).containsExactly("completed, in use: 0", "the next asks for 1");
  }

  @ParameterizedTest
  @EnumSource
  void withMoreSubscriptionsThanTheLimitTheLastWaitForTheFirst(Operator operator) {
    Concurrency limit = Concurrency.of(1);
    Work first = new Work(limit, operator, 2);
    Work second = new Work(limit, operator, 2);
    Work third = new Work(limit, operator, 2);
    first.finish(0);
    assertThat(second.asked).hasValue(0);
    first.finish(1);
    assertThat(second.asked).hasValue(1);
    second.finish(0);
    second.finish(1);
    assertThat(third.asked).hasValue(1);
    third.finish(0);
    third.finish(1);
    assertThat(third.result.isTerminatedComplete()).isTrue();
    assertThat(limit.inUse()).isZero();
  }

  @Test
  void oneLimitServesAllOperatorsMadeFromIt() {
    Concurrency limit = Concurrency.of(4);
    List<Work> works = new ArrayList<>();
    for (Operator operator : Operator.values()) {
      works.add(new Work(limit, operator, 1_000));
    }
    int unfinished = 0;
    for (int i = 0; i < 100; i++) {
      for (Work work : works) {
        int next = work.result.getReceivedOnNext().size();
        if (next < work.started.size()) {
          work.finish(next);
        }
      }
      unfinished =
          works.stream()
              .mapToInt(w -> w.asked.intValue() - w.result.getReceivedOnNext().size())
              .sum();
      assertThat(unfinished).isEqualTo(4);
      assertThat(limit.inUse()).isEqualTo(4);
    }
    assertThat(works)
        .allSatisfy(w -> assertThat(w.result.getReceivedOnNext()).hasSizeGreaterThan(90));
    works.stream().map(w -> w.result).forEach(TestSubscriber::cancel);
    assertThat(limit.inUse()).isZero();
  }

  @ParameterizedTest
  @EnumSource
  void aLimitOfItsOwnLetsOperatorsNest(Operator operator) {
    Concurrency outer = Concurrency.of(3);
    Concurrency inner = Concurrency.of(2);
    StepVerifier.create(
            Flux.range(0, 100)
                .transform(
                    operator.<Integer, Integer>of(
                        outer,
                        n ->
                            Flux.range(0, 10)
                                .transform(operator.of(inner, m -> Mono.just(m).hide())))))
        .expectNextCount(1_000)
        .verifyComplete();
    assertThat(outer.inUse()).isZero();
    assertThat(inner.inUse()).isZero();
  }

  @ParameterizedTest
  @EnumSource
  void oneOperatorCanBeSubscribedManyTimes(Operator operator) {
    Concurrency limit = Concurrency.of(3);
    Flux<Integer> flux = Flux.range(0, 10).transform(operator.of(limit, Mono::just));
    for (int i = 0; i < 3; i++) {
      StepVerifier.create(flux).expectNextCount(10).verifyComplete();
    }
    Disposable.Composite all = Disposables.composite();
    Flux<Integer> endless = Flux.range(0, 10).transform(operator.of(limit, n -> Mono.never()));
    for (int i = 0; i < 3; i++) {
      all.add(endless.subscribe());
    }
    assertThat(limit.inUse()).isEqualTo(3);
    all.dispose();
    assertThat(limit.inUse()).isZero();
  }
}
