package io.github.cursorstream.r2dbc.store;

import java.util.concurrent.atomic.AtomicInteger;
import org.reactivestreams.Publisher;
import reactor.core.CoreSubscriber;
import reactor.core.publisher.Flux;
import reactor.core.publisher.Mono;
import reactor.core.publisher.Operators;
import reactor.core.publisher.Sinks;

/**
 * Lets statements into the driver until it is shut. What ends the transaction then comes behind all
 * of them: also behind one that another thread is about to send, which a cancel does not stop.
 */
final class SendingGate {

  /** How many threads are sending; from {@code Integer.MIN_VALUE} on once it is shut. */
  private final AtomicInteger sending = new AtomicInteger();

  private final Sinks.Empty<Void> quiet = Sinks.empty();

  /** The same, refused if it is subscribed to when the gate is shut. */
  <T> Flux<T> through(Publisher<T> statement) {
    Flux<T> driver = Flux.from(statement);
    return new Flux<T>() {
      @Override
      public void subscribe(CoreSubscriber<? super T> actual) {
        if (sending.getAndUpdate(n -> n < 0 ? n : n + 1) < 0) {
          Operators.error(actual, late());
          return;
        }
        try {
          driver.subscribe(actual);
        } finally {
          leave();
        }
      }
    };
  }

  private void leave() {
    if (sending.decrementAndGet() == Integer.MIN_VALUE) {
      quiet.tryEmitEmpty();
    }
  }

  /** Completes when nothing more is sent. */
  Mono<Void> shut() {
    return Mono.defer(
        () -> {
          int before = sending.getAndUpdate(n -> n < 0 ? n : n + Integer.MIN_VALUE);
          if (before == 0) {
            quiet.tryEmitEmpty();
          }
          return quiet.asMono();
        });
  }

  private static IllegalStateException late() {
    return new IllegalStateException(
        "a batch's connection must be used before the work ends but a statement came after;"
            + " make it part of the Publisher that the work returns");
  }
}
