package io.github.cursorstream.cursor;

import static io.github.cursorstream.cursor.Numbers.at;
import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.Test;
import org.reactivestreams.Subscription;
import reactor.core.Scannable;
import reactor.core.Scannable.Attr;
import reactor.core.publisher.BaseSubscriber;
import reactor.core.publisher.Flux;
import reactor.core.publisher.Mono;
import reactor.test.StepVerifier;

class CursorStreamCancelTest {

  private final ManualPages pages = new ManualPages();
  private final List<Object> discarded = new ArrayList<>();

  private Flux<Integer> items(int prefetch) {
    return CursorStream.of(pages)
        .prefetch(prefetch)
        .items()
        .doOnDiscard(Object.class, discarded::add);
  }

  @Test // S26
  void theRunningFetchIsCancelled() {
    StepVerifier.create(items(0)).then(() -> pages.only()).thenCancel().verify();
    assertThat(pages.only().cancels).hasValue(1);
  }

  @Test // S26
  void theRunningLookAheadIsCancelled() {
    StepVerifier.create(items(1))
        .then(() -> pages.only().arrives(1))
        .expectNext(1)
        .thenCancel()
        .verify();
    assertThat(pages.fetches)
        .extracting(ManualPages.Fetch::isCancelled)
        .containsExactly(false, true);
  }

  @Test
  void theItemsOfALatePageAreDiscarded() {
    StepVerifier.create(items(0)).then(() -> pages.only()).thenCancel().verify();
    assertThat(discarded).isEmpty();
    pages.only().arrives(1, 2, 3);
    assertThat(discarded).containsExactly(1, 2, 3);
    assertThat(pages.fetches).hasSize(1);
  }

  @Test
  void aLatePageIsDiscardedAsAPageByPages() {
    StepVerifier.create(CursorStream.of(pages).pages().doOnDiscard(Object.class, discarded::add))
        .then(() -> pages.only())
        .thenCancel()
        .verify();
    pages.only().arrives(1, 2);
    assertThat(discarded).containsExactly(Page.of(List.of(1, 2), at(2)));
  }

  @Test
  void aPageThatDoesNotAdvanceIsDiscardedAsWhatIsEmitted() {
    StepVerifier.create(
            CursorStream.of(pages).after(at(2)).pages().doOnDiscard(Object.class, discarded::add))
        .then(() -> pages.only().arrives(1, 2))
        .verifyError(IllegalStateException.class);
    StepVerifier.create(
            CursorStream.of(pages).after(at(2)).items().doOnDiscard(Object.class, discarded::add))
        .then(() -> pages.fetches.get(1).arrives(1, 2))
        .verifyError(IllegalStateException.class);
    assertThat(discarded).containsExactly(Page.of(List.of(1, 2), at(2)), 1, 2);
  }

  @Test
  void theRestOfTheCurrentPageAndTheBufferedPagesAreDiscarded() {
    StepVerifier.create(items(2), 1)
        .then(() -> pages.fetches.get(0).arrives(1, 2, 3))
        .expectNext(1)
        .then(() -> pages.fetches.get(1).arrives(4))
        .then(() -> pages.fetches.get(2).arrives(5, 6))
        .thenCancel()
        .verify();
    assertThat(discarded).containsExactly(2, 3, 4, 5, 6);
  }

  @Test
  void cancellingFromWithinOnNextStopsAtOnce() {
    StepVerifier.create(
            CursorStream.of(pages)
                .prefetch(1)
                .items()
                .doOnDiscard(Object.class, discarded::add)
                .take(2, false))
        .then(() -> pages.fetches.get(0).arrives(1, 2, 3, 4))
        .expectNext(1, 2)
        .verifyComplete();
    assertThat(discarded).containsExactly(3, 4);
    assertThat(pages.fetches).hasSize(2);
    assertThat(pages.fetches.get(1).isCancelled()).isTrue();
  }

  @Test
  void cancellingOnTheLastItemFetchesNothingMore() {
    StepVerifier.create(items(0).take(2, false))
        .then(() -> pages.fetches.get(0).arrives(1, 2))
        .expectNext(1, 2)
        .verifyComplete();
    assertThat(pages.fetches).hasSize(1);
    assertThat(discarded).isEmpty();
  }

  @Test
  void aFetchThatSubscribesAfterTheCancelIsCancelled() {
    ManualPages slow = new ManualPages(false);
    StepVerifier.create(CursorStream.of(slow).items())
        .then(() -> slow.only())
        .thenCancel()
        .verify();
    assertThat(slow.only().isCancelled()).isFalse();
    slow.only().subscriber().onSubscribe(slow.only());
    assertThat(slow.only().isCancelled()).isTrue();
  }

  @Test
  void cancellingInsideTheFetchCancelsIt() {
    AtomicReference<Subscription> downstream = new AtomicReference<>();
    CursorStream<Integer> stream =
        CursorStream.of(
            r -> {
              downstream.get().cancel();
              return pages.fetch(r);
            });
    stream.items().doOnSubscribe(downstream::set).subscribe();
    assertThat(pages.only().isCancelled()).isTrue();
  }

  @Test
  void cancellingBeforeTheFirstRequestFetchesNothing() {
    StepVerifier.create(items(3), 0).expectSubscription().thenCancel().verify();
    assertThat(pages.fetches).isEmpty();
  }

  @Test
  void requestsAfterTheCancelFetchNothing() {
    AtomicReference<Subscription> downstream = new AtomicReference<>();
    CursorStream.of(pages).items().doOnSubscribe(downstream::set).subscribe().dispose();
    downstream.get().request(10);
    downstream.get().cancel();
    pages.only().subscriber().onComplete();
    assertThat(pages.fetches).hasSize(1);
  }

  @Test
  void anErrorAfterTheCancelIsDropped() {
    StepVerifier.create(items(0))
        .then(() -> pages.only())
        .thenCancel()
        .verifyThenAssertThat()
        .hasNotDroppedErrors();
    StepVerifier.create(
            Mono.fromRunnable(() -> pages.only().subscriber().onError(new IOException("late"))))
        .expectComplete()
        .verifyThenAssertThat()
        .hasDroppedErrorsSatisfying(
            errors -> assertThat(errors).singleElement().isInstanceOf(IOException.class));
  }

  @Test
  void anErrorThatWaitsBehindItemsIsNotSignalledAfterTheCancel() {
    StepVerifier.create(items(1), 1)
        .then(() -> pages.fetches.get(0).arrives(1, 2))
        .expectNext(1)
        .then(() -> pages.fetches.get(1).subscriber().onError(new IOException("planned")))
        .thenCancel()
        .verify();
    assertThat(discarded).containsExactly(2);
  }

  @Test
  void theContextReachesEveryFetch() {
    List<String> seen = new ArrayList<>();
    Numbers numbers = new Numbers(3);
    PageSource<Integer> source =
        r ->
            Mono.deferContextual(
                context -> {
                  seen.add(context.get("tenant"));
                  return Mono.from(numbers.fetch(r));
                });
    StepVerifier.create(
            CursorStream.of(source).pageSize(2).items().contextWrite(c -> c.put("tenant", "seven")))
        .expectNext(1, 2, 3)
        .verifyComplete();
    assertThat(seen).containsExactly("seven", "seven");
  }

  @Test
  void theOperatorTellsItsStateToScanners() {
    Flux<Integer> items = CursorStream.of(pages).prefetch(2).items();
    assertThat(items.getPrefetch()).isEqualTo(2);
    assertThat(Scannable.from(items).scan(Attr.PREFETCH)).isEqualTo(2);
    assertThat(Scannable.from(items).scan(Attr.RUN_STYLE)).isEqualTo(Attr.RunStyle.ASYNC);
    assertThat(Scannable.from(items).scanUnsafe(Attr.CANCELLED)).isNull();

    AtomicReference<Subscription> walk = new AtomicReference<>();
    BaseSubscriber<Integer> subscriber =
        new BaseSubscriber<>() {
          @Override
          protected void hookOnSubscribe(Subscription subscription) {
            walk.set(subscription);
          }

          @Override
          protected void hookOnError(Throwable throwable) {}
        };
    items.subscribe(subscriber);
    Scannable scan = Scannable.from(walk.get());
    assertThat(scan.scanUnsafe(Attr.ACTUAL)).isSameAs(subscriber);
    assertThat(scan.scan(Attr.PREFETCH)).isEqualTo(2);
    assertThat(scan.scan(Attr.RUN_STYLE)).isEqualTo(Attr.RunStyle.ASYNC);
    assertThat(scan.scan(Attr.REQUESTED_FROM_DOWNSTREAM)).isZero();
    assertThat(scan.scan(Attr.BUFFERED)).isZero();
    assertThat(scan.scan(Attr.NAME)).isNull();

    subscriber.request(2);
    assertThat(scan.scan(Attr.REQUESTED_FROM_DOWNSTREAM)).isEqualTo(2);
    pages.fetches.get(0).arrives(1, 2, 3, 4, 5);
    assertThat(scan.scan(Attr.BUFFERED)).isEqualTo(3);
    assertThat(scan.scan(Attr.REQUESTED_FROM_DOWNSTREAM)).isZero();

    IOException failure = new IOException("planned");
    pages.fetches.get(1).subscriber().onError(failure);
    assertThat(scan.scan(Attr.ERROR)).isSameAs(failure);
    assertThat(scan.scan(Attr.TERMINATED)).isFalse();
    subscriber.request(3);
    assertThat(scan.scan(Attr.TERMINATED)).isTrue();
    assertThat(scan.scan(Attr.CANCELLED)).isFalse();

    items.subscribe(silent(walk));
    walk.get().cancel();
    assertThat(Scannable.from(walk.get()).scan(Attr.CANCELLED)).isTrue();
  }

  private static BaseSubscriber<Integer> silent(AtomicReference<Subscription> walk) {
    return new BaseSubscriber<>() {
      @Override
      protected void hookOnSubscribe(Subscription subscription) {
        walk.set(subscription);
      }
    };
  }
}
