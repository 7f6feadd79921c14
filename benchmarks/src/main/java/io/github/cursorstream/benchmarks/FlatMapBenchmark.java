package io.github.cursorstream.benchmarks;

import io.github.cursorstream.concurrency.Concurrency;
import java.util.Objects;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OperationsPerInvocation;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.State;
import reactor.core.publisher.Flux;
import reactor.core.publisher.Mono;
import reactor.core.scheduler.Schedulers;

/** What it costs that the number of consumers can be changed, with inners on other threads. */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@OperationsPerInvocation(FlatMapBenchmark.ITEMS)
public class FlatMapBenchmark {

  static final int ITEMS = 100_000;
  private static final int LIMIT = 16;

  private final Flux<Integer> items = Flux.range(0, ITEMS);

  /** Reactor's own. */
  @Benchmark
  public long flatMap() {
    return sum(items.flatMap(FlatMapBenchmark::asynchronous, LIMIT));
  }

  /** Ours. */
  @Benchmark
  public long adjustable() {
    return sum(items.transform(Concurrency.of(LIMIT).flatMap(FlatMapBenchmark::asynchronous)));
  }

  private static Mono<Integer> asynchronous(int item) {
    return Mono.fromSupplier(() -> item).subscribeOn(Schedulers.parallel());
  }

  private static long sum(Flux<Integer> items) {
    return Objects.requireNonNull(items.reduce(0L, Long::sum).block());
  }
}
