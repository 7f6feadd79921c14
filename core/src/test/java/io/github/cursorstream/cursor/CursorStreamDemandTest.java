package io.github.cursorstream.cursor;

import static io.github.cursorstream.cursor.Numbers.at;
import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import reactor.core.publisher.Flux;
import reactor.core.publisher.Mono;
import reactor.test.StepVerifier;

class CursorStreamDemandTest {

  @ParameterizedTest
  // Fetches after subscribe, request(1), + 9, + 1, + 9, + 1.
  @CsvSource({
    "0, 0, 1, 1, 2, 2, 3", // exactly what was asked for
    "1, 0, 2, 2, 3, 3, 4", // one ahead of it
    "3, 0, 4, 4, 5, 5, 6",
  })
  void fetchesAreTheDemandAndThePrefetch(
      int prefetch, int subscribed, int one, int ten, int eleven, int twenty, int twentyOne) {
    Numbers numbers = new Numbers(1000);
    Flux<Integer> items = CursorStream.of(numbers).pageSize(10).prefetch(prefetch).items();
    assertThat(numbers.fetches).hasValue(0);
    StepVerifier.create(items, 0)
        .expectSubscription()
        .then(() -> assertThat(numbers.fetches).hasValue(subscribed))
        .thenRequest(1)
        .expectNextCount(1)
        .then(() -> assertThat(numbers.fetches).hasValue(one))
        .thenRequest(9)
        .expectNextCount(9)
        .then(() -> assertThat(numbers.fetches).hasValue(ten))
        .thenRequest(1)
        .expectNextCount(1)
        .then(() -> assertThat(numbers.fetches).hasValue(eleven))
        .thenRequest(9)
        .expectNextCount(9)
        .then(() -> assertThat(numbers.fetches).hasValue(twenty))
        .thenRequest(1)
        .expectNextCount(1)
        .then(() -> assertThat(numbers.fetches).hasValue(twentyOne))
        .thenCancel()
        .verify();
    assertThat(numbers.fetches).hasValue(twentyOne);
  }

  @ParameterizedTest
  @CsvSource({"0, 1, 1, 2", "1, 2, 2, 3", "3, 4, 4, 5"})
  void pagesAreFetchedOnDemandToo(int prefetch, int one, int still, int two) {
    Numbers numbers = new Numbers(1000);
    StepVerifier.create(CursorStream.of(numbers).pageSize(10).prefetch(prefetch).pages(), 0)
        .expectSubscription()
        .then(() -> assertThat(numbers.fetches).hasValue(0))
        .thenRequest(1)
        .expectNextCount(1)
        .then(() -> assertThat(numbers.fetches).hasValue(still))
        .thenRequest(1)
        .expectNextCount(1)
        .then(() -> assertThat(numbers.fetches).hasValue(two))
        .thenCancel()
        .verify();
    assertThat(one).isEqualTo(still);
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 3, 10}) // S23
  void takingUpToAPageIsOneFetch(int n) {
    Numbers numbers = new Numbers(1000);
    StepVerifier.create(CursorStream.of(numbers).pageSize(10).items().take(n))
        .expectNextSequence(Numbers.list(1, n))
        .verifyComplete();
    assertThat(numbers.fetches).hasValue(1);
  }

  @Test // S23
  void takeThatDoesNotLimitRequestsIsOneFetchToo() {
    Numbers numbers = new Numbers(1000);
    StepVerifier.create(CursorStream.of(numbers).pageSize(10).items().take(10, false))
        .expectNextCount(10)
        .verifyComplete();
    assertThat(numbers.fetches).hasValue(1);
  }

  @ParameterizedTest
  // Rows, page, fetches. S1, S2, S3
  @CsvSource({"5, 50, 1", "5, 5, 2", "20, 5, 5", "5, 2, 3", "3, 1, 4", "0, 10, 1", "1, 1, 2"})
  void unboundedDemandReadsAllWithoutOneFetchMore(int rows, int page, int fetches) {
    for (int prefetch : new int[] {0, 1, 3}) {
      Numbers numbers = new Numbers(rows);
      StepVerifier.create(CursorStream.of(numbers).pageSize(page).prefetch(prefetch).items())
          .expectNextSequence(Numbers.list(1, rows))
          .verifyComplete();
      assertThat(numbers.fetches).as("prefetch %s", prefetch).hasValue(fetches);
    }
  }

  @Test
  void aShortPageEndsTheStreamWithoutMoreDemand() {
    Numbers numbers = new Numbers(3);
    StepVerifier.create(CursorStream.of(numbers).pageSize(10).items(), 3)
        .expectNext(1, 2, 3)
        .verifyComplete();
    assertThat(numbers.fetches).hasValue(1);
  }

  @Test
  void theEndAfterFullPagesIsFoundByDemandOnly() {
    Numbers numbers = new Numbers(4);
    StepVerifier.create(CursorStream.of(numbers).pageSize(2).items(), 4)
        .expectNext(1, 2, 3, 4)
        .then(() -> assertThat(numbers.fetches).hasValue(2))
        .thenRequest(1)
        .verifyComplete();
    assertThat(numbers.fetches).hasValue(3);
  }

  @Test
  void prefetchFindsTheEndWithoutDemand() {
    Numbers numbers = new Numbers(4);
    StepVerifier.create(CursorStream.of(numbers).pageSize(2).prefetch(1).items(), 4)
        .expectNext(1, 2, 3, 4)
        .verifyComplete();
    assertThat(numbers.fetches).hasValue(3);
  }

  @Test
  void emptyPagesThatAreNotTheLastGoOn() {
    for (int prefetch : new int[] {0, 1, 3}) {
      List<PageRequest> requests = new ArrayList<>();
      CursorStream<Integer> sparse =
          CursorStream.<Integer>of(
                  request -> {
                    requests.add(request);
                    return switch (requests.size()) {
                      case 1 -> Mono.just(Page.of(List.of(), at(10)));
                      case 2 -> Mono.just(Page.of(List.of(11), at(20)));
                      case 3, 4 -> Mono.just(Page.of(List.of(), at(requests.size() * 10)));
                      default -> Mono.just(Page.last(List.of(41), at(41)));
                    };
                  })
              .pageSize(7)
              .prefetch(prefetch);
      StepVerifier.create(sparse.items(), 1)
          .expectNext(11)
          .thenRequest(1)
          .expectNext(41)
          .verifyComplete();
      assertThat(requests)
          .containsExactly(
              new PageRequest(null, 7),
              new PageRequest(at(10), 7),
              new PageRequest(at(20), 7),
              new PageRequest(at(30), 7),
              new PageRequest(at(40), 7));
      requests.clear();
      StepVerifier.create(sparse.pages().map(Page::items))
          .expectNext(List.of(11), List.of(41))
          .verifyComplete();
    }
  }

  @Test
  void anEmptyMonoEndsTheStream() {
    Numbers numbers = new Numbers(1000);
    CursorStream<Integer> twoPages =
        CursorStream.<Integer>of(r -> numbers.fetches.get() == 2 ? Mono.empty() : numbers.fetch(r))
            .pageSize(2);
    StepVerifier.create(twoPages.items()).expectNext(1, 2, 3, 4).verifyComplete();
    StepVerifier.create(CursorStream.of(r -> Mono.empty()).items()).verifyComplete();
    StepVerifier.create(CursorStream.of(r -> Mono.empty()).page()).verifyComplete();
  }

  @Test
  void aFluxAsSourceGivesItsFirstPageAndIsCancelled() {
    List<String> log = new ArrayList<>();
    CursorStream<Integer> stream =
        CursorStream.of(
            r ->
                Flux.just(Page.last(List.of(1), at(1)), Page.last(List.of(2), at(2)))
                    .hide()
                    .doOnCancel(() -> log.add("cancelled")));
    StepVerifier.create(stream.items()).expectNext(1).verifyComplete();
    assertThat(log).containsExactly("cancelled");
  }

  @Test
  void atMostPrefetchAndOnePagesAreHeld() {
    for (int prefetch : new int[] {0, 1, 3}) {
      ManualPages pages = new ManualPages();
      StepVerifier.create(CursorStream.of(pages).prefetch(prefetch).items(), 0)
          .then(() -> assertThat(pages.fetches).isEmpty())
          .thenRequest(1)
          .then(() -> assertThat(pages.fetches).hasSize(1))
          .then(() -> pages.only().arrives(1, 2))
          .expectNext(1)
          .then(
              () -> {
                for (int i = 1; i <= prefetch; i++) {
                  assertThat(pages.fetches).hasSize(i + 1);
                  pages.fetches.get(i).arrives(2 * i + 1, 2 * i + 2);
                }
                assertThat(pages.fetches).hasSize(1 + prefetch);
              })
          .thenRequest(1)
          .expectNext(2)
          .then(() -> assertThat(pages.fetches).hasSize(1 + prefetch))
          .thenRequest(1)
          .then(() -> assertThat(pages.fetches).hasSize(2 + prefetch))
          .thenCancel()
          .verify();
    }
  }

  @Test
  void lookAheadRunsWhileTheConsumerWorks() { // S10
    ManualPages pages = new ManualPages();
    List<Integer> fetchesSeen = new ArrayList<>();
    StepVerifier.create(
            CursorStream.of(pages)
                .prefetch(1)
                .items()
                .doOnNext(i -> fetchesSeen.add(pages.fetches.size())))
        .then(() -> pages.fetches.get(0).arrives(1, 2))
        .expectNext(1, 2)
        .then(() -> pages.fetches.get(1).isLast(3))
        .expectNext(3)
        .verifyComplete();
    assertThat(fetchesSeen).containsExactly(2, 2, 2);
  }

  @Test // S28
  void subscribingTwiceReadsTwice() {
    Numbers numbers = new Numbers(5);
    Flux<Integer> items = CursorStream.of(numbers).items();
    StepVerifier.create(items.concatWith(items)).expectNextCount(10).verifyComplete();
    assertThat(numbers.fetches).hasValue(2);
  }

  @Test
  void demandFromWithinOnNextIsServed() {
    Numbers numbers = new Numbers(100);
    StepVerifier.create(CursorStream.of(numbers).pageSize(7).items().limitRate(1))
        .expectNextSequence(Numbers.list(1, 100))
        .verifyComplete();
    assertThat(numbers.fetches).hasValue(15);
  }
}
