package io.github.cursorstream.cursor;

import static io.github.cursorstream.cursor.Numbers.at;
import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.reactivestreams.Publisher;
import reactor.core.publisher.Flux;
import reactor.core.publisher.Mono;
import reactor.test.StepVerifier;
import reactor.util.retry.Retry;

/** Sources that say where a page will end before it has come. */
class CursorStreamToldEndTest {

  private final ManualPages pages = new ManualPages();
  private final List<Object> discarded = new ArrayList<>();

  private Flux<Integer> items(int prefetch) {
    return CursorStream.of(pages)
        .prefetch(prefetch)
        .items()
        .doOnDiscard(Object.class, discarded::add);
  }

  private ManualPages.Fetch fetch(int number) {
    assertThat(pages.fetches).hasSizeGreaterThanOrEqualTo(number);
    return pages.fetches.get(number - 1);
  }

  private void assertStarts(Cursor... starts) {
    assertThat(pages.fetches).extracting(fetch -> fetch.request.after()).containsExactly(starts);
  }

  @Test
  void thePageBehindIsFetchedMeanwhile() {
    StepVerifier.create(items(1))
        .then(() -> assertStarts((Cursor) null))
        .then(() -> fetch(1).endsAt(2))
        .then(() -> assertStarts(null, at(2)))
        .then(() -> fetch(1).arrives(1, 2))
        .expectNext(1, 2)
        .then(() -> fetch(2).isLast(3))
        .expectNext(3)
        .verifyComplete();
    assertStarts(null, at(2));
    assertThat(discarded).isEmpty();
  }

  @Test
  void pagesAreDeliveredInOrderWhicheverComesFirst() {
    StepVerifier.create(items(2))
        .then(() -> fetch(1).endsAt(2))
        .then(() -> fetch(2).endsAt(4))
        .then(() -> fetch(3).isLast(5))
        .then(() -> fetch(2).arrives(3, 4))
        .then(() -> fetch(1).arrives(1, 2))
        .expectNext(1, 2, 3, 4, 5)
        .verifyComplete();
    assertStarts(null, at(2), at(4));
  }

  @Test
  void noMorePagesAreFetchedOrHeldThanPromised() {
    StepVerifier.create(items(1), 1)
        .then(() -> fetch(1).endsAt(2))
        .then(() -> fetch(2).endsAt(4))
        .then(() -> assertStarts(null, at(2)))
        .then(() -> fetch(1).arrives(1, 2))
        .expectNext(1)
        .then(() -> assertStarts(null, at(2)))
        .thenRequest(1)
        .expectNext(2)
        // As without being told: one page ahead of the demand, which is met.
        .then(() -> assertStarts(null, at(2)))
        .thenRequest(1)
        .then(() -> assertStarts(null, at(2), at(4)))
        .thenCancel()
        .verify();
  }

  @Test
  void whoDoesNotLookAheadIsNotTold() {
    StepVerifier.create(items(0))
        .then(() -> assertThat(fetch(1).maySayWhereItEnds()).isFalse())
        .thenCancel()
        .verify();
    CursorStream.of(pages).prefetch(1).page().subscribe();
    assertThat(fetch(2).maySayWhereItEnds()).isFalse();
  }

  @ParameterizedTest
  @ValueSource(booleans = {true, false})
  void whatWasBegunElsewhereIsFetchedAnew(boolean itHasCome) {
    StepVerifier.create(items(1))
        .then(() -> fetch(1).endsAt(3))
        .then(
            () -> {
              if (itHasCome) {
                fetch(2).arrives(4, 5);
              }
            })
        .then(() -> fetch(1).arrives(1, 2))
        .expectNext(1, 2)
        .then(() -> assertStarts(null, at(3), at(2)))
        .then(() -> assertThat(fetch(2).isCancelled()).isTrue())
        .then(
            () -> {
              if (!itHasCome) {
                fetch(2).arrives(4, 5);
              }
            })
        .then(() -> fetch(3).isLast(3, 4))
        .expectNext(3, 4)
        .verifyComplete();
    assertThat(discarded).containsExactly(4, 5);
  }

  @Test
  void aPageThatIsTheLastAfterAllEndsTheStream() {
    StepVerifier.create(items(1))
        .then(() -> fetch(1).endsAt(2))
        .then(() -> fetch(1).isLast(1, 2))
        .expectNext(1, 2)
        .verifyComplete();
    assertThat(fetch(2).isCancelled()).isTrue();
    fetch(2).arrives(3);
    assertThat(discarded).containsExactly(3);
  }

  @Test
  void whatFailsBeforeItsTurnIsFetchedAgain() {
    StepVerifier.create(items(1))
        .then(() -> fetch(1).endsAt(2))
        .then(() -> fetch(2).subscriber().onError(new IOException("no connection, say")))
        .then(() -> fetch(1).arrives(1, 2))
        .expectNext(1, 2)
        .then(() -> fetch(3).isLast(3))
        .expectNext(3)
        .expectComplete()
        .verifyThenAssertThat()
        .hasNotDroppedErrors();
    assertStarts(null, at(2), at(2));
  }

  @Test // S24, S25
  void whatFailsInItsTurnFailsTheStream() {
    StepVerifier.create(items(1))
        .then(() -> fetch(1).endsAt(2))
        .then(() -> fetch(1).arrives(1, 2))
        .expectNext(1, 2)
        .then(() -> fetch(2).subscriber().onError(new IOException("planned")))
        .verifyErrorMessage("planned");
    assertStarts(null, at(2));
  }

  @Test
  void aFailureTakesWhatIsBehindItAlong() {
    StepVerifier.create(items(2))
        .then(() -> fetch(1).endsAt(2))
        .then(() -> fetch(2).endsAt(4))
        .then(() -> fetch(3).arrives(5))
        .then(() -> fetch(1).subscriber().onError(new IOException("planned")))
        .verifyErrorMessage("planned");
    assertThat(fetch(2).cancels).hasValue(1);
    fetch(2).arrives(3, 4);
    assertThat(discarded).containsExactly(5, 3, 4);
  }

  @Test
  void aRetriedPageMayEndElsewhere() {
    Flux<Integer> items = CursorStream.of(pages).prefetch(1).retry(Retry.max(1)).items();
    StepVerifier.create(items)
        .then(() -> fetch(1).endsAt(2))
        .then(() -> fetch(1).subscriber().onError(new IOException("planned")))
        .then(() -> assertStarts(null, at(2), null))
        .then(() -> fetch(3).endsAt(3))
        .then(() -> fetch(2).arrives(3, 4))
        .then(() -> fetch(3).arrives(1, 3))
        .expectNext(1, 3)
        .then(() -> fetch(4).isLast(4))
        .expectNext(4)
        .verifyComplete();
    assertStarts(null, at(2), null, at(3));
  }

  @Test // S26
  void cancellingCancelsAllThatIsOnItsWayOnce() {
    StepVerifier.create(items(3))
        .then(() -> fetch(1).endsAt(2))
        .then(() -> fetch(2).endsAt(4))
        .then(() -> fetch(2).arrives(3, 4))
        .thenCancel()
        .verify();
    fetch(1).arrives(1, 2);
    fetch(3).arrives(5);
    assertThat(pages.fetches).hasSize(3).allMatch(fetch -> fetch.cancels.get() == 1);
    assertThat(discarded).containsExactly(3, 4, 1, 2, 5);
  }

  @Test
  void beingToldAfterTheCancelFetchesNothing() {
    StepVerifier.create(items(1)).then(() -> fetch(1)).thenCancel().verify();
    fetch(1).endsAt(2);
    assertThat(pages.fetches).hasSize(1);
  }

  /** Says everything at once, on the stack of the one who asks. */
  @ParameterizedTest
  @ValueSource(ints = {0, 1, 3})
  void aSynchronousSourceIsReadInOrder(int prefetch) {
    Numbers numbers = new Numbers(100_000);
    PageSource<Integer> source =
        new PageSource<>() {
          @Override
          public Publisher<Page<Integer>> fetch(PageRequest request) {
            return numbers.fetch(request);
          }

          @Override
          public Publisher<Page<Integer>> fetch(PageRequest request, Consumer<Cursor> end) {
            return Mono.from(numbers.fetch(request))
                .doOnNext(
                    page -> {
                      if (!page.last()) {
                        end.accept(page.cursor());
                      }
                    });
          }
        };
    StepVerifier.create(
            CursorStream.of(source).pageSize(3).prefetch(prefetch).items().collectList())
        .expectNext(Numbers.list(1, 100_000))
        .verifyComplete();
    assertThat(numbers.fetches).hasValue(100_000 / 3 + 1);
  }
}
