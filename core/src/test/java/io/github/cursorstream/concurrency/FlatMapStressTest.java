package io.github.cursorstream.concurrency;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicIntegerArray;
import java.util.stream.Collectors;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.reactivestreams.Publisher;
import org.reactivestreams.Subscription;
import reactor.core.publisher.BaseSubscriber;
import reactor.core.publisher.Flux;
import reactor.core.publisher.Hooks;
import reactor.core.publisher.Mono;
import reactor.core.publisher.Operators;
import reactor.core.publisher.SignalType;
import reactor.core.scheduler.Scheduler;
import reactor.core.scheduler.Schedulers;
import reactor.test.StepVerifier;
import reactor.util.context.Context;

/** Requests, completions, cancellations, failures and changes of the limit race with each other. */
@Timeout(60)
class FlatMapStressTest {

  private static final int ROUNDS = 1_000;
  private static Scheduler workers;

  @BeforeAll
  static void startWorkers() {
    Hooks.onErrorDropped(e -> {}); // errors that lose a race against a cancellation
    workers = Schedulers.newParallel("stress", 4);
  }

  @AfterAll
  static void stopWorkers() {
    workers.dispose();
    Hooks.resetOnErrorDropped();
  }

  /** One or two subscriptions to 20 elements of 3 values each; each value is counted. */
  private static final class Round extends BaseSubscriber<Integer> {

    static final int ELEMENTS = 20;
    static final int VALUES = 3;

    final AtomicIntegerArray made = new AtomicIntegerArray(ELEMENTS * VALUES);
    final AtomicIntegerArray seen = new AtomicIntegerArray(ELEMENTS * VALUES);
    final AtomicInteger ends = new AtomicInteger();
    final Context context =
        Operators.enableOnDiscard(
            Context.empty(),
            o -> {
              int value = (Integer) o;
              if (value >= 0) { // source elements are negative
                seen.incrementAndGet(value);
              }
            });
    final int failing;

    Round(int failing) {
      this.failing = failing;
    }

    Publisher<Integer> values(Integer negative) {
      int element = -negative - 1;
      Flux<Integer> values = Flux.range(element * VALUES, VALUES).doOnNext(made::incrementAndGet);
      if (element == failing) {
        values = values.concatWith(Mono.error(new IllegalStateException("on purpose")));
      }
      return switch (element % 4) {
        case 0 -> values.hide();
        case 1 -> values.hide().subscribeOn(workers);
        case 2 -> values.hide().subscribeOn(workers).limitRate(1);
        default ->
            Mono.fromSupplier(
                () -> {
                  made.incrementAndGet(element * VALUES);
                  return element * VALUES;
                });
      };
    }

    @Override
    public Context currentContext() {
      return context;
    }

    @Override
    protected void hookOnSubscribe(Subscription subscription) {}

    @Override
    protected void hookOnNext(Integer value) {
      seen.incrementAndGet(value);
    }

    @Override
    protected void hookOnError(Throwable failure) {}

    @Override
    protected void hookFinally(SignalType type) {
      ends.incrementAndGet();
    }
  }

  @ParameterizedTest
  @EnumSource
  void whateverRacesNothingIsLostOrLeftBehind(Operator operator) {
    Concurrency limit = Concurrency.of(4);
    for (int i = 0; i < ROUNDS; i++) {
      boolean cancels = i % 3 == 0;
      Round a = round(operator, limit, i % 5 == 0 ? i % Round.ELEMENTS : -1);
      Round b = round(operator, limit, -1);
      workers.schedule(() -> limit.set(ThreadLocalRandom.current().nextInt(6)));
      workers.schedule(() -> a.request(7));
      workers.schedule(a::requestUnbounded);
      workers.schedule(b::requestUnbounded);
      if (cancels) {
        workers.schedule(a::cancel);
      }
      workers.schedule(() -> limit.set(1 + ThreadLocalRandom.current().nextInt(5)));
      limit.set(1 + i % 4);
      await(() -> a.ends.get() > 0 && b.ends.get() > 0, limit);
      await(() -> limit.inUse() == 0, limit);
      for (Round round : new Round[] {a, b}) {
        await(() -> isCounted(round), limit);
        assertThat(round.ends).hasValue(1);
      }
    }
  }

  private static Round round(Operator operator, Concurrency limit, int failing) {
    Round round = new Round(failing);
    Flux.range(1, Round.ELEMENTS)
        .map(n -> -n)
        .subscribeOn(workers)
        .transform(operator.of(limit, round::values))
        .subscribe(round);
    return round;
  }

  /** Whether each value that was made has been delivered or discarded, once. */
  private static boolean isCounted(Round round) {
    for (int i = 0; i < round.made.length(); i++) {
      if (round.made.get(i) != round.seen.get(i)) {
        return false;
      }
    }
    return true;
  }

  private interface Condition {
    boolean isMet();
  }

  private static void await(Condition condition, Concurrency limit) {
    for (int spins = 0; spins < 1_000 && !condition.isMet(); spins++) {
      limit.set(Math.max(1, limit.get())); // zero may have come last
      Thread.onSpinWait();
    }
    if (!condition.isMet()) {
      Awaitility.await()
          .pollInterval(Duration.ofMillis(1))
          .atMost(Duration.ofSeconds(5))
          .until(
              () -> {
                limit.set(Math.max(1, limit.get()));
                return condition.isMet();
              });
    }
  }

  @ParameterizedTest
  @EnumSource
  void neverAreMoreElementsPulledThanTheLimitAllows(Operator operator) {
    Concurrency limit = Concurrency.of(5);
    AtomicInteger unfinished = new AtomicInteger();
    AtomicInteger most = new AtomicInteger();
    AtomicBoolean ended = new AtomicBoolean();
    Flux<Integer> flux =
        Flux.range(0, 30_000)
            .hide()
            .doOnRequest(
                n -> {
                  int now = unfinished.addAndGet((int) n);
                  if (!ended.get()) { // then some requests stay unanswered
                    most.accumulateAndGet(now, Math::max);
                  }
                })
            .doOnComplete(() -> ended.set(true))
            .transform(
                operator.of(
                    limit,
                    n -> n % 3 == 0 ? Mono.just(n) : Mono.just(n).hide().subscribeOn(workers)))
            .doOnNext(n -> unfinished.decrementAndGet());
    StepVerifier.create(Flux.merge(flux.subscribeOn(workers), flux.subscribeOn(workers)))
        .expectNextCount(60_000)
        .verifyComplete();
    assertThat(most.get()).isBetween(2, 5);
    assertThat(limit.inUse()).isZero();
  }

  @ParameterizedTest
  @EnumSource
  void everyElementArrivesOnceWhileTheLimitChanges(Operator operator) {
    Concurrency limit = Concurrency.of(1);
    AtomicInteger seen = new AtomicInteger();
    Flux<Integer> flux =
        Flux.range(0, 40_000)
            .transform(operator.of(limit, n -> Mono.fromSupplier(() -> n).subscribeOn(workers)))
            .doOnNext(n -> limit.set(seen.incrementAndGet() % 17))
            .doOnNext(
                n -> {
                  if (limit.get() == 0) {
                    workers.schedule(() -> limit.set(3));
                  }
                });
    if (operator.isSequential()) {
      AtomicInteger next = new AtomicInteger();
      StepVerifier.create(flux).thenConsumeWhile(n -> n == next.getAndIncrement()).verifyComplete();
    } else {
      StepVerifier.create(flux.collect(Collectors.toSet()))
          .expectNextMatches(all -> all.size() == 40_000)
          .verifyComplete();
    }
    assertThat(seen).hasValue(40_000);
    assertThat(limit.inUse()).isZero();
  }

  @ParameterizedTest
  @EnumSource
  void millionsOfSynchronousElementsNeedNoStack(Operator operator) {
    Concurrency limit = Concurrency.of(3);
    StepVerifier.create(
            Flux.range(0, 2_000_000)
                .transform(
                    operator.<Integer, Integer>of(
                        limit,
                        n ->
                            switch (n % 3) {
                              case 0 -> Mono.just(n);
                              case 1 -> Flux.just(n).hide();
                              default -> Flux.empty();
                            }))
                .count())
        .expectNext(1_333_334L)
        .verifyComplete();
    assertThat(limit.inUse()).isZero();
  }
}
