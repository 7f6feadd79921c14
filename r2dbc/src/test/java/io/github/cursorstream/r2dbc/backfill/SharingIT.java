package io.github.cursorstream.r2dbc.backfill;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import io.github.cursorstream.r2dbc.keyset.CleanDatabase;
import io.github.cursorstream.r2dbc.store.PostgresRunStore;
import io.github.cursorstream.run.RunHandle;
import io.github.cursorstream.run.RunKind;
import io.github.cursorstream.run.RunState;
import io.github.cursorstream.run.Runner;
import io.r2dbc.pool.ConnectionPool;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import reactor.core.publisher.Mono;

/** How nodes, each with connections of its own, share the consumers of a run. */
@Timeout(60)
class SharingIT extends Nodes {

  @RegisterExtension static final CleanDatabase clean = new CleanDatabase();

  private static final Duration LEASE = Duration.ofMillis(900);

  SharingIT() {
    super(clean);
  }

  private RunKind work(int consumers) {
    return over("t")
        .batchSize(1)
        .consumers(consumers)
        .process(batch -> Mono.delay(Duration.ofMillis(20)));
  }

  private Runner node(String name, ConnectionPool connections) {
    return runner(
        connections, o -> o.owner(name).lease(LEASE).poll(Duration.ofMillis(200)).maxConsumers(4));
  }

  /** How many slots nodes hold, the fewest first. */
  private static List<Long> slots() {
    return clean
        .database()
        .query(
            """
            SELECT count(*) AS n FROM cursorstream.consumer WHERE lease_until > clock_timestamp()
            AND upto IS NOT NULL GROUP BY owner ORDER BY n""")
        .stream()
        .map(row -> (Long) row.get(0))
        .toList();
  }

  private static void awaitSlots(Long... counts) {
    await()
        .atMost(SOON)
        .pollInterval(Duration.ofMillis(10))
        .until(() -> slots().equals(Arrays.asList(counts)));
  }

  private static List<List<Object>> owners() {
    return clean
        .database()
        .query("SELECT number, owner, epoch FROM cursorstream.consumer ORDER BY 1");
  }

  @Test
  void threeNodesSettleAndWhatANodeHeldIsSharedWhenItDies() {
    table("t", 100_000);
    ConnectionPool mortal = clean.pool(6);
    RunHandle run = start(node("a", clean.pool(6)), work(4));
    awaitSlots(4L);
    long late = System.nanoTime();
    node("b", clean.pool(6)).register(work(4));
    node("mortal", mortal).register(work(4));
    awaitSlots(1L, 1L, 2L);
    System.out.printf("shared by three: %d ms%n", (System.nanoTime() - late) / 1_000_000);
    // Two nodes may both have made room for the third.
    AtomicReference<List<List<Object>>> last = new AtomicReference<>();
    await()
        .during(Duration.ofSeconds(1))
        .atMost(SOON)
        .until(
            () -> {
              List<List<Object>> now = owners();
              return now.equals(last.getAndSet(now));
            });
    assertThat(slots()).containsExactly(1L, 1L, 2L);

    long died = System.nanoTime();
    mortal.dispose();
    awaitSlots(2L, 2L);
    Duration took = Duration.ofNanos(System.nanoTime() - died);
    System.out.printf(
        "shared by two: %d ms, with a lease of %d ms%n", took.toMillis(), LEASE.toMillis());
    assertThat(took).isLessThan(LEASE.plusSeconds(2));
    run.cancel().block(SOON);
    awaitState(run, RunState.CANCELLED);
  }

  @Test
  void nodeForMoreConsumersThanItsPoolHasConnectionsIsRefused() {
    PostgresRunStore three = PostgresRunStore.create(clean.pool(3));
    assertThatThrownBy(() -> Runner.create(three, o -> o.maxConsumers(3)))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage(
            "maxConsumers <= 2 required, one less than the pool of the store has connections, but"
                + " it was 3; enlarge the pool");
    Runner.create(three, o -> o.maxConsumers(2));
    Runner.create(three);
    // Of another pool, or of none, nobody knows.
    Runner.create(
        PostgresRunStore.create(clean.database().connectionFactory()), o -> o.maxConsumers(99));
  }
}
