package io.github.cursorstream.r2dbc.store;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import org.junit.jupiter.api.Test;
import reactor.core.publisher.Flux;
import reactor.core.publisher.Mono;
import reactor.test.StepVerifier;

/** Nothing is sent behind the end of a transaction. */
class SendingGateTest {

  private final SendingGate gate = new SendingGate();
  private final List<String> log = new CopyOnWriteArrayList<>();

  @Test
  void whatIsBeingSentComesBeforeTheEnd() {
    gate.shut(); // does nothing until it is subscribed to
    Mono<Void> end = gate.shut().doFinally(signal -> log.add("end"));
    Flux<Object> statement =
        Flux.create(
            sink -> {
              // Another thread ends the work, while this one is on its way into the driver.
              Thread other = new Thread(end::subscribe);
              other.start();
              join(other);
              log.add("sent");
              sink.complete();
            });
    StepVerifier.create(gate.through(gate.through(statement))).verifyComplete();
    assertThat(log).containsExactly("sent", "end");
  }

  @Test
  void whatComesLaterIsRefused() {
    StepVerifier.create(gate.through(Flux.just(1, 2))).expectNext(1, 2).verifyComplete();
    StepVerifier.create(gate.shut()).verifyComplete();
    StepVerifier.create(gate.shut()).verifyComplete();
    StepVerifier.create(gate.through(Flux.just(1).doOnSubscribe(s -> log.add("sent"))))
        .verifyErrorMatches(e -> e.getMessage().contains("used before the work ends"));
    assertThat(log).isEmpty();
  }

  private static void join(Thread thread) {
    try {
      thread.join();
    } catch (InterruptedException e) {
      throw new IllegalStateException(e);
    }
  }
}
