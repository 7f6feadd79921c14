package io.github.cursorstream.r2dbc.store;

import io.github.cursorstream.run.Again;
import io.github.cursorstream.run.BatchDone;
import io.github.cursorstream.run.Lease;
import io.github.cursorstream.run.RunParameters;
import io.r2dbc.spi.Connection;
import java.time.Duration;
import java.util.List;
import java.util.function.BiFunction;
import reactor.core.publisher.Mono;

/**
 * The transaction of one batch. A message of several statements takes no values: they stand in it,
 * and never by {@code %d}, which writes the digits of the JVM's language.
 */
final class BatchTransaction {

  /** A batch waits for a lock no longer than that: somebody else may wait behind it. */
  private static final Duration LOCK_TIMEOUT = Duration.ofSeconds(10);

  private BatchTransaction() {}

  static Mono<Lease> run(
      Connection connection,
      Lease lease,
      BiFunction<Connection, Connection, Mono<BatchDone>> work,
      Duration time) {
    SendingGate gate = new SendingGate();
    return Mono.usingWhen(
        Mono.just(connection),
        c -> {
          Mono<Void> begun = Transaction.sent(c, begin(lease, time)).cache();
          Mono<BatchDone> worked =
              Mono.defer(
                  () ->
                      work.apply(
                          new BatchConnection(c, Mono.empty(), gate),
                          new BatchConnection(c, begun, gate)));
          return Mono.zip(begun.thenReturn(true), worked, (yes, done) -> done)
              .flatMap(done -> gate.shut().then(completeAndCommit(c, lease, done, time)));
        },
        c -> Mono.empty(),
        (c, failure) -> rollBack(c, gate),
        c -> rollBack(c, gate));
  }

  /** If it cannot be sent, the connection is ended by whoever lent it. */
  private static Mono<Void> rollBack(Connection connection, SendingGate gate) {
    return gate.shut().then(Transaction.sent(connection, "ROLLBACK")).onErrorComplete();
  }

  static String[] begin(Lease lease, Duration time) {
    RunParameters parameters = lease.run().parameters();
    long timeout = parameters.timeout().toMillis();
    long run = lease.run().id();
    return new String[] {
      Transaction.BEGIN,
      "SET LOCAL statement_timeout = " + timeout,
      "SET LOCAL lock_timeout = " + Math.min(timeout, LOCK_TIMEOUT.toMillis()),
      // A node that is frozen between two statements must not hold locks longer than its lease.
      "SET LOCAL idle_in_transaction_session_timeout = " + time.toMillis(),
      "SELECT set_config('cursorstream.batch', '%s:%s:%s', true),"
              .formatted(run, lease.number(), lease.serial())
          + " pg_advisory_xact_lock(cursorstream.lock_key(%s, %s))".formatted(run, lease.number())
    };
  }

  /** In one message: frozen between the two, it would keep the run's row from everybody. */
  private static Mono<Lease> completeAndCommit(
      Connection connection, Lease lease, BatchDone done, Duration time) {
    String complete = PostgresRunStore.LEASE + completion(lease, done, time) + " AS c";
    return Statements.inOneMessage(
            connection, row -> Rows.lease(row, lease.run()), complete, "COMMIT")
        // To its end: whoever is content with the row does not hear of a COMMIT that failed.
        .single();
  }

  private static String completion(Lease lease, BatchDone done, Duration time) {
    long run = lease.run().id();
    List<Again> rest = done.rest();
    if (rest.isEmpty()) {
      return "cursorstream.complete_in_transaction(%s, %s, %s, %s, %s, %s)"
          .formatted(
              run, lease.number(), lease.epoch(), lease.serial(), done.rows(), time.toMillis());
    }
    return "cursorstream.same_transaction(%s, %s, %s) AS s,\n"
            .formatted(run, lease.number(), lease.serial())
        + "cursorstream.complete_part(%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"
            .formatted(
                run,
                lease.number(),
                lease.epoch(),
                lease.serial(),
                done.rows(),
                Statements.literal(Statements.afters(Statements.ranges(rest))),
                Statements.literal(Statements.upTos(Statements.ranges(rest))),
                Statements.literal(Statements.attempts(rest)),
                Statements.literal(Statements.delays(rest)),
                time.toMillis());
  }
}
