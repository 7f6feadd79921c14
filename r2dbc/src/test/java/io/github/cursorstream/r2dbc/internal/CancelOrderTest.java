package io.github.cursorstream.r2dbc.internal;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import reactor.core.Disposable;
import reactor.core.publisher.BaseSubscriber;
import reactor.core.publisher.Mono;
import reactor.core.scheduler.Schedulers;

/** A cancel by one thread while another one is about to send a statement. */
@Timeout(30)
class CancelOrderTest {

  private final ExecutorService eventLoop = Executors.newSingleThreadExecutor();
  private final ExecutorService others = Executors.newSingleThreadExecutor();

  @AfterEach
  void shutDown() {
    eventLoop.shutdownNow();
    others.shutdownNow();
  }

  @Test
  void connectionIsAskedBehindTheStatementThatIsBeingSent() throws Exception {
    FakeConnection connection = new FakeConnection();
    connection.loop = Schedulers.fromExecutorService(eventLoop);
    Connections connections =
        Connections.of(
            connection.factory(
                Mono.fromSupplier(connection::proxy)
                    .subscribeOn(Schedulers.fromExecutorService(others))));
    CountDownLatch sending = new CountDownLatch(1);
    CountDownLatch cancelled = new CountDownLatch(1);
    // As the driver does: can be cancelled first, is sent then.
    Mono<Object> statement =
        Mono.create(
            sink -> {
              sending.countDown();
              awaitUninterrupted(cancelled);
              connection.log.add("sent");
            });

    Disposable running = connections.use(c -> statement, null).subscribe();
    sending.await();
    running.dispose();
    // Whatever the cancel had done on the event loop is done, and could have come first.
    eventLoop.submit(() -> {}).get();
    cancelled.countDown();

    await().until(() -> connection.log.contains("close"));
    // On a busy machine the grace is over before the ping, and a cancel request comes in between.
    assertThat(connection.log).startsWith("sent").contains("ping");
  }

  @Test
  void workThatIsCancelledBeforeItStartsNeverStarts() {
    FakeConnection connection = new FakeConnection();
    Mono<Object> statement = Mono.fromRunnable(() -> connection.log.add("sent"));
    Connections connections = Connections.of(connection.factory(Mono.just(connection.proxy())));
    BaseSubscriber<Object> subscriber = new BaseSubscriber<>() {};

    connections
        .use(
            c -> {
              subscriber.cancel(); // It has the connection, and has not begun.
              return statement;
            },
            null)
        .subscribe(subscriber);

    assertThat(connection.log).containsExactly("ping", "close");
  }

  private static void awaitUninterrupted(CountDownLatch latch) {
    try {
      latch.await();
    } catch (InterruptedException e) {
      throw new IllegalStateException(e);
    }
  }
}
