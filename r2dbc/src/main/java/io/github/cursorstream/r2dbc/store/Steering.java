package io.github.cursorstream.r2dbc.store;

import io.github.cursorstream.run.Remaining;
import io.github.cursorstream.run.Run;
import io.github.cursorstream.run.RunEvent;
import io.github.cursorstream.run.RunParameters;
import io.github.cursorstream.run.RunState;
import io.github.cursorstream.run.Transitions;
import io.github.cursorstream.run.Verb;
import io.github.cursorstream.run.VerbResult;
import io.r2dbc.spi.Connection;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;
import reactor.core.publisher.Mono;

/** What people say to a run, done while the run and its slots are locked. */
final class Steering {

  private Steering() {}

  static Mono<VerbResult> say(
      Connection connection, Run run, Verb verb, String who, @Nullable String why) {
    VerbResult result = Transitions.of(run.state(), verb, run.isOpened(), run.inFlight() == 0);
    return result.kind() == VerbResult.Kind.DONE
        ? done(connection, run, verb, result, who, why)
        : Mono.just(result);
  }

  private static Mono<VerbResult> done(
      Connection connection,
      Run run,
      Verb verb,
      VerbResult result,
      String who,
      @Nullable String why) {
    // Others may still be at work when a run fails; whoever ends it then does not wait for them.
    boolean revokes =
        verb == Verb.FORCE_PAUSE
            || verb == Verb.FORCE_CANCEL
            || (result.state().isEnded() && run.inFlight() > 0);
    Mono<Void> said =
        Statements.update(
                connection,
                """
                UPDATE cursorstream.run SET state = $2,
                  strikes = CASE WHEN $3 THEN 0 ELSE strikes END,
                  strikes_since = CASE WHEN $3 THEN batches ELSE strikes_since END,
                  ended_at = CASE WHEN $2 IN ('CANCELLED', 'SUCCEEDED')
                    THEN clock_timestamp() END
                WHERE id = $1""",
                run.id(),
                result.state().name(),
                verb == Verb.RETRY)
            .then(revokes ? revoke(connection, run.id()) : Mono.empty())
            .then(
                log(
                    connection,
                    run.id(),
                    Transitions.logged(verb, result.state()),
                    who,
                    verb + (why == null ? "" : ": " + why)));
    return (verb == Verb.RETRY ? another(connection, run) : Mono.<Long>empty())
        .map(
            other ->
                new VerbResult(
                    VerbResult.Kind.REFUSED,
                    run.state(),
                    "run " + other + " of the same name and arguments has not ended"))
        .switchIfEmpty(said.then(Mono.defer(() -> settled(connection, run.id(), result, who))));
  }

  private static Mono<Long> another(Connection connection, Run run) {
    return Statements.query(
            connection,
            """
            SELECT id FROM cursorstream.run WHERE name = $1 AND md5(arguments) = md5($2)
            AND state NOT IN ('CANCELLED', 'FAILED', 'SUCCEEDED')""",
            row -> Rows.number(row, "id"),
            run.name(),
            run.arguments())
        .next();
  }

  /** What goes on with nothing left to do has succeeded. */
  private static Mono<VerbResult> settled(
      Connection connection, long run, VerbResult result, String who) {
    return Statements.query(
            connection,
            """
            WITH done AS (
              UPDATE cursorstream.run SET state = 'SUCCEEDED', ended_at = clock_timestamp()
              WHERE id = $1 AND state = 'RUNNING' AND gate IS NULL AND in_flight = 0 AND waiting = 0
                AND position IS NOT DISTINCT FROM upper RETURNING id)
            INSERT INTO cursorstream.event (run, type, who)
            SELECT id, 'SUCCEEDED', $2 FROM done RETURNING run""",
            row -> new VerbResult(result.kind(), RunState.SUCCEEDED, result.reason()),
            run,
            who)
        .next()
        .defaultIfEmpty(result);
  }

  /** Takes leases away; what was held waits to be done again. */
  private static Mono<Void> revoke(Connection connection, long run) {
    return Statements.query(
            connection,
            """
            SELECT cursorstream.release(run, number, epoch) FROM cursorstream.consumer
            WHERE run = $1 ORDER BY number""",
            row -> true,
            run)
        .then();
  }

  static Mono<Run> change(
      Connection connection, Run run, UnaryOperator<RunParameters> change, String who) {
    RunParameters p = change.apply(run.parameters());
    if (p.equals(run.parameters())) {
      return Mono.just(run);
    }
    Mono<Long> slots =
        run.isOpened()
            ? Statements.update(
                connection,
                """
                  WITH surplus AS (
                    UPDATE cursorstream.consumer SET epoch = epoch + 1,
                      lease_until = clock_timestamp()
                    WHERE run = $1 AND number > $2 AND upto IS NULL)
                  INSERT INTO cursorstream.consumer (run, number)
                  SELECT $1, n FROM generate_series(1, $2) AS n WHERE NOT EXISTS (
                    SELECT FROM cursorstream.consumer WHERE run = $1 AND number = n)""",
                run.id(),
                p.consumers())
            : Mono.just(0L);
    return slots
        .then(
            p.batchSize() == run.parameters().batchSize()
                ? Mono.empty()
                : Statements.query(
                        connection, "SELECT cursorstream.cut_again($1)", row -> true, run.id())
                    .then())
        .then(
            Statements.update(
                connection,
                """
                  UPDATE cursorstream.run SET
                    batch_size = $2, consumers = $3, pause_ms = $4, rows_per_second = $5,
                    attempts = $6, min_backoff_ms = $7, max_backoff_ms = $8,
                    dead_letter_budget = $9, timeout_ms = $10
                  WHERE id = $1""",
                run.id(),
                p.batchSize(),
                p.consumers(),
                p.pause().toMillis(),
                p.rowsPerSecond(),
                p.attempts(),
                p.minBackoff().toMillis(),
                p.maxBackoff().toMillis(),
                p.deadLetters(),
                p.timeout().toMillis()))
        .then(log(connection, run.id(), RunEvent.Type.CHANGED, who, p.toString()))
        .then(
            Statements.query(
                    connection, PostgresRunStore.READ + "WHERE r.id = $1", Rows::run, run.id())
                .next());
  }

  static Mono<VerbResult> move(
      Connection connection, Run run, Remaining from, Remaining to, String who, String what) {
    VerbResult allowed = Transitions.ofRemaining(run.state(), run.isOpened(), run.inFlight() == 0);
    return allowed.kind() == VerbResult.Kind.REFUSED
        ? Mono.just(allowed)
        : RemainingSql.read(connection, run.id())
            .filter(from::equals)
            .flatMap(
                same ->
                    RemainingSql.move(connection, run.id(), from, to)
                        .then(log(connection, run.id(), RunEvent.Type.MOVED, who, what))
                        .then(settled(connection, run.id(), allowed, who)));
  }

  static Mono<Long> retryDeadLetters(Connection connection, Run run, String who) {
    if (run.state() == RunState.CANCELLED || run.state() == RunState.CANCELLING) {
      return Mono.error(
          new IllegalStateException(
              "run " + run.id() + " not cancelled required but it was " + run.state()));
    }
    return Statements.query(
            connection,
            """
                WITH gone AS (
                  DELETE FROM cursorstream.dead_letter WHERE run = $1 RETURNING id, after, upto),
                again AS (
                  INSERT INTO cursorstream.waiting (run, after, upto, attempts)
                  SELECT $1, after, upto, 0 FROM gone ORDER BY id RETURNING 1),
                counted AS (SELECT count(*)::int AS n FROM again)
                UPDATE cursorstream.run SET waiting = waiting + n, dead_letters = 0,
                  state = CASE WHEN state = 'SUCCEEDED' AND n > 0 THEN 'RUNNING'
                    ELSE state END,
                  ended_at = CASE WHEN state = 'SUCCEEDED' AND n > 0 THEN NULL
                    ELSE ended_at END
                FROM counted WHERE id = $1 RETURNING n::bigint AS n""",
            row -> Rows.number(row, "n"),
            run.id())
        .next()
        .flatMap(
            n ->
                log(connection, run.id(), RunEvent.Type.CHANGED, who, n + " dead letters again")
                    .thenReturn(n));
  }

  private static Mono<Void> log(
      Connection connection, long run, RunEvent.Type type, String who, String detail) {
    return Statements.update(
            connection,
            "INSERT INTO cursorstream.event (run, type, who, detail) VALUES ($1, $2, $3, $4)",
            run,
            type.name(),
            who,
            detail)
        .then();
  }
}
