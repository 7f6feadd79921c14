package io.github.cursorstream.r2dbc.store;

import io.github.cursorstream.r2dbc.internal.Connections;
import io.github.cursorstream.r2dbc.internal.Failures;
import io.github.cursorstream.run.Again;
import io.github.cursorstream.run.BatchDone;
import io.github.cursorstream.run.BatchFailure;
import io.github.cursorstream.run.Conclusion;
import io.github.cursorstream.run.DeadLetter;
import io.github.cursorstream.run.Lease;
import io.github.cursorstream.run.LostLeaseException;
import io.github.cursorstream.run.NewRun;
import io.github.cursorstream.run.Remaining;
import io.github.cursorstream.run.Run;
import io.github.cursorstream.run.RunEvent;
import io.github.cursorstream.run.RunParameters;
import io.github.cursorstream.run.RunState;
import io.github.cursorstream.run.RunStore;
import io.github.cursorstream.run.Telling;
import io.github.cursorstream.run.Verb;
import io.github.cursorstream.run.VerbResult;
import io.r2dbc.spi.Connection;
import io.r2dbc.spi.ConnectionFactory;
import io.r2dbc.spi.Row;
import java.time.Duration;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.function.BiFunction;
import java.util.function.Function;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;
import reactor.core.publisher.Flux;
import reactor.core.publisher.Mono;

/**
 * Runs in tables of the schema {@code cursorstream}, which any number of applications may share.
 * What has to be atomic is a function there: see the resource {@code V1__runs.sql}, which {@link
 * #migrate()}, Flyway or Liquibase install. The first call makes sure that it is there, and of the
 * version that this library works with; another one is an {@link IllegalStateException}.
 *
 * <p>Each call takes a connection for as long as it lasts, and no session state: a pooler in
 * transaction mode is fine, but for {@link #listenOn listening}. Lease times go by the server's
 * clock.
 */
public final class PostgresRunStore implements RunStore {

  /** How long a store's own statement may take: it holds no lock for longer than a batch's end. */
  private static final Duration TIMEOUT = Duration.ofSeconds(30);

  /** How long what people say waits for the pool, until it takes a connection beside it. */
  private static final Duration PATIENCE = Duration.ofMillis(500);

  /** SQLSTATE of the fence in V1__runs.sql. */
  private static final String LOST = "CS001";

  /** Reads runs r. */
  static final String READ = "SELECT c.* FROM cursorstream.run AS r, cursorstream.counted(r) AS c ";

  /** Reads what the functions return: the slot, and the run as it is then. */
  static final String LEASE =
      "SELECT c.number, c.epoch, c.serial, c.after, c.upto, c.attempt, c.next_after, c.next_upto,"
          + " (c.run).* FROM ";

  /** Whether the dependency of run r has succeeded, if it has one. */
  private static final String IS_MET =
      """
      (r.depends_on IS NULL OR 'SUCCEEDED' = (SELECT d.state FROM cursorstream.run AS d
        WHERE d.name = r.depends_on ORDER BY d.id DESC LIMIT 1))""";

  /** SQLSTATE of a statement that another transaction got in the way of, but for READ COMMITTED. */
  private static final String SERIALIZATION_FAILURE = "40001";

  /** What a batch's transaction may take beyond what its statements may, until it is given up. */
  private static final Duration GRACE = Duration.ofSeconds(1);

  /** For what the schema is not there yet. */
  private final Connections unchecked;

  private final Connections connections;

  /** For signs of life, and for what people say. */
  private final Connections beside;

  private final int poolSize;
  private final ChangeListener listener;

  private PostgresRunStore(
      Connections unchecked,
      Connections connections,
      Connections beside,
      int poolSize,
      ChangeListener listener) {
    this.unchecked = unchecked;
    this.connections = connections;
    this.beside = beside;
    this.poolSize = poolSize;
    this.listener = listener;
  }

  /**
   * A store in this database. For work that shares a transaction with its place, it has to be the
   * database that the work writes to.
   *
   * @param connectionFactory a pool, with a connection for each consumer of this node and one more;
   *     one beside it is taken to listen, from the factory under the pool
   * @return a store
   */
  public static PostgresRunStore create(ConnectionFactory connectionFactory) {
    Connections unchecked =
        Connections.of(Objects.requireNonNull(connectionFactory, "connectionFactory"));
    return new PostgresRunStore(
        unchecked,
        new CheckedConnections(unchecked),
        new CheckedConnections(Connections.beside(connectionFactory)),
        PoolSize.of(connectionFactory),
        new ChangeListener(connectionFactory, unchecked));
  }

  /**
   * This store, which listens for changes over a connection of another factory. It is needed if the
   * store's own leads through a pooler in transaction mode, behind which nothing is heard. Defaults
   * to the store's own, where a pool is passed by: the connection comes from the factory under it.
   *
   * @param direct leads to the server itself, or to a pooler in session mode
   * @return another store over the same tables
   */
  public PostgresRunStore listenOn(ConnectionFactory direct) {
    return new PostgresRunStore(
        unchecked,
        connections,
        beside,
        poolSize,
        new ChangeListener(Objects.requireNonNull(direct, "direct"), unchecked));
  }

  /**
   * Installs or updates the schema {@code cursorstream}. Nodes that do so at the same time wait for
   * each other.
   *
   * @return done; an error if the schema is newer than this library
   */
  public Mono<Void> migrate() {
    return unchecked.use(Migration::run, null);
  }

  @Override
  public Mono<Run> create(NewRun run, String who) {
    RunParameters p = run.parameters();
    Mono<Run> inserted =
        query(
                """
                WITH created AS (
                  INSERT INTO cursorstream.run (name, kind, arguments, state, batch_size, consumers,
                    pause_ms, rows_per_second, attempts, min_backoff_ms, max_backoff_ms,
                    dead_letter_budget, timeout_ms, depends_on, gate)
                  VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14,
                    CASE WHEN $15 THEN '' END)
                  ON CONFLICT (name, md5(arguments))
                    WHERE state NOT IN ('CANCELLED', 'FAILED', 'SUCCEEDED') DO NOTHING
                  RETURNING *),
                logged AS (
                  INSERT INTO cursorstream.event (run, type, who)
                  SELECT id, 'CREATED', $16 FROM created),
                hooked AS (
                  INSERT INTO cursorstream.telling (run) SELECT id FROM created WHERE $17)
                SELECT r.* FROM created AS r""",
                Rows::run,
                run.name(),
                run.kind(),
                run.arguments(),
                (run.held() ? RunState.HELD : RunState.ENQUEUED).name(),
                p.batchSize(),
                p.consumers(),
                p.pause().toMillis(),
                p.rowsPerSecond(),
                p.attempts(),
                p.minBackoff().toMillis(),
                p.maxBackoff().toMillis(),
                p.deadLetters(),
                p.timeout().toMillis(),
                Statements.text(run.dependsOn()),
                run.gated(),
                who,
                run.hooked())
            .next();
    Mono<Run> alive =
        query(
                """
                SELECT r.* FROM cursorstream.run AS r WHERE name = $1 AND md5(arguments) = md5($2)
                AND state NOT IN ('CANCELLED', 'FAILED', 'SUCCEEDED')""",
                Rows::run,
                run.name(),
                run.arguments())
            .next();
    // Again, should that one end in between.
    return inserted.switchIfEmpty(alive).repeatWhenEmpty(10, attempts -> attempts);
  }

  @Override
  public Mono<Run> find(long id) {
    return query(READ + "WHERE r.id = $1", Rows::run, id).next();
  }

  @Override
  public Mono<Run> latest(String name) {
    return query(READ + "WHERE r.name = $1 ORDER BY r.id DESC LIMIT 1", Rows::run, name).next();
  }

  @Override
  public Flux<Run> runs() {
    return query(READ + "WHERE $1 ORDER BY r.id", Rows::run, true);
  }

  @Override
  public <T> Mono<T> session(Function<? super RunStore, Mono<T>> calls) {
    return connections.session(
        same -> calls.apply(new PostgresRunStore(unchecked, same, beside, poolSize, listener)));
  }

  @Override
  public Flux<Run> enqueued(Set<String> kinds) {
    return query(
        """
        SELECT r.* FROM cursorstream.run AS r WHERE state = 'ENQUEUED' AND kind = ANY ($1)
        AND %s ORDER BY id"""
            .formatted(IS_MET),
        Rows::run,
        (Object) kinds.toArray(String[]::new));
  }

  @Override
  public Mono<Telling> untold(Set<String> kinds, Duration lease) {
    return query(
            """
            SELECT c.telling, (c.event).id AS event, (c.event).at, (c.event).type, (c.event).who,
              (c.event).detail, (c.run).* FROM cursorstream.untold($1, $2) AS c""",
            Rows::telling,
            kinds.toArray(String[]::new),
            lease.toMillis())
        .next();
  }

  @Override
  public Mono<Void> told(Telling telling, String who, @Nullable String error) {
    return query(
            "SELECT true FROM cursorstream.told($1, $2, $3, $4, $5)",
            row -> true,
            telling.run().id(),
            telling.event().id(),
            telling.attempt(),
            who,
            Statements.text(error))
        .then();
  }

  @Override
  public Mono<VerbResult> say(long run, Verb verb, String who, @Nullable String why) {
    return locked(run, (connection, found) -> Steering.say(connection, found, verb, who, why));
  }

  @Override
  public Mono<Run> change(long run, UnaryOperator<RunParameters> change, String who) {
    return locked(run, (connection, found) -> Steering.change(connection, found, change, who));
  }

  @Override
  public Mono<Remaining> remaining(long run) {
    return query(RemainingSql.READ, Rows::remaining, run)
        .next()
        .switchIfEmpty(Mono.error(() -> unknown(run)));
  }

  @Override
  public Mono<VerbResult> move(long run, Remaining from, Remaining to, String who, String what) {
    return locked(
        run, (connection, found) -> Steering.move(connection, found, from, to, who, what));
  }

  @Override
  public Flux<RunEvent> events(long run, long after) {
    return query(
        "SELECT * FROM cursorstream.event WHERE run = $1 AND id > $2 ORDER BY id",
        Rows::event,
        run,
        after);
  }

  @Override
  public Flux<DeadLetter> deadLetters(long run) {
    return query(
        """
        SELECT run, after, upto, "row"::text AS row, error, attempts, at
        FROM cursorstream.dead_letter WHERE run = $1 ORDER BY id""",
        Rows::deadLetter,
        run);
  }

  @Override
  public Mono<Long> retryDeadLetters(long run, String who) {
    return locked(run, (connection, found) -> Steering.retryDeadLetters(connection, found, who));
  }

  /**
   * {@inheritDoc}
   *
   * <p>At most 1,000 rows, or few more, and 100 runs at a time.
   */
  @Override
  public Mono<Long> purge(Duration age) {
    return query(
            "SELECT gone FROM cursorstream.purge($1) AS gone",
            row -> Rows.number(row, "gone"),
            age.toMillis())
        .single();
  }

  /**
   * {@inheritDoc}
   *
   * <p>They come by NOTIFY. While anybody is subscribed this store has one connection of its own,
   * which listens, for all of them. If that breaks it connects again, and says {@link #ANY}.
   */
  @Override
  public Flux<Long> changes() {
    return listener.changes();
  }

  @Override
  public Mono<Run> open(long run, @Nullable String start, @Nullable String upper, String who) {
    return query(
            """
            WITH opened AS (
              UPDATE cursorstream.run AS r SET state = CASE WHEN $3::text IS NULL THEN 'SUCCEEDED'
                  ELSE 'RUNNING' END,
                start = $2::text, position = $2::text, tail = $2::text, upper = $3::text,
                started_at = clock_timestamp(),
                ended_at = CASE WHEN $3::text IS NULL THEN clock_timestamp() END
              WHERE id = $1 AND state = 'ENQUEUED' AND %s RETURNING *),
            logged AS (
              INSERT INTO cursorstream.event (run, type, who)
              SELECT id, unnest(CASE WHEN upper IS NULL THEN '{OPENED,SUCCEEDED}'::text[]
                ELSE '{OPENED}' END), $4 FROM opened),
            slots AS (
              INSERT INTO cursorstream.consumer (run, number)
              SELECT id, generate_series(1, consumers) FROM opened WHERE upper IS NOT NULL)
            SELECT r.* FROM opened AS r"""
                .formatted(IS_MET),
            Rows::run,
            run,
            Statements.text(start),
            Statements.text(upper == null || upper.equals(start) ? null : upper),
            who)
        .next()
        .switchIfEmpty(find(run));
  }

  @Override
  public Mono<Void> refuse(long run, String error, String who) {
    return query(
            """
            WITH refused AS (
              UPDATE cursorstream.run SET state = 'FAILED', error = $2,
                ended_at = clock_timestamp() WHERE id = $1 AND state = 'ENQUEUED' RETURNING id)
            INSERT INTO cursorstream.event (run, type, who, detail)
            SELECT id, 'FAILED', $3, $2 FROM refused RETURNING id""",
            row -> true,
            run,
            error,
            who)
        .then();
  }

  @Override
  public Mono<Void> extend(Run seen, List<String> ends) {
    return query(
            """
            UPDATE cursorstream.run SET ends = ends || $3::text[],
              tail = coalesce(($3::text[])[cardinality($3::text[])], tail),
              upper = CASE WHEN cardinality($3::text[]) = 0 THEN tail ELSE upper END
            WHERE id = $1 AND block >= (SELECT block FROM cursorstream.run WHERE id = $1
                ORDER BY block DESC LIMIT 1)
              AND tail IS NOT DISTINCT FROM $2::text
              AND coalesce(skip_after[skips_passed + 1], upper) IS NOT DISTINCT FROM $4::text
              AND tail IS DISTINCT FROM $4::text AND batch_size = $5
            RETURNING id""",
            row -> true,
            seen.id(),
            Statements.text(seen.tail()),
            ends.toArray(String[]::new),
            Statements.text(seen.stop()),
            seen.parameters().batchSize())
        .then();
  }

  @Override
  public int maxConsumers() {
    return poolSize - 1;
  }

  @Override
  public Mono<Long> attend(String owner, Set<String> kinds, int room, Duration time) {
    return query(
            "SELECT run FROM cursorstream.attend($1, $2, $3, $4) AS run",
            row -> Rows.number(row, "run"),
            owner,
            kinds.stream().sorted().toArray(String[]::new),
            room,
            time.toMillis())
        .next();
  }

  @Override
  public Mono<Void> leave(String owner) {
    return query("SELECT true FROM cursorstream.leave($1)", row -> true, owner).then();
  }

  @Override
  public Mono<Lease> take(String owner, Set<String> kinds, Duration lease) {
    return query(
            LEASE + "cursorstream.take($1, $2, $3) AS c",
            Rows::lease,
            owner,
            kinds.toArray(String[]::new),
            lease.toMillis())
        .next();
  }

  /**
   * {@inheritDoc}
   *
   * <p>A pool that is exhausted, by the work itself perhaps, does not cost the slot: a connection
   * beside it is taken after a sixth of the time.
   */
  @Override
  public Mono<Boolean> renew(Lease lease, Duration time) {
    Function<Connection, Mono<Boolean>> renewed =
        connection ->
            Statements.query(
                    connection,
                    """
                    UPDATE cursorstream.consumer
                    SET lease_until = clock_timestamp() + $4 * interval '1 ms'
                    WHERE run = $1 AND number = $2 AND epoch = $3 RETURNING number""",
                    row -> true,
                    lease.run().id(),
                    lease.number(),
                    lease.epoch(),
                    time.toMillis())
                .next()
                .defaultIfEmpty(false);
    return committed(urgent(time.dividedBy(6)), renewed, TIMEOUT);
  }

  private Connections urgent(Duration patience) {
    return new UrgentConnections(connections, beside, patience);
  }

  @Override
  public Mono<Void> release(Lease lease) {
    return query(
            "SELECT true FROM cursorstream.release($1, $2, $3)",
            row -> true,
            lease.run().id(),
            lease.number(),
            lease.epoch())
        .then();
  }

  @Override
  public Mono<Lease> complete(Lease lease, BatchDone done, Duration time) {
    List<Again> rest = done.rest();
    Flux<Lease> completed =
        rest.isEmpty()
            ? query(
                LEASE + "cursorstream.complete($1, $2, $3, $4, $5, $6) AS c",
                row -> Rows.lease(row, lease.run()),
                lease.run().id(),
                lease.number(),
                lease.epoch(),
                lease.serial(),
                done.rows(),
                time.toMillis())
            : query(
                LEASE + "cursorstream.complete_part($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) AS c",
                Rows::lease,
                lease.run().id(),
                lease.number(),
                lease.epoch(),
                lease.serial(),
                done.rows(),
                Statements.afters(Statements.ranges(rest)),
                Statements.upTos(Statements.ranges(rest)),
                Statements.attempts(rest),
                Statements.delays(rest),
                time.toMillis());
    return completed.next().onErrorMap(e -> lost(e, lease));
  }

  @Override
  public Mono<Lease> conclude(Lease lease, Conclusion conclusion, Duration time) {
    if (!lease.concludes()) {
      throw new IllegalArgumentException("the empty range required but it was " + lease.range());
    }
    return query(
            LEASE + "cursorstream.conclude($1, $2, $3, $4, $5, $6, $7, $8, $9) AS c",
            Rows::lease,
            lease.run().id(),
            lease.number(),
            lease.epoch(),
            lease.serial(),
            conclusion.state().name(),
            Statements.text(conclusion.upper()),
            conclusion.gate(),
            Statements.text(conclusion.why()),
            time.toMillis())
        .next()
        .onErrorMap(e -> lost(e, lease));
  }

  @Override
  public Mono<Lease> fail(Lease lease, BatchFailure failure, Duration time) {
    List<Again> again = failure.again();
    DeadLetter dead = failure.deadLetter();
    return query(
            LEASE
                + "cursorstream.fail($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14,"
                + " $15, $16) AS c",
            Rows::lease,
            lease.run().id(),
            lease.number(),
            lease.epoch(),
            lease.serial(),
            failure.error(),
            Statements.afters(Statements.ranges(again)),
            Statements.upTos(Statements.ranges(again)),
            Statements.attempts(again),
            Statements.delays(again),
            Statements.text(dead == null ? null : dead.range().after()),
            Statements.text(dead == null ? null : dead.range().upTo()),
            Statements.text(dead == null ? null : dead.row()),
            Statements.text(dead == null ? null : dead.error()),
            dead == null ? 0 : dead.attempts(),
            failure.fatal(),
            time.toMillis())
        .next()
        .onErrorMap(e -> lost(e, lease));
  }

  /**
   * Does a batch and completes it in one transaction: both, or neither. The transaction is READ
   * COMMITTED, with time limits of its own; its last statement and COMMIT leave in one message.
   *
   * <pre>
   * BEGIN ISOLATION LEVEL READ COMMITTED;
   * SET LOCAL statement_timeout = …; SET LOCAL lock_timeout = …;
   * SET LOCAL idle_in_transaction_session_timeout = …;
   * SELECT set_config('cursorstream.batch', …, true),
   *   pg_advisory_xact_lock(cursorstream.lock_key(…))
   *
   * …the work…
   *
   * SELECT … FROM cursorstream.complete_in_transaction(…); COMMIT
   * </pre>
   *
   * <p>Not API: for the room of backfills.
   *
   * @param lease held, with a range
   * @param work tells what it did. It is given the connection twice: to read rows over it behind
   *     the BEGIN without a wait for its answer; and for all else, which waits for that. Both
   *     refuse to end the transaction, and what comes after the work
   * @param time how long the slot is the owner's from then on
   * @return the lease with its next range
   */
  public Mono<Lease> inTransaction(
      Lease lease, BiFunction<Connection, Connection, Mono<BatchDone>> work, Duration time) {
    return connections
        .use(
            connection -> BatchTransaction.run(connection, lease, work, time),
            lease.run().parameters().timeout().plus(GRACE))
        .onErrorMap(e -> lost(e, lease));
  }

  /**
   * Does a batch that is one statement, and completes it in the same message, which leaves at once:
   * with values of its own the driver would keep it until the one before has been answered.
   *
   * <pre>
   * SELECT … FROM cursorstream.work(E'…the statement…', ARRAY[E'…', …]::text[], …)
   * </pre>
   *
   * <p>Not API: for the room of backfills.
   *
   * @param lease held, with a range
   * @param sql an INSERT, UPDATE, DELETE or MERGE; its parameters are text, at most 64
   * @param values of {@code $1…}
   * @param time how long the slot is the owner's from then on
   * @return the lease with its next range
   */
  public Mono<Lease> inOneStatement(Lease lease, String sql, List<String> values, Duration time) {
    String work =
        "cursorstream.work(%s, %s::text[], %s, %s, %s, %s, %s) AS c"
            .formatted(
                Statements.literal(sql),
                Statements.literal(values.toArray()),
                lease.run().id(),
                lease.number(),
                lease.epoch(),
                lease.serial(),
                time.toMillis());
    // To its end: what fails with the commit, as a deferred constraint does, comes behind the row.
    return committed(
            connections,
            connection ->
                Statements.inOneMessage(
                        connection, row -> Rows.lease(row, lease.run()), LEASE + work)
                    .single(),
            lease.run().parameters().timeout())
        .onErrorMap(e -> lost(e, lease));
  }

  private static Throwable lost(Throwable failure, Lease lease) {
    return LOST.equals(Failures.sqlState(failure)) ? new LostLeaseException(lease) : failure;
  }

  private <T> Flux<T> query(String sql, Function<Row, T> mapper, Object... binds) {
    return committed(
            connections,
            connection -> Statements.query(connection, sql, mapper, binds).collectList(),
            TIMEOUT)
        .flatMapIterable(rows -> rows);
  }

  /**
   * One statement, by itself. Where the session's default is not READ COMMITTED it fails whenever
   * somebody was faster, and is done again in a transaction that is.
   */
  private static <T> Mono<T> committed(
      Connections from, Function<Connection, Mono<T>> statement, Duration timeout) {
    return from.use(statement, timeout)
        .onErrorResume(
            e -> SERIALIZATION_FAILURE.equals(Failures.sqlState(e)),
            e -> from.use(c -> Transaction.of(c, statement.apply(c)), timeout));
  }

  private static IllegalArgumentException unknown(long run) {
    return new IllegalArgumentException(
        "a run of the store required but there is none with id " + run);
  }

  /**
   * Works on a run while its slots and then itself are locked: everybody locks in this order. The
   * owners of the slots are told of it with their next batch. One at a time, or the slots that one
   * adds would not be seen, and so not locked, by another who is waiting.
   */
  private <T> Mono<T> locked(long run, BiFunction<Connection, Run, Mono<T>> work) {
    return urgent(PATIENCE)
        .use(
            connection ->
                Transaction.of(
                    connection,
                    Statements.query(
                            connection,
                            "SELECT true FROM pg_advisory_xact_lock(cursorstream.lock_key($1, 0))",
                            row -> true,
                            run)
                        .then(
                            Statements.update(
                                connection,
                                """
                        UPDATE cursorstream.consumer AS c SET steered = true
                        FROM (SELECT run, number FROM cursorstream.consumer WHERE run = $1
                          ORDER BY number FOR UPDATE) AS s
                        WHERE c.run = s.run AND c.number = s.number""",
                                run))
                        .then(
                            Statements.query(
                                    connection,
                                    """
                                SELECT r.* FROM cursorstream.run AS r WHERE id = $1 FOR UPDATE""",
                                    Rows::run,
                                    run)
                                .next())
                        .switchIfEmpty(Mono.error(() -> unknown(run)))
                        .flatMap(found -> work.apply(connection, found))),
            TIMEOUT);
  }
}
