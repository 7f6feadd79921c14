package io.github.cursorstream.concurrency;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.reactivestreams.Publisher;
import org.reactivestreams.Subscription;
import reactor.core.CoreSubscriber;
import reactor.core.Exceptions;
import reactor.core.Scannable;
import reactor.core.Scannable.Attr;
import reactor.core.publisher.Flux;
import reactor.core.publisher.Hooks;
import reactor.core.publisher.Mono;
import reactor.core.publisher.Operators;
import reactor.core.scheduler.Schedulers;
import reactor.test.StepVerifier;
import reactor.test.publisher.TestPublisher;
import reactor.test.subscriber.TestSubscriber;
import reactor.util.context.Context;

/** What the operators deliver, discard and drop. */
@Timeout(30)
class FlatMapTest {

  private final Concurrency limit = Concurrency.of(4);
  private final TestPublisher<Integer> source = TestPublisher.create();
  private final List<TestPublisher<String>> inners = new ArrayList<>();
  private final List<Object> discarded = new ArrayList<>();

  private TestSubscriber<String> subscribe(Operator operator) {
    return subscribe(operator, Long.MAX_VALUE);
  }

  private TestSubscriber<String> subscribe(Operator operator, long demand) {
    TestSubscriber<String> result =
        TestSubscriber.builder().initialRequest(demand).contextPut("key", "value").build();
    source
        .flux()
        .transform(operator.of(limit, this::inner))
        .doOnDiscard(Object.class, discarded::add)
        .subscribe(result);
    return result;
  }

  private Publisher<String> inner(Integer element) {
    TestPublisher<String> inner = TestPublisher.create();
    inners.add(inner);
    return inner.flux();
  }

  @ParameterizedTest
  @EnumSource(names = {"FLAT_MAP", "FLAT_MAP_DELAY_ERROR"})
  void valuesArriveAsTheyCome(Operator operator) {
    TestSubscriber<String> result = subscribe(operator);
    source.next(1, 2);
    inners.get(1).next("2a");
    inners.get(0).next("1a");
    inners.get(1).next("2b").complete();
    inners.get(0).complete();
    source.complete();
    assertThat(result.getReceivedOnNext()).containsExactly("2a", "1a", "2b");
    assertThat(result.isTerminatedComplete()).isTrue();
  }

  @ParameterizedTest
  @EnumSource(names = {"FLAT_MAP_SEQUENTIAL", "FLAT_MAP_SEQUENTIAL_DELAY_ERROR"})
  void valuesArriveInTheOrderOfTheSource(Operator operator) {
    TestSubscriber<String> result = subscribe(operator);
    source.next(1, 2, 3);
    inners.get(2).next("3a").complete();
    inners.get(1).next("2a");
    assertThat(result.getReceivedOnNext()).isEmpty();
    inners.get(0).next("1a");
    assertThat(result.getReceivedOnNext()).containsExactly("1a");
    inners.get(0).complete();
    assertThat(result.getReceivedOnNext()).containsExactly("1a", "2a");
    inners.get(1).next("2b").complete();
    source.complete();
    assertThat(result.getReceivedOnNext()).containsExactly("1a", "2a", "2b", "3a");
    assertThat(result.isTerminatedComplete()).isTrue();
    assertThat(limit.inUse()).isZero();
  }

  @Test
  void singleValuesKeepTheirPlaceInTheOrder() {
    StepVerifier.create(
            Flux.range(0, 1_000)
                .transform(
                    limit.<Integer, Integer>flatMapSequential(
                        n ->
                            switch (n % 4) {
                              case 0 -> Mono.just(n);
                              case 1 -> Mono.just(n).hide();
                              case 2 -> Flux.just(n).publishOn(Schedulers.parallel());
                              default -> Mono.fromSupplier(() -> n);
                            }))
                .collectList())
        .expectNext(Flux.range(0, 1_000).collectList().block())
        .verifyComplete();
  }

  @ParameterizedTest
  @EnumSource
  void neverDeliversMoreThanIsRequested(Operator operator) {
    StepVerifier.create(
            Flux.range(0, 100).transform(operator.of(limit, n -> Flux.range(0, 50).hide())), 0)
        .expectSubscription()
        .thenRequest(1)
        .expectNextCount(1)
        .thenRequest(99)
        .expectNextCount(99)
        .thenRequest(4_900)
        .expectNextCount(4_900)
        .verifyComplete();
  }

  @ParameterizedTest
  @EnumSource
  void prefetchesABoundedNumberOfValuesAndReplacesThem(Operator operator) {
    List<Long> requests = new ArrayList<>();
    TestSubscriber<Integer> result = TestSubscriber.builder().initialRequest(0).build();
    Flux.just(1)
        .hide()
        .transform(
            operator.<Integer, Integer>of(
                limit, n -> Flux.range(0, 100).hide().doOnRequest(requests::add)))
        .subscribe(result);
    assertThat(requests).containsExactly(32L);
    result.request(23);
    assertThat(requests).containsExactly(32L);
    result.request(1);
    assertThat(requests).containsExactly(32L, 24L);
  }

  @ParameterizedTest
  @EnumSource(names = {"FLAT_MAP", "FLAT_MAP_DELAY_ERROR"})
  void anEndlessElementLetsTheOthersHaveTheirTurn(Operator operator) {
    TestSubscriber<Integer> result = TestSubscriber.builder().initialRequest(0).build();
    Flux.range(0, 4)
        .transform(
            operator.<Integer, Integer>of(
                limit, n -> Flux.<Integer>generate(sink -> sink.next(n)).hide()))
        .subscribe(result);
    result.request(1_000);
    assertThat(result.getReceivedOnNext()).contains(0, 1, 2, 3);
    for (int i = 0; i < 8; i++) {
      result.request(1);
    }
    assertThat(result.getReceivedOnNext().subList(1_000, 1_008)).contains(0, 1, 2, 3);
    result.cancel();
    assertThat(limit.inUse()).isZero();
  }

  // ---- errors

  @ParameterizedTest
  @EnumSource(names = {"FLAT_MAP", "FLAT_MAP_SEQUENTIAL"})
  void theFirstErrorCancelsEverythingAndDiscardsWhatWaits(Operator operator) {
    TestSubscriber<String> result = subscribe(operator, 1);
    source.next(1, 2, 3);
    inners.get(0).next("1a", "1b");
    inners.get(1).next("2a");
    IllegalStateException boom = new IllegalStateException("boom");
    inners.get(2).error(boom);
    assertThat(result.expectTerminalError()).isSameAs(boom);
    assertThat(result.getReceivedOnNext()).containsExactly("1a");
    assertThat(discarded).containsExactlyInAnyOrder("1b", "2a");
    source.assertCancelled();
    inners.get(0).assertCancelled();
    inners.get(1).assertCancelled();
    assertThat(limit.inUse()).isZero();
  }

  @ParameterizedTest
  @EnumSource(names = {"FLAT_MAP", "FLAT_MAP_SEQUENTIAL"})
  void anErrorOfTheSourceCancelsTheElements(Operator operator) {
    TestSubscriber<String> result = subscribe(operator);
    source.next(1);
    source.error(new IllegalStateException("boom"));
    assertThat(result.expectTerminalError()).hasMessage("boom");
    inners.get(0).assertCancelled();
    assertThat(limit.inUse()).isZero();
  }

  @ParameterizedTest
  @EnumSource(names = {"FLAT_MAP_DELAY_ERROR", "FLAT_MAP_SEQUENTIAL_DELAY_ERROR"})
  void delayedErrorsWaitForEverythingElseAndComeTogether(Operator operator) {
    TestSubscriber<String> result = subscribe(operator);
    source.next(1, 2);
    inners.get(0).next("1a").error(new IllegalStateException("one"));
    assertThat(result.isTerminatedOrCancelled()).isFalse();
    source.next(3, 4);
    inners.get(1).next("2a").error(new IllegalStateException("two"));
    inners.get(2).next("3a").complete();
    source.error(new IllegalStateException("source"));
    inners.get(3).next("4a");
    assertThat(result.isTerminatedOrCancelled()).isFalse();
    inners.get(3).complete();
    assertThat(result.getReceivedOnNext()).containsExactly("1a", "2a", "3a", "4a");
    assertThat(Exceptions.unwrapMultiple(result.expectTerminalError()))
        .extracting(Throwable::getMessage)
        .containsExactly("one", "two", "source");
    assertThat(discarded).isEmpty();
    assertThat(limit.inUse()).isZero();
  }

  @ParameterizedTest
  @EnumSource(names = {"FLAT_MAP_DELAY_ERROR", "FLAT_MAP_SEQUENTIAL_DELAY_ERROR"})
  void aDelayedErrorOfTheMapperDoesNotStopTheOtherElements(Operator operator) {
    StepVerifier.create(
            Flux.range(0, 10)
                .transform(
                    operator.<Integer, Integer>of(
                        limit,
                        n -> {
                          if (n == 3) {
                            throw new IllegalStateException("mapper");
                          }
                          return n == 5
                              ? Mono.error(new IllegalStateException("scalar"))
                              : Mono.just(n);
                        })))
        .expectNext(0, 1, 2, 4, 6, 7, 8, 9)
        .verifyErrorSatisfies(
            e ->
                assertThat(Exceptions.unwrapMultiple(e))
                    .extracting(Throwable::getMessage)
                    .containsExactly("mapper", "scalar"));
  }

  @ParameterizedTest
  @EnumSource
  void aMissingPublisherIsAnErrorThatSaysSo(Operator operator) {
    StepVerifier.create(Flux.just(1).hide().transform(operator.of(limit, n -> null)))
        .verifyErrorSatisfies(
            e ->
                assertThat(e)
                    .isInstanceOf(NullPointerException.class)
                    .hasMessage("The mapper returned a null Publisher"));
  }

  @ParameterizedTest
  @EnumSource
  void theElementWhoseMapperFailedIsDiscarded(Operator operator) {
    Flux.just(7)
        .hide()
        .transform(operator.<Integer, Integer>of(limit, n -> Mono.error(new Exception("boom"))))
        .doOnDiscard(Object.class, discarded::add)
        .onErrorComplete()
        .blockLast();
    assertThat(discarded).containsExactly(7);
  }

  @ParameterizedTest
  @EnumSource
  void onErrorContinueSkipsTheElement(Operator operator) {
    List<Object> skipped = new ArrayList<>();
    StepVerifier.create(
            Flux.range(0, 3)
                .transform(
                    operator.<Integer, Integer>of(
                        limit, n -> n == 1 ? Mono.error(new Exception("boom")) : Mono.just(n)))
                .onErrorContinue((e, n) -> skipped.add(n)))
        .expectNext(0, 2)
        .verifyComplete();
    assertThat(skipped).containsExactly(1);
    assertThat(limit.inUse()).isZero();
  }

  // ---- after the end

  @ParameterizedTest
  @EnumSource
  void cancellingDiscardsWhatWaits(Operator operator) {
    TestSubscriber<String> result = subscribe(operator, 1);
    source.next(1, 2);
    inners.get(0).next("1a", "1b");
    inners.get(1).next("2a");
    result.cancel();
    assertThat(discarded).containsExactlyInAnyOrder("1b", "2a");
    source.assertCancelled();
    inners.forEach(TestPublisher::assertCancelled);
    assertThat(limit.inUse()).isZero();
  }

  @ParameterizedTest
  @EnumSource
  void singleValuesThatWaitAreDiscarded(Operator operator) {
    TestSubscriber<Integer> result = TestSubscriber.builder().initialRequest(1).build();
    Flux.range(0, 10)
        .transform(operator.of(limit, Mono::just))
        .doOnDiscard(Object.class, discarded::add)
        .subscribe(result);
    result.cancel();
    assertThat(discarded).containsExactly(1, 2, 3, 4);
    assertThat(limit.inUse()).isZero();
  }

  @ParameterizedTest
  @EnumSource
  void whatComesTooLateIsDroppedOrDiscarded(Operator operator) {
    List<Object> dropped = new ArrayList<>();
    Hooks.onNextDropped(dropped::add);
    Hooks.onErrorDropped(e -> dropped.add(e.getMessage()));
    try {
      List<CoreSubscriber<? super Integer>> subscribers = new ArrayList<>();
      List<CoreSubscriber<? super String>> innerSubscribers = new ArrayList<>();
      Flux<String> flux =
          raw(subscribers)
              .transform(operator.<Integer, String>of(limit, n -> raw(innerSubscribers)))
              .doOnDiscard(Object.class, discarded::add);

      TestSubscriber<String> completed = TestSubscriber.create();
      flux.subscribe(completed);
      subscribers.get(0).onNext(1);
      innerSubscribers.get(0).onComplete();
      innerSubscribers.get(0).onNext("after complete");
      innerSubscribers.get(0).onError(new Exception("error after complete"));
      subscribers.get(0).onComplete();
      subscribers.get(0).onNext(2);
      subscribers.get(0).onError(new Exception("source error after complete"));
      assertThat(completed.isTerminatedComplete()).isTrue();
      assertThat(dropped)
          .containsExactly(
              "after complete", "error after complete", 2, "source error after complete");

      dropped.clear();
      TestSubscriber<String> cancelled = TestSubscriber.create();
      flux.subscribe(cancelled);
      subscribers.get(1).onNext(3);
      cancelled.cancel();
      subscribers.get(1).onNext(4);
      innerSubscribers.get(1).onNext("after cancel");
      innerSubscribers.get(1).onError(new Exception("error after cancel"));
      assertThat(discarded).containsExactly(4, "after cancel");
      assertThat(dropped).containsExactly("error after cancel");
      assertThat(limit.inUse()).isZero();
    } finally {
      Hooks.resetOnNextDropped();
      Hooks.resetOnErrorDropped();
    }
  }

  @ParameterizedTest
  @EnumSource
  void anElementThatSendsMoreThanRequestedFails(Operator operator) {
    List<CoreSubscriber<? super Integer>> inner = new ArrayList<>();
    TestSubscriber<Integer> result = TestSubscriber.builder().initialRequest(0).build();
    Flux.just(1)
        .hide()
        .transform(operator.<Integer, Integer>of(limit, n -> raw(inner)))
        .doOnDiscard(Object.class, discarded::add)
        .subscribe(result);
    for (int i = 0; i < 33; i++) {
      inner.get(0).onNext(i);
    }
    result.request(100);
    assertThat(result.expectTerminalError()).isInstanceOf(IllegalStateException.class);
    assertThat(result.getReceivedOnNext().size() + discarded.size()).isEqualTo(33);
    assertThat(limit.inUse()).isZero();
  }

  private static <T> Flux<T> raw(List<CoreSubscriber<? super T>> subscribers) {
    return new Flux<>() {
      @Override
      public void subscribe(CoreSubscriber<? super T> subscriber) {
        subscribers.add(subscriber);
        subscriber.onSubscribe(Operators.emptySubscription());
      }
    };
  }

  // ---- conventions

  @ParameterizedTest
  @EnumSource
  void theContextReachesTheSourceAndTheElements(Operator operator) {
    List<Context> seen = new ArrayList<>();
    Flux.deferContextual(view -> Flux.just(seen.add(Context.of(view)) ? 1 : 0))
        .transform(
            operator.<Integer, Integer>of(
                limit,
                n -> Flux.deferContextual(view -> Flux.just(seen.add(Context.of(view)) ? 1 : 0))))
        .contextWrite(Context.of("key", "value"))
        .blockLast();
    assertThat(seen)
        .hasSize(2)
        .allSatisfy(context -> assertThat(context.<String>get("key")).isEqualTo("value"));
  }

  @ParameterizedTest
  @EnumSource
  void canBeScanned(Operator operator) {
    AtomicLong requested = new AtomicLong();
    TestSubscriber<Integer> result = TestSubscriber.builder().initialRequest(5).build();
    List<Subscription> main = new ArrayList<>();
    Flux.range(0, 10)
        .hide()
        .transform(
            operator.of(limit, n -> n == 1 ? Flux.range(0, 9).hide() : Flux.<Integer>never()))
        .doOnSubscribe(main::add)
        .doOnRequest(requested::addAndGet)
        .subscribe(result);
    Scannable scan = Scannable.from(main.get(0));
    assertThat(scan.scan(Attr.RUN_STYLE)).isEqualTo(Attr.RunStyle.SYNC);
    assertThat(scan.scan(Attr.PARENT)).isNotNull();
    assertThat(scan.scan(Attr.ACTUAL)).isNotNull();
    assertThat(scan.scan(Attr.PREFETCH)).isEqualTo(4);
    assertThat(scan.scan(Attr.BUFFERED)).isEqualTo(4);
    assertThat(scan.scan(Attr.DELAY_ERROR)).isEqualTo(operator.name().endsWith("DELAY_ERROR"));
    assertThat(scan.scan(Attr.REQUESTED_FROM_DOWNSTREAM))
        .isEqualTo(operator.isSequential() ? 5 : 0);
    assertThat(scan.scan(Attr.ERROR)).isNull();
    assertThat(scan.scan(Attr.TERMINATED)).isFalse();
    assertThat(scan.inners()).hasSize(4);
    Scannable inner =
        scan.inners().filter(i -> i.scanOrDefault(Attr.BUFFERED, 0) != 0).findFirst().orElseThrow();
    assertThat(inner.scan(Attr.PREFETCH)).isEqualTo(32);
    assertThat(inner.scan(Attr.BUFFERED)).isEqualTo(operator.isSequential() ? 9 : 4);
    assertThat(inner.scan(Attr.ACTUAL)).isSameAs(scan);
    assertThat(inner.scan(Attr.PARENT)).isNotNull();
    assertThat(inner.scan(Attr.TERMINATED)).isFalse();
    assertThat(inner.scan(Attr.RUN_STYLE)).isEqualTo(Attr.RunStyle.SYNC);
    result.cancel();
    assertThat(scan.scan(Attr.CANCELLED)).isTrue();
    assertThat(scan.scan(Attr.TERMINATED)).isTrue();
    assertThat(inner.scan(Attr.CANCELLED)).isTrue();
  }
}
