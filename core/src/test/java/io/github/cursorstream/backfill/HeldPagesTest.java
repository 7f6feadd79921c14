package io.github.cursorstream.backfill;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.cursorstream.cursor.Page;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import reactor.core.publisher.Mono;
import reactor.core.publisher.Sinks;

class HeldPagesTest {

  private static final HeldPages.Key ONE = new HeldPages.Key(1, null, 1);
  private static final HeldPages.Key TWO = new HeldPages.Key(1, null, 2);
  private static final HeldPages.Key THREE = new HeldPages.Key(1, null, 3);
  private static final Page<Integer> PAGE = Page.last(List.of(1, 2, 3), null);

  private final HeldPages<Integer> pages = new HeldPages<>();
  private final AtomicInteger fetches = new AtomicInteger();

  private int fetchesFor(HeldPages.Key key) {
    fetches.set(0);
    pages.get(key, fetch(Mono.just(PAGE)), 2).block();
    return fetches.get();
  }

  private Mono<Page<Integer>> fetch(Mono<Page<Integer>> answer) {
    return Mono.defer(
        () -> {
          fetches.incrementAndGet();
          return answer;
        });
  }

  @Test
  void aPageIsFetchedOnceForAll() {
    Sinks.One<Page<Integer>> answer = Sinks.one();
    Mono<Page<Integer>> first = pages.get(ONE, fetch(answer.asMono()), 2);
    assertThat(fetches).as("before somebody subscribes").hasValue(0);
    List<Page<Integer>> seen = new ArrayList<>();
    first.subscribe(seen::add);
    pages.get(ONE, fetch(answer.asMono()), 2).subscribe(seen::add);
    answer.tryEmitValue(PAGE);

    assertThat(seen).containsExactly(PAGE, PAGE);
    assertThat(fetches).hasValue(1);
    assertThat(fetchesFor(ONE)).isZero();
    assertThat(fetchesFor(new HeldPages.Key(2, null, 1))).as("of another run").isEqualTo(1);
  }

  @Test
  void itGoesWhenTheLastOfItsItemsIsDone() {
    fetchesFor(ONE);
    pages.done(ONE, 2, 3);
    assertThat(fetchesFor(ONE)).isZero();
    pages.done(ONE, 1, 3);
    assertThat(fetchesFor(ONE)).isEqualTo(1);
    pages.done(TWO, 3, 3);
  }

  @Test
  void theOldestGoesWhenThereAreTooMany() {
    fetchesFor(ONE);
    fetchesFor(TWO);
    fetchesFor(THREE);
    assertThat(fetchesFor(THREE)).isZero();
    assertThat(fetchesFor(TWO)).isZero();
    assertThat(fetchesFor(ONE)).isEqualTo(1);
  }

  @Test
  void whatIsNoPageIsNotHeld() {
    pages.get(ONE, Mono.error(new IllegalStateException("away")), 2).onErrorComplete().block();
    assertThat(fetchesFor(ONE)).isEqualTo(1);
    pages.get(TWO, Mono.empty(), 2).block();
    assertThat(fetchesFor(TWO)).isEqualTo(1);
    pages.forget(TWO);
    assertThat(fetchesFor(TWO)).isEqualTo(1);
  }
}
