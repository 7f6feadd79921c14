package io.github.cursorstream.r2dbc.keyset;

import static org.assertj.core.api.Assertions.assertThat;

import io.r2dbc.pool.ConnectionPool;
import io.r2dbc.spi.R2dbcTimeoutException;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.locks.LockSupport;
import java.util.stream.Collectors;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import reactor.blockhound.BlockHound;
import reactor.blockhound.BlockingMethod;
import reactor.core.publisher.Flux;
import reactor.core.publisher.Mono;
import reactor.core.scheduler.Schedulers;
import reactor.test.StepVerifier;

/** Nothing blocks the event loops and Reactor's own threads. */
@Timeout(60)
class BlockHoundIT {

  private static final List<String> blocked = new CopyOnWriteArrayList<>();

  // BlockHound stays for as long as the JVM lives, and other tests may block.
  private static volatile boolean armed;

  @RegisterExtension
  static final CleanDatabase clean = new CleanDatabase(CleanDatabase.table("t", 5000));

  @BeforeAll
  static void install() {
    // The first connection loads classes and native libraries.
    ConnectionPool first = clean.database().pool(1);
    rows(first, Keyset.table("t")).cursorBasedStream().blockLast(Duration.ofSeconds(20));
    first.disposeLater().block(Duration.ofSeconds(10));
    BlockHound.install(
        builder ->
            builder
                .blockingMethodCallback(BlockHoundIT::record)
                // A server that wants a password has the driver draw a nonce on the event loop,
                // from a device that does not make anyone wait. No other reading of it may pass.
                .allowBlockingCallsInside("com.ongres.scram.common.ScramFunctions", "nonce"));
  }

  /** Throws nothing: in the middle of a lock that would break more than it tells. */
  private static void record(BlockingMethod method) {
    if (armed) {
      String stack =
          StackWalker.getInstance()
              .walk(
                  frames ->
                      frames.limit(40).map(String::valueOf).collect(Collectors.joining("\n  ")));
      // A worker that began to wait for work before this was installed.
      if (stack.contains("DelayedWorkQueue.take")) {
        return;
      }
      blocked.add(method + " in " + Thread.currentThread().getName() + "\n  " + stack);
    }
  }

  @BeforeEach
  void arm() {
    blocked.clear();
    armed = true;
  }

  @AfterEach
  void disarm() {
    armed = false;
  }

  private static CursorBasedRepository<Long> rows(ConnectionPool pool, Keyset keyset) {
    return CursorBasedRepository.create(pool, keyset, row -> row.get("id", Long.class));
  }

  @Test
  void plantedCallIsDetected() {
    StepVerifier.create(
            rows(clean.pool(1), Keyset.table("t"))
                .cursorBasedStream()
                .doOnNext(id -> LockSupport.parkNanos(1))
                // Rows come on the thread that asks or on an event loop: may neither block.
                .subscribeOn(Schedulers.parallel()))
        .expectNextCount(5000)
        .expectComplete()
        .verify(Duration.ofSeconds(10));
    assertThat(blocked).isNotEmpty().allMatch(call -> call.contains("plantedCallIsDetected"));
  }

  @Test
  void streamsDoNotBlock() {
    CursorBasedRepository<Long> rows = rows(clean.pool(2), Keyset.table("t"));
    StepVerifier.create(
            Flux.range(0, 4)
                .flatMap(i -> rows.cursorBasedStream(o -> o.pageSize(100).prefetch(i)))
                .publishOn(Schedulers.parallel()))
        .expectNextCount(20_000)
        .expectComplete()
        .verify(Duration.ofSeconds(30));
    StepVerifier.create(rows.ranges(4).then(rows.explain()))
        .expectNextCount(1)
        .expectComplete()
        .verify(Duration.ofSeconds(30));
    assertThat(blocked).isEmpty();
  }

  @Test
  void cancelsAndTimeoutsDoNotBlock() {
    ConnectionPool pool = clean.pool(1);
    CursorBasedRepository<Long> slow =
        rows(pool, Keyset.table("t").where("pg_sleep(9)::text = ''"));
    StepVerifier.create(slow.cursorBasedStream().takeUntilOther(Mono.delay(Duration.ofMillis(400))))
        .expectComplete()
        .verify(Duration.ofSeconds(10));
    StepVerifier.create(slow.cursorBasedStream(o -> o.timeout(Duration.ofMillis(400))))
        .expectError(R2dbcTimeoutException.class)
        .verify(Duration.ofSeconds(10));
    clean.awaitQuiet();
    assertThat(blocked).isEmpty();
  }
}
