package io.github.cursorstream.r2dbc.backfill;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import io.github.cursorstream.cursor.Cursor;
import io.github.cursorstream.r2dbc.keyset.CleanDatabase;
import io.github.cursorstream.r2dbc.keyset.CursorBasedRepository;
import io.github.cursorstream.r2dbc.keyset.Keyset;
import io.github.cursorstream.r2dbc.keyset.LoggedWarnings;
import io.github.cursorstream.r2dbc.keyset.QueryLog;
import io.github.cursorstream.run.InMemoryRunStore;
import io.github.cursorstream.run.Run;
import io.github.cursorstream.run.RunEvent;
import io.github.cursorstream.run.RunHandle;
import io.github.cursorstream.run.RunKind;
import io.github.cursorstream.run.RunState;
import io.github.cursorstream.run.Runner;
import io.github.cursorstream.run.Verb;
import io.github.cursorstream.run.VerbResult;
import io.r2dbc.spi.Connection;
import java.time.Duration;
import java.util.HashSet;
import java.util.List;
import java.util.Queue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentLinkedQueue;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import reactor.core.publisher.Mono;
import reactor.core.publisher.Sinks;

/** A run from its creation to its end: when it begins, what it waits for, what it tells. */
@Timeout(60)
class LifeIT extends Nodes {

  @RegisterExtension static final CleanDatabase clean = new CleanDatabase();

  @RegisterExtension final LoggedWarnings logged = new LoggedWarnings(Backfill.class);

  LifeIT() {
    super(clean);
  }

  private RunKind incrementing(String table) {
    return over(table).batchSize(5).execute(increment(table));
  }

  private Backfill<Long> another(String name) {
    return over(name, pool, Keyset.table("t"));
  }

  @Test
  void heldRunDoesNotAskTheTable() { // B1
    table("t", 10);
    Runner runner = runner();
    QueryLog queries = new QueryLog();
    Backfill<Long> backfill = over("backfill", queries.over(pool), Keyset.table("t"));
    RunHandle run = runner.enqueueHeld(backfill.execute(increment("t"))).block(SOON);
    // Others are opened meanwhile, so there was time enough.
    end(start(runner, another("other").execute(increment("t"))));
    assertThat(queries.all()).isEmpty();
    assertThat(now(run).state()).isEqualTo(RunState.HELD);
    assertThat(now(run).startedAt()).isNull();
    assertThat(notOnce("t")).isZero();
    assertThat(run.say(Verb.START, null).block(SOON).kind()).isEqualTo(VerbResult.Kind.DONE);
    assertThat(end(run).state()).isEqualTo(RunState.SUCCEEDED);
    assertThat(count("SELECT count(*) FROM t WHERE n = 2")).isEqualTo(10);
  }

  @Test
  void withoutConsumersNothingIsRead() { // B1
    table("t", 10);
    QueryLog queries = new QueryLog();
    RunHandle run =
        start(
            over("backfill", queries.over(pool), Keyset.table("t"))
                .consumers(0)
                .process(TableBatch::rows));
    awaitState(run, RunState.RUNNING);
    List<String> bounds = List.copyOf(queries.all());
    // Another one is done meanwhile, so there was time enough.
    end(start(another("other").execute(increment("t"))));
    assertThat(queries.all()).isEqualTo(bounds);
    run.addConsumer().block(SOON);
    assertThat(end(run).rows()).isEqualTo(10);
    assertThat(queries.all()).hasSizeGreaterThan(bounds.size());
  }

  // PROTOCOL, hole 8
  @Test
  void runBeginsWhenThoseWhoWereWritingHaveEndedAndSaysWhatItWaitsFor() {
    table("t", 300);
    execute("DELETE FROM t WHERE id = 50");
    Connection late = pool.create().block(SOON);
    Mono.from(late.beginTransaction())
        .thenMany(late.createStatement("INSERT INTO t (id) VALUES (50)").execute())
        .concatMap(result -> result.getRowsUpdated())
        .blockLast(SOON);
    RunHandle run = start(incrementing("t"));
    await()
        .atMost(SOON)
        .until(() -> logged.messages().stream().anyMatch(text -> text.contains("backfill waits")));
    assertThat(now(run).state()).isEqualTo(RunState.ENQUEUED);
    Mono.from(late.commitTransaction()).then(Mono.from(late.close())).block(SOON);
    assertThat(end(run).rows()).isEqualTo(300);
    assertThat(notOnce("t")).isZero();
  }

  @Test
  void asynchronousRunIsDoneOnlyWhenItIsDone() { // B18
    table("t", 20);
    Sinks.Empty<Void> gate = Sinks.empty();
    Runner runner = runner();
    RunHandle run =
        start(
            runner,
            over("t")
                .batchSize(10)
                .consumers(2)
                .process(batch -> batch.rows().then(gate.asMono())));
    CompletableFuture<Run> finished = run.onFinish().toFuture();
    await().atMost(SOON).until(() -> now(run).inFlight() == 2);
    end(start(runner, another("other").execute(increment("t"))));
    assertThat(now(run).state()).isEqualTo(RunState.RUNNING);
    assertThat(now(run).rows()).isZero();
    assertThat(finished).isNotDone();
    assertThatThrownBy(() -> runner.ensureSucceeded("backfill").block(SOON))
        .hasMessageContaining("RUNNING");
    gate.tryEmitEmpty();
    assertThat(finished)
        .succeedsWithin(SOON)
        .satisfies(end -> assertThat(end.state()).isEqualTo(RunState.SUCCEEDED))
        .satisfies(end -> assertThat(end.rows()).isEqualTo(20));
  }

  @Test
  void errorIsStoredAndToldThoughTheHandlerThrows() { // M10, M11
    table("t", 3);
    Queue<String> told = new ConcurrentLinkedQueue<>();
    RunKind kind =
        over("t")
            .attempts(1)
            .onError(
                (batch, failure) -> {
                  told.add(batch.attempt() + " " + failure.getMessage());
                  throw new IllegalArgumentException("the handler's own");
                })
            .process(batch -> Mono.error(new IllegalStateException("the work's own")));
    assertThatThrownBy(() -> runner().runToEnd(kind).block(SOON))
        .hasMessageContaining("the work's own")
        .hasMessageContaining("FAILED")
        .hasMessageContaining("backfill");
    assertThat(told).isNotEmpty().allMatch(text -> text.endsWith("the work's own"));
    Run run = store.latest("backfill").block(SOON);
    assertThat(run.error())
        .startsWith("java.lang.IllegalStateException: the work's own")
        .contains("\n  at ", "LifeIT");
    assertThat(run.error().lines().count()).isLessThan(30);
    assertThat(run.failures()).isEqualTo(told.size());
  }

  @Test
  void runIsNotDoubledWhileItLivesAndRunsAgainAfterwards() { // M15
    table("t", 10);
    Runner runner = runner();
    RunKind kind = incrementing("t");
    long first = runner.enqueueHeld(kind).block(SOON).id();
    assertThat(runner.start(kind).block(SOON).id()).isEqualTo(first);
    runner.handle(first).cancel().block(SOON);
    RunHandle again = start(runner, kind);
    assertThat(again.id()).isNotEqualTo(first);
    assertThat(end(again).rows()).isEqualTo(10);
    assertThatThrownBy(() -> runner.register(incrementing("t")))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("backfill");
  }

  @Test
  void workInTransactionsIsRefusedByARunnerOfAnotherStore() {
    Runner runner = runner(InMemoryRunStore.create(), options -> options);
    for (RunKind kind :
        List.of(
            incrementing("t"),
            over("t").processInTransaction((connection, batch) -> batch.rows()))) {
      assertThatThrownBy(() -> runner.start(kind).block(SOON))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageContaining("a PostgresRunStore required")
          .hasMessageContaining("it has a InMemoryRunStore")
          .hasMessageContaining("say process");
    }
    assertThat(runner.handle(1).run().block(SOON)).isNull();
  }

  @Test
  void repositoryThatBeginsSomewhereIsRefused() {
    CursorBasedRepository<Long> part =
        CursorBasedRepository.create(pool, Keyset.table("t"), row -> 1L)
            .defaults(o -> o.upTo(Cursor.of("id", 7L)));
    assertThatThrownBy(() -> Backfill.over("part", part))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("without bounds required")
        .hasMessageContaining("up to Cursor[id=7]; give them to the backfill");
  }

  @Test
  void deploymentIsToldWhatIsMissing() { // M16
    table("t", 10);
    Runner runner = runner();
    assertThatThrownBy(() -> runner.ensureSucceeded("backfill").block(SOON))
        .hasMessageContaining("\"backfill\"")
        .hasMessageContaining("there is none");
    RunHandle run = runner.enqueueHeld(incrementing("t")).block(SOON);
    assertThatThrownBy(() -> runner.ensureSucceeded("backfill").block(SOON))
        .hasMessageContaining("HELD");
    run.say(Verb.START, null).block(SOON);
    end(run);
    assertThat(runner.ensureSucceeded("backfill").block(SOON).rows()).isEqualTo(10);
  }

  @Test
  void kindWithoutCodeStaysVisibleAndCanBeCancelled() { // M27
    table("t", 10);
    Runner runner = runner();
    RunHandle old = runner.enqueueHeld(another("removed").execute(increment("t"))).block(SOON);
    runner.shutdown(Duration.ZERO).block(SOON);
    old.say(Verb.START, null).block(SOON);
    RunHandle other = start(incrementing("t"));
    end(other);
    assertThat(now(old).state()).isEqualTo(RunState.ENQUEUED);
    assertThat(store.runs().map(Run::name).collectList().block(SOON))
        .containsExactly("removed", "backfill");
    assertThat(old.by("bob").cancel().block(SOON).state()).isEqualTo(RunState.CANCELLED);
    assertThat(new HashSet<>(old.events().map(RunEvent::who).collectList().block(SOON)))
        .contains("bob");
  }

  @Test
  void runOfARemovedKindCanBeCancelledThoughItsNodeDied() { // M27, M14
    table("t", 10);
    var mortal = clean.pool(4);
    Runner last = runner(mortal, options -> options.lease(Duration.ofMillis(400)));
    RunHandle started = start(last, another("removed").process(batch -> Mono.never()));
    Runner next = runner();
    start(next, incrementing("t"));
    RunHandle old = next.handle(started.id());
    await().atMost(SOON).until(() -> now(old).inFlight() == 1);
    mortal.dispose();
    assertThat(old.cancel().block(SOON).state()).isEqualTo(RunState.CANCELLING);
    awaitState(old, RunState.CANCELLED);
    assertThat(now(old).inFlight()).isZero();
    assertThat(now(old).waiting()).isEqualTo(1);
  }
}
