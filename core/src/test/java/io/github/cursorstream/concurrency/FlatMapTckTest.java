package io.github.cursorstream.concurrency;

import org.reactivestreams.Publisher;
import org.reactivestreams.tck.PublisherVerification;
import org.reactivestreams.tck.TestEnvironment;
import org.testng.annotations.Test;
import reactor.core.publisher.Flux;
import reactor.core.publisher.Mono;
import reactor.core.scheduler.Schedulers;

/** The rules of Reactive Streams, kept by {@link Concurrency#flatMap}. */
@Test
public class FlatMapTckTest extends PublisherVerification<Integer> {

  /** Makes the verification. */
  public FlatMapTckTest() {
    super(new TestEnvironment(250, 50));
  }

  @Override
  public Publisher<Integer> createPublisher(long elements) {
    Flux<Integer> source = Flux.<Integer>generate(sink -> sink.next(1)).take(elements);
    return source.transform(
        Concurrency.of(4).flatMap(n -> Mono.just(n).publishOn(Schedulers.parallel()).hide()));
  }

  @Override
  public Publisher<Integer> createFailedPublisher() {
    return Flux.<Integer>error(new IllegalStateException("on purpose"))
        .transform(Concurrency.of(4).flatMap(Mono::just));
  }
}
