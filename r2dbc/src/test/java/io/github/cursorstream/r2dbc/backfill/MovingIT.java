package io.github.cursorstream.r2dbc.backfill;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import io.github.cursorstream.cursor.Cursor;
import io.github.cursorstream.cursor.InvalidCursorException;
import io.github.cursorstream.r2dbc.keyset.CleanDatabase;
import io.github.cursorstream.r2dbc.keyset.CursorBasedRepository;
import io.github.cursorstream.r2dbc.keyset.KeyColumn;
import io.github.cursorstream.r2dbc.keyset.KeyRange;
import io.github.cursorstream.r2dbc.keyset.Keyset;
import io.github.cursorstream.run.Run;
import io.github.cursorstream.run.RunEvent;
import io.github.cursorstream.run.RunHandle;
import io.github.cursorstream.run.RunState;
import io.github.cursorstream.run.Runner;
import io.github.cursorstream.run.Verb;
import io.github.cursorstream.run.VerbResult;
import io.github.cursorstream.run.VerbResult.Kind;
import java.time.Duration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import reactor.core.publisher.Mono;

/** Ranges of keys that are skipped, and the way back. */
@Timeout(60)
class MovingIT extends Nodes {

  @RegisterExtension static final CleanDatabase clean = new CleanDatabase();

  MovingIT() {
    super(clean);
  }

  private static Cursor id(long id) {
    return Cursor.of("id", id);
  }

  private static VerbResult result(Mono<VerbResult> verb) {
    return verb.block(SOON);
  }

  private static void done(Mono<VerbResult> verb) {
    VerbResult result = result(verb);
    assertThat(result.kind()).as(result.reason()).isEqualTo(Kind.DONE);
  }

  /** Paused when it has done some batches, of 10 rows each. */
  private RunHandle paused(Backfill<Long> backfill, int batches) {
    RunHandle run =
        start(backfill.batchSize(10).pauseBetween(Duration.ofMillis(20)).execute(increment("t")));
    awaitBatches(run, batches);
    run.pause().block(SOON);
    awaitState(run, RunState.PAUSED);
    return run;
  }

  private static Run resumed(RunHandle run) {
    run.change(p -> p.pause(Duration.ZERO)).then(run.resume()).block(SOON);
    return run.onFinish().block(SOON);
  }

  @Test
  void keysThatAreSkippedAreNotDone() {
    table("t", 500);
    RunHandle run = paused(over("t").consumers(2), 2);
    BackfillHandle handle = over("t").handle(run.by("somebody"));
    done(handle.skip(new KeyRange(id(300), id(355)), "they are rotten"));
    done(handle.skip(new KeyRange(id(350), id(400)), null));
    done(handle.skip(new KeyRange(id(490), null), null));
    assertThat(result(handle.skip(new KeyRange(id(310), id(320)), null)).kind())
        .isEqualTo(Kind.NOTHING_TO_DO);
    assertThat(result(handle.skip(new KeyRange(null, id(10)), null)).kind())
        .isEqualTo(Kind.NOTHING_TO_DO);
    assertThat(result(handle.skip(new KeyRange(id(600), id(700)), null)).kind())
        .isEqualTo(Kind.NOTHING_TO_DO);

    Run end = resumed(run);
    assertThat(end.state()).isEqualTo(RunState.SUCCEEDED);
    assertThat(end.rows()).isEqualTo(390);
    assertThat(
            count(
                "SELECT count(*) FROM t WHERE n <>"
                    + " (NOT (id BETWEEN 301 AND 400 OR id > 490))::int"))
        .isZero();
    RunEvent moved = run.events().filter(e -> e.type() == RunEvent.Type.MOVED).blockFirst(SOON);
    assertThat(moved.who()).isEqualTo("somebody");
    assertThat(moved.detail()).isEqualTo("skip (Cursor[id=300], Cursor[id=355]]: they are rotten");
    assertThat(result(handle.skip(new KeyRange(id(1), id(2)), null)).kind())
        .isEqualTo(Kind.REFUSED);
    assertThat(result(handle.rewind(id(1), null)).kind()).isEqualTo(Kind.REFUSED);
  }

  @Test
  void keysBehindACursorAreDoneAgain() {
    table("t", 200);
    RunHandle run = paused(over("t"), 8);
    long done = now(run).rows();
    done(over("t").handle(run).rewind(id(37), null));
    assertThat(result(over("t").handle(run).rewind(id(37), null)).kind())
        .isEqualTo(Kind.NOTHING_TO_DO);

    Run end = resumed(run);
    assertThat(end.state()).isEqualTo(RunState.SUCCEEDED);
    assertThat(end.rows()).isEqualTo(200 + done - 37);
    assertThat(
            count(
                "SELECT count(*) FROM t WHERE n <> CASE WHEN id > 37 AND id <= %d THEN 2 ELSE 1 END"
                    .formatted(done)))
        .isZero();
  }

  @Test
  void whatFailedIsSkippedOrDoneAgain() {
    table("t", 100);
    execute(
        "UPDATE t SET x = 'bad' WHERE id IN (15, 25, 75)",
        "ALTER TABLE t ADD CONSTRAINT good CHECK (n < 1 OR x IS DISTINCT FROM 'bad')");
    Backfill<Long> backfill = over("t").attempts(1).deadLetters(1);
    RunHandle run = start(backfill.batchSize(10).execute(increment("t")));
    Run failed = end(run);
    assertThat(failed.state()).isEqualTo(RunState.FAILED);
    assertThat(failed.deadLetters()).isEqualTo(1);
    assertThat(failed.waiting()).isPositive();
    BackfillHandle handle = backfill.handle(run);
    done(handle.skip(new KeyRange(id(24), id(25)), "not worth it"));
    assertThat(now(run).state()).isEqualTo(RunState.FAILED);
    execute("UPDATE t SET x = NULL WHERE id = 75");
    run.retry().block(SOON);
    assertThat(end(run).state()).isEqualTo(RunState.SUCCEEDED);
    assertThat(end(run).rows()).isEqualTo(98);

    assertThat(run.deadLetters().count().block(SOON)).isEqualTo(1);
    assertThat(count("SELECT count(*) FROM t WHERE n = 1 AND id NOT IN (15, 25)")).isEqualTo(98);
  }

  @Test
  void theWayBackTakesAlongWhatWasPutAside() {
    table("t", 60);
    execute(
        "UPDATE t SET x = 'bad' WHERE id IN (5, 35)",
        "ALTER TABLE t ADD CONSTRAINT good CHECK (n < 1 OR x IS DISTINCT FROM 'bad')");
    RunHandle run = paused(over("t").attempts(1).deadLetters(2), 5);
    await().atMost(SOON).until(() -> resumeUntil(run, 2));
    execute("UPDATE t SET x = NULL");
    done(over("t").handle(run).rewind(id(20), null));
    assertThat(now(run).deadLetters()).isEqualTo(1);
    Run end = resumed(run);
    assertThat(end.state()).isEqualTo(RunState.SUCCEEDED);
    assertThat(end.deadLetters()).isEqualTo(1);
    assertThat(count("SELECT count(*) FROM t WHERE n = 0")).isEqualTo(1);
    assertThat(count("SELECT n FROM t WHERE id = 35")).isEqualTo(1);
    assertThat(count("SELECT n FROM t WHERE id = 25")).isEqualTo(2);
  }

  /** Goes on for a little until so many rows have been put aside. */
  private static boolean resumeUntil(RunHandle run, int deadLetters) {
    if (now(run).deadLetters() < deadLetters) {
      run.resume().then(Mono.delay(Duration.ofMillis(20))).then(run.pause()).block(SOON);
      awaitState(run, RunState.PAUSED);
    }
    return now(run).deadLetters() == deadLetters;
  }

  @Test
  void keysDownAndOfSeveralColumnsAreComparedByTheDatabase() {
    execute(
        "DROP TABLE IF EXISTS t",
        "CREATE TABLE t (a text COLLATE \"C\", id bigint, n int NOT NULL DEFAULT 0,"
            + " PRIMARY KEY (a, id))",
        "INSERT INTO t SELECT (ARRAY['B', 'a', 'b'])[i % 3 + 1], i FROM generate_series(1, 90) i");
    Backfill<Long> backfill =
        over(Keyset.table("t").orderBy(KeyColumn.desc("a"), KeyColumn.desc("id")));
    RunHandle run = paused(backfill, 1);
    BackfillHandle handle = backfill.handle(run);
    done(
        handle.skip(
            new KeyRange(Cursor.of("a", "a").and("id", 40L), Cursor.prefix("a", "B")), null));
    Run end = resumed(run);
    assertThat(end.state()).isEqualTo(RunState.SUCCEEDED);
    assertThat(count("SELECT count(*) FROM t WHERE n <> (a = 'b' OR a = 'a' AND id >= 40)::int"))
        .isZero();
  }

  @Test
  void whatIsVerifiedIsNotWhatIsSkipped() {
    table("t", 100);
    Backfill<Long> backfill =
        over(Keyset.table("t").where("n = 0")).verify().batchSize(10).consumers(0);
    RunHandle run = start(backfill.execute(range -> increment("t").apply(range) + " AND id <> 55"));
    await().atMost(SOON).until(() -> now(run).isOpened());
    BackfillHandle handle = backfill.handle(run);
    done(handle.skip(new KeyRange(id(90), id(95)), null));
    run.consumers(2).block(SOON);
    assertThat(end(run).error()).contains("there is 1, the first at Cursor[id=55]");
    done(handle.skip(new KeyRange(id(50), id(60)), null));
    run.retry().block(SOON);
    assertThat(end(run).state()).isEqualTo(RunState.SUCCEEDED);
    assertThat(count("SELECT count(*) FROM t WHERE n = 0")).isEqualTo(6);
  }

  @Test
  void whatMayNotBeMovedSaysWhy() {
    table("t", 100);
    Backfill<Long> backfill = over("t").batchSize(10).pauseBetween(Duration.ofMinutes(1));
    Runner runner = runner();
    RunHandle held = runner.enqueueHeld(backfill.execute(increment("t"))).block(SOON);
    BackfillHandle handle = backfill.handle(held);
    assertThat(result(handle.rewind(id(3), null)).reason()).contains("not begun");
    held.say(Verb.START, null).block(SOON);
    awaitBatches(held, 1); // And now it rests, with the next one in hand.
    VerbResult resting = result(handle.skip(new KeyRange(null, null), null));
    assertThat(resting.kind()).isEqualTo(Kind.REFUSED);
    assertThat(resting.reason()).contains("in flight", "pause");
    assertThatThrownBy(
            () ->
                result(
                    Backfill.over(
                            "other",
                            CursorBasedRepository.create(pool, Keyset.table("t"), row -> row))
                        .handle(held)
                        .rewind(id(3), null)))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("\"other\"")
        .hasMessageContaining("\"backfill\"");
    assertThatThrownBy(() -> result(handle.rewind(Cursor.of("n", 3), null)))
        .isInstanceOf(InvalidCursorException.class);
    held.pause().block(SOON);
    awaitState(held, RunState.PAUSED);
    done(handle.skip(new KeyRange(null, null), null));
    held.resume().block(SOON);
    assertThat(end(held).state()).isEqualTo(RunState.SUCCEEDED);
    assertThat(end(held).rows()).isEqualTo(10);
  }
}
