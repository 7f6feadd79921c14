package io.github.cursorstream.cursor;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.function.UnaryOperator;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.reactivestreams.Subscription;
import reactor.core.publisher.BaseSubscriber;
import reactor.core.publisher.Flux;
import reactor.core.publisher.Mono;
import reactor.core.publisher.SignalType;
import reactor.core.scheduler.Schedulers;

/** Every small case, compared with the list. */
class CursorStreamSweepTest {

  private static final Map<String, UnaryOperator<Mono<Page<Integer>>>> SOURCES =
      new LinkedHashMap<>();
  private static final List<long[]> PATTERNS =
      List.of(
          new long[] {Long.MAX_VALUE},
          new long[] {1},
          new long[] {3},
          new long[] {2, 1, 5},
          new long[] {1, 2, Long.MAX_VALUE});

  static {
    SOURCES.put("synchronous", mono -> mono);
    SOURCES.put("publishOn", mono -> mono.publishOn(Schedulers.parallel()));
    SOURCES.put("subscribeOn", mono -> mono.subscribeOn(Schedulers.single()));
  }

  @ParameterizedTest
  @ValueSource(ints = {0, 1, 3}) // S1 to S3
  void everyRowArrivesOnceAndInOrder(int prefetch) throws Exception {
    for (var source : SOURCES.entrySet()) {
      for (int rows = 0; rows <= 12; rows++) {
        for (int page = 1; page <= 13; page++) {
          for (long[] pattern : PATTERNS) {
            Numbers numbers = new Numbers(rows, source.getValue());
            CursorStream<Integer> stream =
                CursorStream.of(numbers).pageSize(page).prefetch(prefetch);
            String what =
                source.getKey() + ", " + rows + " rows, page " + page + ", " + pattern.length;
            assertThat(read(stream.items(), pattern))
                .as(what)
                .containsExactlyElementsOf(Numbers.list(1, rows));
            assertThat(numbers.fetches).as(what).hasValue(rows / page + 1);
          }
        }
      }
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {0, 1, 3})
  void everyStartGivesTheRest(int prefetch) throws Exception {
    for (int after = 0; after <= 12; after++) {
      for (int page = 1; page <= 13; page++) {
        CursorStream<Integer> stream =
            CursorStream.of(new Numbers(12))
                .pageSize(page)
                .prefetch(prefetch)
                .after(Numbers.at(after));
        assertThat(read(stream.items(), new long[] {2}))
            .containsExactlyElementsOf(Numbers.list(after + 1, 12));
        assertThat(read(stream.pages().flatMapIterable(Page::items), new long[] {1}))
            .containsExactlyElementsOf(Numbers.list(after + 1, 12));
      }
    }
  }

  /** Requests the pattern round and round, each number when the one before has arrived. */
  private static List<Integer> read(Flux<Integer> items, long[] pattern) throws Exception {
    List<Integer> read = new ArrayList<>();
    CountDownLatch end = new CountDownLatch(1);
    items.subscribe(
        new BaseSubscriber<>() {
          private int step;
          private long missing;

          @Override
          protected void hookOnSubscribe(Subscription subscription) {
            more();
          }

          @Override
          protected void hookOnNext(Integer item) {
            read.add(item);
            if (--missing == 0) {
              more();
            }
          }

          @Override
          protected void hookFinally(SignalType type) {
            end.countDown();
          }

          private void more() {
            missing = pattern[step++ % pattern.length];
            request(missing);
          }
        });
    assertThat(end.await(Duration.ofSeconds(10).toMillis(), TimeUnit.MILLISECONDS)).isTrue();
    return read;
  }
}
