package io.github.cursorstream.benchmarks;

import io.github.cursorstream.cursor.Cursor;
import io.github.cursorstream.cursor.CursorStream;
import io.github.cursorstream.cursor.Page;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OperationsPerInvocation;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.State;
import org.reactivestreams.Subscription;
import reactor.core.publisher.BaseSubscriber;
import reactor.core.publisher.Flux;
import reactor.core.publisher.Mono;

/** What the page operator adds to an item that is there already. */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@OperationsPerInvocation(PagesBenchmark.ITEMS)
public class PagesBenchmark {

  static final int ITEMS = 100_000;
  private static final int PAGE = 1000;

  /** How many items are requested at a time: as flatMap does, or all. */
  @Param({"256", "" + Long.MAX_VALUE})
  public long demand = Long.MAX_VALUE;

  private final List<Integer> items = IntStream.range(0, ITEMS).boxed().toList();
  private final List<Page<Integer>> pages =
      IntStream.range(0, ITEMS / PAGE)
          .mapToObj(
              page ->
                  Page.of(
                      items.subList(page * PAGE, (page + 1) * PAGE), Cursor.of("page", page + 1)))
          .toList();

  private final Flux<Integer> ofItems = Flux.fromIterable(items);
  private final Flux<Integer> ofLists =
      Flux.fromIterable(pages).map(Page::items).concatMapIterable(list -> list);

  /** Reactor's own, over one list. */
  @Benchmark
  public long fromIterable() {
    return new Sum(demand).of(ofItems);
  }

  /** Reactor's own, over lists. */
  @Benchmark
  public long concatMapIterable() {
    return new Sum(demand).of(ofLists);
  }

  /** Ours. */
  @Benchmark
  public long pages() {
    int[] next = {0};
    return new Sum(demand)
        .of(
            CursorStream.<Integer>of(
                    request ->
                        next[0] < pages.size()
                            ? Mono.just(pages.get(next[0]++))
                            : Mono.just(Page.last(List.of(), null)))
                .items());
  }

  /** Adds up what it requests in portions. */
  private static final class Sum extends BaseSubscriber<Integer> {
    private final long demand;
    private long left;
    private long sum;

    Sum(long demand) {
      this.demand = demand;
    }

    /** Of items that come on this thread. */
    long of(Flux<Integer> flux) {
      flux.subscribe(this);
      return sum;
    }

    @Override
    protected void hookOnSubscribe(Subscription subscription) {
      left = demand;
      request(demand);
    }

    @Override
    protected void hookOnNext(Integer item) {
      sum += item;
      if (--left == 0) {
        left = demand;
        request(demand);
      }
    }
  }
}
