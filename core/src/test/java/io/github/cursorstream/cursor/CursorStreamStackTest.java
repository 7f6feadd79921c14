package io.github.cursorstream.cursor;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import org.junit.jupiter.api.Test;
import reactor.core.publisher.Flux;
import reactor.core.publisher.Mono;

/** Millions of synchronous pages need no deeper stack than one. */
class CursorStreamStackTest {

  private static final int PAGES = 2_000_000;

  private static CursorStream<Integer> ones() {
    return CursorStream.of(new Numbers(PAGES)).pageSize(1);
  }

  @Test
  void itemsOfTwoMillionPages() {
    assertThat(ones().items().count().block()).isEqualTo(PAGES);
  }

  @Test
  void pagesAhead() {
    assertThat(ones().prefetch(2).items().take(500_000).count().block()).isEqualTo(500_000);
  }

  @Test
  void twoMillionPages() {
    assertThat(ones().pages().count().block()).isEqualTo(PAGES);
  }

  @Test
  void demandOneByOneFromWithinOnNext() {
    Flux<Integer> oneByOne = ones().items().take(500_000).limitRate(1);
    assertThat(oneByOne.count().block()).isEqualTo(500_000);
  }

  @Test
  void emptyPages() {
    CursorStream<Integer> empty =
        CursorStream.of(
            request -> {
              Cursor after = request.after();
              int n = after == null ? 0 : Integer.parseInt(after.values().get(0));
              return Mono.just(new Page<>(List.of(), null, Numbers.at(n + 1), n == 500_000));
            });
    assertThat(empty.items().count().block()).isZero();
  }
}
