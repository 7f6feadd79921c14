package io.github.cursorstream.concurrency;

import io.github.cursorstream.TckTests;
import java.util.function.Function;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;
import org.reactivestreams.Publisher;
import org.reactivestreams.tck.PublisherVerification;
import org.reactivestreams.tck.TestEnvironment;
import reactor.core.publisher.Flux;
import reactor.core.publisher.Mono;
import reactor.core.scheduler.Schedulers;

/** The rules of Reactive Streams, kept by both orders. */
class FlatMapTckTest {

  private static Mono<Integer> later(int n) {
    return Mono.just(n).publishOn(Schedulers.parallel()).hide();
  }

  @TestFactory
  Stream<DynamicTest> flatMap() {
    return TckTests.of(new Verification(Concurrency.of(4).flatMap(FlatMapTckTest::later)));
  }

  @TestFactory
  Stream<DynamicTest> flatMapSequential() {
    return TckTests.of(
        new Verification(Concurrency.of(4).flatMapSequential(FlatMapTckTest::later)));
  }

  private static final class Verification extends PublisherVerification<Integer> {

    private final Function<Flux<Integer>, Flux<Integer>> operator;

    Verification(Function<Flux<Integer>, Flux<Integer>> operator) {
      super(new TestEnvironment(250, 50));
      this.operator = operator;
    }

    @Override
    public Publisher<Integer> createPublisher(long elements) {
      return Flux.<Integer>generate(sink -> sink.next(1)).take(elements).transform(operator);
    }

    @Override
    public Publisher<Integer> createFailedPublisher() {
      return Flux.<Integer>error(new IllegalStateException("on purpose")).transform(operator);
    }
  }
}
