package io.github.cursorstream.concurrency;

import java.util.function.Function;
import org.reactivestreams.Publisher;
import reactor.core.publisher.Flux;

/** The operators under test. */
enum Operator {
  FLAT_MAP {
    @Override
    <T, R> Function<Flux<T>, Flux<R>> of(
        Concurrency limit, Function<? super T, ? extends Publisher<? extends R>> mapper) {
      return limit.flatMap(mapper);
    }
  },
  FLAT_MAP_DELAY_ERROR {
    @Override
    <T, R> Function<Flux<T>, Flux<R>> of(
        Concurrency limit, Function<? super T, ? extends Publisher<? extends R>> mapper) {
      return limit.flatMapDelayError(mapper);
    }
  },
  FLAT_MAP_SEQUENTIAL {
    @Override
    <T, R> Function<Flux<T>, Flux<R>> of(
        Concurrency limit, Function<? super T, ? extends Publisher<? extends R>> mapper) {
      return limit.flatMapSequential(mapper);
    }
  },
  FLAT_MAP_SEQUENTIAL_DELAY_ERROR {
    @Override
    <T, R> Function<Flux<T>, Flux<R>> of(
        Concurrency limit, Function<? super T, ? extends Publisher<? extends R>> mapper) {
      return limit.flatMapSequentialDelayError(mapper);
    }
  };

  abstract <T, R> Function<Flux<T>, Flux<R>> of(
      Concurrency limit, Function<? super T, ? extends Publisher<? extends R>> mapper);

  boolean isSequential() {
    return this == FLAT_MAP_SEQUENTIAL || this == FLAT_MAP_SEQUENTIAL_DELAY_ERROR;
  }
}
