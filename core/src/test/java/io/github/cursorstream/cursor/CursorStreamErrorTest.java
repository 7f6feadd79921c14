package io.github.cursorstream.cursor;

import static io.github.cursorstream.cursor.Numbers.at;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.TimeoutException;
import java.util.function.Supplier;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.reactivestreams.Publisher;
import org.reactivestreams.Subscription;
import reactor.core.Exceptions;
import reactor.core.publisher.BaseSubscriber;
import reactor.core.publisher.Flux;
import reactor.core.publisher.Mono;
import reactor.core.scheduler.Schedulers;
import reactor.test.StepVerifier;
import reactor.test.publisher.TestPublisher;
import reactor.util.retry.Retry;

class CursorStreamErrorTest {

  private final List<PageRequest> requests = new ArrayList<>();

  /** Pages of 2, and this instead of the fetches with these numbers, counted from 1. */
  private PageSource<Integer> numbersBut(
      Supplier<Publisher<Page<Integer>>> failure, Integer... fetches) {
    Numbers numbers = new Numbers(7);
    return request -> {
      requests.add(request);
      return List.of(fetches).contains(requests.size()) ? failure.get() : numbers.fetch(request);
    };
  }

  private static Publisher<Page<Integer>> failing() {
    return Mono.error(new IOException("planned"));
  }

  @ParameterizedTest
  @ValueSource(ints = {0, 1, 3}) // S24, S25
  void pageNIsDeliveredThoughPageNPlusOneFails(int prefetch) {
    Flux<Integer> items =
        CursorStream.of(numbersBut(CursorStreamErrorTest::failing, 3))
            .pageSize(2)
            .prefetch(prefetch)
            .items();
    StepVerifier.create(items)
        .expectNext(1, 2, 3, 4)
        .verifyErrorSatisfies(e -> assertThat(e).isInstanceOf(IOException.class));
    assertThat(requests).hasSize(3);
  }

  @Test // S25
  void aFailedLookAheadWaitsForTheItemsBeforeIt() {
    ManualPages pages = new ManualPages();
    StepVerifier.create(CursorStream.of(pages).prefetch(2).items(), 1)
        .then(() -> pages.fetches.get(0).arrives(1, 2))
        .expectNext(1)
        .then(() -> pages.fetches.get(1).arrives(3))
        .then(() -> pages.fetches.get(2).subscriber().onError(new IOException("planned")))
        .thenRequest(1)
        .expectNext(2)
        .thenRequest(1)
        .expectNext(3)
        .verifyError(IOException.class);
    assertThat(pages.fetches).hasSize(3);
  }

  @Test
  void aFailedLookAheadIsSignalledWithoutMoreDemandOnceAllIsDelivered() {
    ManualPages pages = new ManualPages();
    StepVerifier.create(CursorStream.of(pages).prefetch(1).items(), 2)
        .then(() -> pages.fetches.get(0).arrives(1, 2))
        .expectNext(1, 2)
        .then(() -> pages.fetches.get(1).subscriber().onError(new IOException("planned")))
        .verifyError(IOException.class);
  }

  @Test
  void theFirstFetchFailing() {
    StepVerifier.create(CursorStream.of(numbersBut(CursorStreamErrorTest::failing, 1)).items(), 1)
        .verifyError(IOException.class);
    StepVerifier.create(CursorStream.of(numbersBut(CursorStreamErrorTest::failing, 2)).page())
        .verifyError(IOException.class);
  }

  @Test
  void aSourceThatThrowsIsAnErrorInOrder() {
    Supplier<Publisher<Page<Integer>>> thrower =
        () -> {
          throw new IllegalArgumentException("planned");
        };
    StepVerifier.create(CursorStream.of(numbersBut(thrower, 2)).pageSize(2).prefetch(1).items())
        .expectNext(1, 2)
        .verifyErrorMessage("planned");
  }

  @Test
  void aSourceThatReturnsNullIsAnErrorInOrderThatSaysSo() {
    StepVerifier.create(CursorStream.of(numbersBut(() -> null, 2)).pageSize(2).items())
        .expectNext(1, 2)
        .verifyErrorSatisfies(
            e ->
                assertThat(e)
                    .isInstanceOf(NullPointerException.class)
                    .hasMessageContaining("PageSource.fetch"));
  }

  @Test
  void aPublisherThatThrowsOnSubscribeIsAnErrorInOrder() {
    Publisher<Page<Integer>> broken =
        subscriber -> {
          throw new IllegalArgumentException("planned");
        };
    StepVerifier.create(CursorStream.of(numbersBut(() -> broken, 2)).pageSize(2).items())
        .expectNext(1, 2)
        .verifyErrorMessage("planned");
  }

  @ParameterizedTest
  @ValueSource(ints = {0, 1, 3})
  void aCursorThatDoesNotAdvanceIsAnErrorNotALoop(int prefetch) {
    StepVerifier.create(
            CursorStream.of(numbersBut(() -> Mono.just(Page.of(List.of(9), at(4))), 3))
                .pageSize(2)
                .prefetch(prefetch)
                .items())
        .expectNext(1, 2, 3, 4)
        .verifyErrorSatisfies(
            e ->
                assertThat(e)
                    .isInstanceOf(IllegalStateException.class)
                    .hasMessageContaining("advance")
                    .hasMessageContaining("Cursor[n=4]"));
    assertThat(requests).hasSize(3);
  }

  @Test
  void aFirstPageThatEndsWhereItStartedIsAnErrorToo() {
    // Fails the second fetch, so that a stream that goes on is found and not waited for.
    Mono<Page<Integer>> still = Mono.just(Page.of(List.of(), at(4)));
    PageSource<Integer> source =
        r -> {
          requests.add(r);
          return requests.size() == 1 ? still : Mono.error(new IOException("went on"));
        };
    StepVerifier.create(CursorStream.of(source).after(at(4)).items())
        .verifyError(IllegalStateException.class);
  }

  @Test
  void theLastPageNeedNotAdvance() {
    StepVerifier.create(
            CursorStream.<Integer>of(r -> Mono.just(Page.last(List.of(5), at(4))))
                .after(at(4))
                .items())
        .expectNext(5)
        .verifyComplete();
  }

  @ParameterizedTest
  @ValueSource(ints = {0, 1, 3})
  void retryRepeatsJustTheFailedFetch(int prefetch) {
    StepVerifier.create(
            CursorStream.of(numbersBut(CursorStreamErrorTest::failing, 2, 3, 5))
                .pageSize(2)
                .prefetch(prefetch)
                .retry(Retry.max(2))
                .items())
        .expectNext(1, 2, 3, 4, 5, 6, 7)
        .verifyComplete();
    assertThat(requests)
        .extracting(PageRequest::after)
        .containsExactly(null, at(2), at(2), at(2), at(4), at(4), at(6));
  }

  @ParameterizedTest
  // Failing fetches are counted from 1; retries per page; rows delivered.
  @CsvSource({"0, 2", "1, 4", "2, 6"})
  void eachPageHasItsOwnAttempts(int retries, int delivered) {
    // Page 2 fails once, page 3 twice, page 4 three times.
    PageSource<Integer> source = numbersBut(CursorStreamErrorTest::failing, 2, 4, 5, 7, 8, 9);
    Retry retry = Retry.max(retries);
    StepVerifier.create(CursorStream.of(source).pageSize(2).retry(retry).items())
        .expectNextSequence(Numbers.list(1, delivered))
        .verifyErrorMatches(Exceptions::isRetryExhausted);
  }

  @Test
  void retryWaitsByItsOwnTimer() {
    StepVerifier.withVirtualTime(
            () ->
                CursorStream.of(numbersBut(CursorStreamErrorTest::failing, 2, 4))
                    .pageSize(4)
                    .retry(Retry.fixedDelay(1, Duration.ofMinutes(1)))
                    .items())
        .expectNext(1, 2, 3, 4)
        .expectNoEvent(Duration.ofMinutes(1))
        .expectNext(5, 6, 7)
        .verifyComplete();
    assertThat(requests).hasSize(3);
  }

  @Test
  void retryHoldsForOnePageToo() {
    StepVerifier.create(
            CursorStream.of(numbersBut(CursorStreamErrorTest::failing, 1))
                .pageSize(2)
                .retry(Retry.max(1))
                .page())
        .assertNext(page -> assertThat(page.items()).containsExactly(1, 2))
        .verifyComplete();
  }

  @Test
  void aPageTimeoutOfTheSourceIsRetriedByVirtualTime() {
    StepVerifier.withVirtualTime(
            () -> {
              PageSource<Integer> hanging = numbersBut(Mono::never, 2);
              return CursorStream.<Integer>of(
                      r -> Mono.from(hanging.fetch(r)).timeout(Duration.ofSeconds(5)))
                  .pageSize(4)
                  .retry(Retry.max(1).filter(TimeoutException.class::isInstance))
                  .items();
            })
        .expectNext(1, 2, 3, 4)
        .expectNoEvent(Duration.ofSeconds(5))
        .expectNext(5, 6, 7)
        .verifyComplete();
  }

  @Test
  void noTimeoutIsHidden() { // S25
    StepVerifier.withVirtualTime(
            () -> CursorStream.of(numbersBut(Mono::never, 2)).pageSize(4).prefetch(1).items())
        .expectNext(1, 2, 3, 4)
        .expectNoEvent(Duration.ofDays(1))
        .thenCancel()
        .verify();
  }

  @Test
  void aSecondPageOfOneFetchIsDropped() {
    TestPublisher<Page<Integer>> source =
        TestPublisher.createNoncompliant(TestPublisher.Violation.CLEANUP_ON_TERMINATE);
    Page<Integer> second = Page.last(List.of(2), at(2));
    StepVerifier.create(CursorStream.<Integer>of(r -> source).items(), 2)
        .then(() -> source.next(Page.of(List.of(1), at(1)), second))
        .expectNext(1)
        .thenCancel()
        .verifyThenAssertThat()
        .hasDropped(second);
  }

  @Test
  void aMonoThatBreaksTheRulesIsNotBelieved() {
    ManualPages pages = new ManualPages();
    Page<Integer> second = Page.last(List.of(2), at(2));
    StepVerifier.create(CursorStream.of(pages).items())
        .then(
            () -> {
              var subscriber = pages.only().subscriber();
              pages.only().isLast(1);
              subscriber.onNext(second);
              subscriber.onError(new IOException("late"));
              subscriber.onComplete();
            })
        .expectNext(1)
        .expectComplete()
        .verifyThenAssertThat()
        .hasDropped(second)
        .hasDroppedErrorsSatisfying(
            errors -> assertThat(errors).singleElement().isInstanceOf(IOException.class));
  }

  @Test
  void aSecondSubscriptionOfOneFetchIsCancelled() {
    ManualPages pages = new ManualPages();
    ManualPages other = new ManualPages();
    var stray = (ManualPages.Fetch) other.fetch(new PageRequest(null, 1));
    StepVerifier.create(CursorStream.of(pages).items())
        .then(() -> pages.only().subscriber().onSubscribe(stray))
        .then(() -> assertThat(stray.isCancelled()).isTrue())
        .then(() -> pages.only().isLast(1))
        .expectNext(1)
        .verifyComplete();
    assertThat(pages.only().isCancelled()).isFalse();
  }

  @Test
  void aPageWithNullItemsFailsWhereItIsMade() {
    PageSource<Integer> nulls =
        r -> Mono.fromCallable(() -> Page.last(Arrays.asList(1, null), at(1)));
    StepVerifier.create(CursorStream.of(nulls).items()).verifyError(NullPointerException.class);
  }

  @Test // Rule 3.9; what a plain subscriber gets is in the TCK.
  void requestingNothingIsIgnoredForReactorsOwnSubscribers() {
    Numbers numbers = new Numbers(3);
    StepVerifier.create(CursorStream.of(numbers).items(), 0)
        .expectSubscription()
        .thenRequest(1)
        .expectNext(1)
        .thenCancel()
        .verify();
    var subscriber =
        new BaseSubscriber<Integer>() {
          @Override
          protected void hookOnSubscribe(Subscription subscription) {
            subscription.request(0);
            subscription.request(-1);
          }
        };
    numbers.fetches.set(0);
    CursorStream.of(numbers).items().subscribe(subscriber);
    assertThat(numbers.fetches).hasValue(0);
  }

  @Test
  void blockingCallersGetTheError() {
    Flux<Integer> items =
        CursorStream.of(numbersBut(CursorStreamErrorTest::failing, 2))
            .pageSize(2)
            .items()
            .subscribeOn(Schedulers.single());
    assertThatThrownBy(items::blockLast).hasCauseInstanceOf(IOException.class);
  }
}
