package io.github.cursorstream.cursor;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import reactor.blockhound.BlockHound;
import reactor.blockhound.BlockingOperationError;
import reactor.core.publisher.Flux;
import reactor.core.publisher.Mono;
import reactor.core.scheduler.Schedulers;
import reactor.test.StepVerifier;

class CursorStreamBlockingTest {

  @BeforeAll
  static void watch() {
    BlockHound.install();
  }

  private static CursorStream<Integer> stream() {
    return CursorStream.of(new Numbers(1000, page -> page.publishOn(Schedulers.parallel())))
        .pageSize(10);
  }

  @ParameterizedTest
  @ValueSource(ints = {0, 2})
  void readingNeverBlocks(int prefetch) {
    Flux<Integer> items = stream().prefetch(prefetch).items().subscribeOn(Schedulers.parallel());
    Flux<Integer> pages =
        stream().pages().flatMapIterable(Page::items).subscribeOn(Schedulers.parallel());
    StepVerifier.create(Flux.merge(items, pages)).expectNextCount(2000).verifyComplete();
  }

  @Test
  void tokensNeverBlock() {
    CursorCodec codec = CursorCodec.forOrder("numbers").tokenKey(new byte[16]);
    StepVerifier.create(
            Mono.fromCallable(() -> codec.accept(Cursor.parse(codec.issue(Numbers.at(7)).token())))
                .subscribeOn(Schedulers.parallel()))
        .expectNext(Numbers.at(7))
        .verifyComplete();
  }

  @Test
  void aBlockingConsumerIsFound() {
    StepVerifier.create(
            stream()
                .items()
                .doOnNext(
                    item -> {
                      try {
                        assertThat(new CountDownLatch(1).await(1, TimeUnit.MILLISECONDS)).isFalse();
                      } catch (InterruptedException e) {
                        throw new AssertionError(e);
                      }
                    })
                .subscribeOn(Schedulers.parallel()))
        .verifyError(BlockingOperationError.class);
  }
}
