package io.github.cursorstream.r2dbc.backfill;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import io.github.cursorstream.r2dbc.keyset.CleanDatabase;
import io.github.cursorstream.r2dbc.keyset.Keyset;
import io.github.cursorstream.r2dbc.keyset.RangeCondition;
import io.github.cursorstream.run.Run;
import io.github.cursorstream.run.RunEvent;
import io.github.cursorstream.run.RunHandle;
import io.github.cursorstream.run.RunKind;
import io.github.cursorstream.run.RunState;
import io.github.cursorstream.run.Runner;
import io.r2dbc.spi.Connection;
import io.r2dbc.spi.Statement;
import java.time.Duration;
import java.util.List;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import reactor.core.publisher.Flux;
import reactor.core.publisher.Mono;

/** Hooks of backfills, on several nodes. */
@Timeout(60)
class HooksIT extends Nodes {

  @RegisterExtension static final CleanDatabase clean = new CleanDatabase();

  private final Queue<String> told = new ConcurrentLinkedQueue<>();

  HooksIT() {
    super(clean);
  }

  private Backfill<Long> hooked(String node) {
    return over("t")
        .batchSize(10)
        .onEvent((run, event) -> Mono.fromRunnable(() -> told.add(node + event.type())));
  }

  private RunKind incrementing(Backfill<Long> backfill) {
    return backfill.execute(increment("t"));
  }

  private void awaitTold(String event) {
    await().atMost(SOON).until(() -> told.contains(event));
  }

  private static List<RunEvent> events(RunHandle run, RunEvent.Type type) {
    return run.events().filter(event -> event.type() == type).collectList().block(SOON);
  }

  @Test
  void theLifeOfARunIsToldInOrder() { // M8
    table("t", 400);
    RunHandle run = start(incrementing(hooked("").pauseBetween(Duration.ofMillis(5))));
    awaitBatches(run, 3);
    run.pause().block(SOON);
    awaitState(run, RunState.PAUSED);
    run.resume().block(SOON);
    end(run);
    awaitTold("SUCCEEDED");
    // It depends on whether a batch was in flight.
    assertThat(told.stream().filter(type -> !type.equals("PAUSING")))
        .containsExactly("CREATED", "OPENED", "PAUSED", "RESUMED", "SUCCEEDED");
  }

  @Test
  void oneOfThreeNodesIsToldThatItIsComplete() {
    table("t", 2_000);
    List<Runner> nodes = Stream.generate(this::runner).limit(3).toList();
    RunHandle run = null;
    for (Runner node : nodes) {
      run =
          start(
              node,
              incrementing(
                  over("t")
                      .batchSize(10)
                      .consumers(6)
                      .after(
                          RunEvent.Type.SUCCEEDED,
                          r ->
                              // Time enough for the others to do the same.
                              Mono.delay(Duration.ofMillis(300))
                                  .doOnSubscribe(s -> told.add(r.state() + " " + r.rows())))));
    }
    end(run);
    await().atMost(SOON).until(() -> !told.isEmpty());
    Flux.fromIterable(nodes).flatMap(node -> node.shutdown(SOON)).blockLast(SOON);

    assertThat(told).containsExactly("SUCCEEDED 2000");
    assertThat(notOnce("t")).isZero();
  }

  @Test
  void whatAnOperatorDoesElsewhereIsTold() {
    table("t", 10);
    RunHandle run = start(incrementing(hooked("").consumers(0)));
    awaitTold("OPENED");
    Runner console = runner(); // It has no code.
    console.handle(run.id()).by("operator").cancel().block(SOON);
    awaitTold("CANCELLED");
    assertThat(told).containsExactly("CREATED", "OPENED", "CANCELLED");
  }

  @Test
  void whenANodeDiesWhileItTellsAnotherOneDoes() {
    table("t", 10);
    Duration lease = Duration.ofMillis(400);
    Runner dying = runner(pool, options -> options.lease(lease));
    RunHandle run =
        start(
            dying,
            incrementing(
                over("t")
                    .consumers(0)
                    .after(
                        RunEvent.Type.OPENED,
                        r -> Mono.never().doOnSubscribe(s -> told.add("begun")))));
    awaitTold("begun");
    dying.shutdown(Duration.ZERO).block(SOON);
    runner(pool, options -> options.lease(lease)).register(incrementing(hooked("second ")));
    run.cancel().block(SOON);

    awaitTold("second CANCELLED");
    assertThat(told).containsExactly("begun", "second OPENED", "second CANCELLED");
  }

  // M10
  @Test
  void aHookThatThrowsStopsNothingAndIsGivenUp() {
    table("t", 50);
    AtomicInteger calls = new AtomicInteger();
    RunHandle run =
        start(
            runner(pool, options -> options.lease(Duration.ofMillis(200))),
            incrementing(
                hooked("")
                    .after(
                        RunEvent.Type.OPENED,
                        r -> {
                          calls.incrementAndGet();
                          throw new IllegalStateException("no such service");
                        })));

    Run ended = end(run);
    awaitTold("SUCCEEDED");

    assertThat(ended.state()).isEqualTo(RunState.SUCCEEDED);
    assertThat(ended.failures()).isZero();
    assertThat(calls).hasValue(3);
    assertThat(events(run, RunEvent.Type.HOOK_FAILED))
        .singleElement()
        .satisfies(event -> assertThat(event.detail()).contains("OPENED", "no such service"));
    assertThat(notOnce("t")).isZero();
  }

  @Test
  void aBatchIsToldOnceItIsCommitted() { // M8
    table("t", 95);
    Queue<Long> seen = new ConcurrentLinkedQueue<>();
    Queue<Duration> durations = new ConcurrentLinkedQueue<>();
    AtomicInteger begun = new AtomicInteger();
    RunHandle run =
        start(
            over(Keyset.table("t").where("n = 1"))
                .batchSize(10)
                .consumers(2)
                .afterBatch(
                    (batch, took) -> {
                      told.add(batch.id());
                      durations.add(took);
                      // In another session, which sees what is committed.
                      batch.rows().count().subscribe(seen::add);
                    })
                .processInTransaction(
                    (connection, batch) ->
                        batch
                            .range(null, 1)
                            .flatMapMany(range -> update(connection, range))
                            .delayElements(Duration.ofMillis(20))
                            .doOnNext(
                                rows -> {
                                  if (begun.incrementAndGet() == 3) {
                                    throw new IllegalStateException("the third attempt");
                                  }
                                })));
    Run ended = end(run);
    assertThat(ended.failures()).isEqualTo(1);
    assertThat(told).hasSize(10).doesNotHaveDuplicates();
    assertThat(durations)
        .hasSize(10)
        .allSatisfy(took -> assertThat(took).isBetween(Duration.ofMillis(19), SOON));
    await().atMost(SOON).until(() -> seen.size() == 10);
    assertThat(seen).containsOnly(10L, 5L);
    assertThat(notOnce("t")).isZero();
  }

  private static Flux<Long> update(Connection connection, RangeCondition range) {
    Statement statement = connection.createStatement("UPDATE t SET n = n + 1 WHERE " + range.sql());
    for (int i = 0; i < range.binds().size(); i++) {
      statement.bind(i, range.binds().get(i));
    }
    return Flux.from(statement.execute()).concatMap(result -> result.getRowsUpdated());
  }

  @Test
  void eventsThatAreNotToldAreRefused() {
    assertThatThrownBy(() -> over("t").after(RunEvent.Type.BATCH_FAILED, run -> Mono.empty()))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage(
            "an event that hooks are told required but it was BATCH_FAILED; onError is told of"
                + " failed attempts");
  }
}
