package io.github.cursorstream.r2dbc.store;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.github.cursorstream.r2dbc.keyset.CleanDatabase;
import io.github.cursorstream.run.BatchDone;
import io.github.cursorstream.run.Lease;
import io.github.cursorstream.run.NewRun;
import io.github.cursorstream.run.Run;
import io.github.cursorstream.run.RunParameters;
import io.r2dbc.pool.ConnectionPool;
import io.r2dbc.spi.Clob;
import io.r2dbc.spi.Connection;
import io.r2dbc.spi.IsolationLevel;
import io.r2dbc.spi.R2dbcException;
import io.r2dbc.spi.R2dbcTimeoutException;
import io.r2dbc.spi.Result;
import io.r2dbc.spi.ValidationDepth;
import java.time.Duration;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.function.Function;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.reactivestreams.Publisher;
import reactor.core.publisher.Flux;
import reactor.core.publisher.Mono;
import reactor.core.publisher.Sinks;

/** What a batch's work can do with its connection, and what it cannot. */
@Timeout(60)
class BatchConnectionIT {

  @RegisterExtension
  static final CleanDatabase clean =
      new CleanDatabase(
          "CREATE TABLE done (v int)",
          "CREATE TABLE parent (id int PRIMARY KEY)",
          "CREATE TABLE child (id int REFERENCES parent DEFERRABLE INITIALLY DEFERRED)");

  private static final Duration LEASE = Duration.ofSeconds(5);
  private static final Duration SOON = Duration.ofSeconds(20);

  private ConnectionPool pool;
  private PostgresRunStore store;

  @BeforeEach
  void open() {
    pool = clean.pool(1);
    store = PostgresRunStore.create(pool);
    store.migrate().block(SOON);
    clean.database().execute("TRUNCATE cursorstream.run CASCADE; TRUNCATE done, child");
  }

  private Lease lease() {
    RunParameters parameters = RunParameters.DEFAULTS.timeout(Duration.ofSeconds(2));
    Run run = store.create(new NewRun("r", "k", "", parameters, false), "me").block(SOON);
    run = store.open(run.id(), null, "b", "me").block(SOON);
    store.extend(run, List.of("a", "b")).block(SOON);
    return store.take("me", Set.of("k"), LEASE).block(SOON);
  }

  private Lease done(Lease lease, Function<Connection, Publisher<?>> work) {
    return store
        .inTransaction(
            lease,
            (beginning, c) -> Flux.from(work.apply(c)).then(Mono.just(BatchDone.all(1))),
            LEASE)
        .block(SOON);
  }

  private static Mono<Void> run(Connection connection, String sql) {
    return Flux.from(connection.createStatement(sql).execute())
        .concatMap(result -> result.getRowsUpdated())
        .then();
  }

  private long rows() {
    return clean.database().count("SELECT count(*) FROM done");
  }

  private Run seen(Lease lease) {
    return store.find(lease.run().id()).block(SOON);
  }

  static Stream<Function<Connection, Publisher<Void>>> endOfTheTransactionIsRefused() {
    return Stream.of(
        Connection::beginTransaction,
        c -> c.beginTransaction(IsolationLevel.SERIALIZABLE),
        Connection::commitTransaction,
        Connection::rollbackTransaction,
        Connection::close,
        c -> c.setAutoCommit(true),
        c -> c.setTransactionIsolationLevel(IsolationLevel.SERIALIZABLE));
  }

  @ParameterizedTest
  @MethodSource
  void endOfTheTransactionIsRefused(Function<Connection, Publisher<Void>> call) {
    Lease lease = lease();
    assertThatThrownBy(
            () -> done(lease, c -> run(c, "INSERT INTO done VALUES (1)").thenMany(call.apply(c))))
        .isInstanceOf(IllegalStateException.class)
        .hasMessageContaining("must be left in its transaction but the work called ")
        .hasMessageContaining("rolled back");
    assertThat(rows()).isZero();
    assertThat(seen(lease).batches()).isZero();
    // It is still held, and can be done.
    assertThat(done(lease, c -> run(c, "INSERT INTO done VALUES (1)")).range()).isNotNull();
    assertThat(rows()).isEqualTo(1);
  }

  @ParameterizedTest
  @ValueSource(strings = {"COMMIT", "ROLLBACK", "COMMIT AND CHAIN", "COMMIT; BEGIN"})
  void transactionEndedByTextFailsAndDoesNotCount(String sql) {
    Lease lease = lease();
    assertThatThrownBy(
            () ->
                done(
                    lease,
                    c ->
                        run(c, "INSERT INTO done VALUES (1)")
                            .then(run(c, sql))
                            .then(run(c, "INSERT INTO done VALUES (2)"))))
        .isInstanceOfSatisfying(
            R2dbcException.class, e -> assertThat(e.getSqlState()).isEqualTo("CS002"));
    assertThat(seen(lease).batches()).isZero();
    assertThat(seen(lease).position()).isEqualTo("a");
  }

  static Stream<Function<Connection, Publisher<?>>> nothingIsSentToATransactionThatHasNotBegun() {
    String insert = "INSERT INTO done VALUES (1)";
    return Stream.of(
        c -> run(c, insert),
        c -> Flux.from(c.createBatch().add(insert).execute()).concatMap(Result::getRowsUpdated),
        c -> c.createSavepoint("s"),
        c -> c.releaseSavepoint("s"),
        c -> c.rollbackTransactionToSavepoint("s"),
        c -> c.setStatementTimeout(SOON),
        c -> c.setLockWaitTimeout(SOON),
        c -> c.validate(ValidationDepth.REMOTE));
  }

  @Test
  void aValueThatArrivesLaterIsRefused() {
    Lease lease = lease();
    assertThatThrownBy(
            () ->
                done(
                    lease,
                    c ->
                        c.createStatement("INSERT INTO done SELECT length($1)")
                            .bind("$1", Clob.from(Mono.never()))
                            .execute()))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("it was a Clob, which arrives later; collect it first");
  }

  @ParameterizedTest
  @MethodSource
  void nothingIsSentToATransactionThatHasNotBegun(Function<Connection, Publisher<?>> call) {
    Mono<Void> failed = Mono.error(new IllegalStateException("not begun"));
    assertThatThrownBy(
            () ->
                Flux.usingWhen(
                        pool.create(),
                        c -> call.apply(new BatchConnection(c, failed, new SendingGate())),
                        Connection::close)
                    .blockLast(SOON))
        .hasMessage("not begun");
    assertThat(rows()).isZero();
  }

  static Stream<Mono<Void>> statementThatComesAfterTheWorkIsRefused() {
    return Stream.of(Mono.empty(), Mono.error(new IllegalStateException("failed")));
  }

  @ParameterizedTest
  @MethodSource
  void statementThatComesAfterTheWorkIsRefused(Mono<Void> end) {
    Lease lease = lease();
    Sinks.One<String> refusal = Sinks.one();
    Mono<Lease> batch =
        store.inTransaction(
            lease,
            (beginning, c) -> {
              // Waits for the transaction to begin, which it has not when the work has ended.
              run(c, "INSERT INTO done VALUES (1)")
                  .subscribe(v -> {}, e -> refusal.tryEmitValue(e.getMessage()));
              return end.thenReturn(BatchDone.all(1));
            },
            LEASE);
    batch.onErrorComplete().block(SOON);
    assertThat(refusal.asMono().block(SOON))
        .contains("used before the work ends", "part of the Publisher that the work returns");
    assertThat(rows()).isZero();
  }

  static Stream<Function<Result, Publisher<?>>> resultThatIsLookedAtAfterTheWorkIsRefused() {
    return Stream.of(
        Result::getRowsUpdated,
        result -> result.map(row -> true),
        result -> result.map((row, metadata) -> true),
        result -> result.flatMap(segment -> Mono.just(true)),
        result -> result.filter(segment -> true).getRowsUpdated());
  }

  /** The driver sends a statement with values when its result is looked at, each time anew. */
  @ParameterizedTest
  @MethodSource
  void resultThatIsLookedAtAfterTheWorkIsRefused(Function<Result, Publisher<?>> look) {
    Lease lease = lease();
    Sinks.One<Result> result = Sinks.one();
    done(
        lease,
        c ->
            Flux.from(c.createStatement("INSERT INTO done VALUES ($1)").bind("$1", 1).execute())
                .doOnNext(result::tryEmitValue)
                .then());
    Result late = result.asMono().block(SOON);
    assertThatThrownBy(() -> Flux.from(look.apply(late)).blockLast(SOON))
        .isInstanceOf(IllegalStateException.class)
        .hasMessageContaining("used before the work ends");
    assertThat(Flux.from(look.apply(late)).collectList().block(SOON)).isEmpty();
    assertThat(rows()).isZero();
  }

  @Test
  void rowsThatAreReadAfterTheWorkAreRefused() {
    Lease lease = lease();
    Sinks.One<Flux<Boolean>> reading = Sinks.one();
    store
        .inTransaction(
            lease,
            (beginning, c) -> {
              reading.tryEmitValue(
                  Flux.from(beginning.createStatement("SELECT 1").execute())
                      .flatMap(result -> result.map(row -> true)));
              return Mono.just(BatchDone.all(1));
            },
            LEASE)
        .block(SOON);
    assertThatThrownBy(() -> reading.asMono().flatMapMany(rows -> rows).blockLast(SOON))
        .isInstanceOf(IllegalStateException.class)
        .hasMessageContaining("used before the work ends");
  }

  @Test
  void failureOfATransactionIsToldAlsoIfItCannotBeRolledBack() {
    Mono<Long> cut =
        Mono.usingWhen(
            pool.create(),
            c ->
                Transaction.of(
                    c, run(c, "SELECT pg_terminate_backend(pg_backend_pid())").thenReturn(1L)),
            Connection::close);
    assertThatThrownBy(() -> cut.block(SOON))
        .isInstanceOfSatisfying(
            R2dbcException.class, e -> assertThat(e.getSqlState()).isEqualTo("57P01"));
  }

  @Test
  void whatHoldsUpTheBeginningHoldsUpTheReadingToo() {
    Lease lease = lease();
    String lock = "SELECT pg_advisory_xact_lock(cursorstream.lock_key(%d, %d))";
    Connection other = Mono.from(clean.pool(1).create()).block(SOON);
    Mono.from(other.beginTransaction())
        .then(run(other, lock.formatted(lease.run().id(), lease.number())))
        .block(SOON);
    try {
      assertThatThrownBy(
              () ->
                  store
                      .inTransaction(
                          lease,
                          (beginning, c) ->
                              run(beginning, "INSERT INTO done VALUES (1)")
                                  .thenReturn(BatchDone.all(1)),
                          LEASE)
                      .block(SOON))
          .isInstanceOfSatisfying(
              R2dbcException.class, e -> assertThat(e.getSqlState()).isIn("55P03", "57014"));
    } finally {
      Mono.from(other.close()).block(SOON);
    }
    assertThat(rows()).isZero();
  }

  @Test
  void theLanguageOfTheJvmDoesNotMatter() {
    Lease lease = lease();
    Locale before = Locale.getDefault();
    Locale.setDefault(Locale.forLanguageTag("ar-EG-u-nu-arab"));
    try {
      Lease next = done(lease, c -> run(c, "INSERT INTO done VALUES (1)"));
      store
          .inOneStatement(next, "INSERT INTO done VALUES ($1::int)", List.of("2"), LEASE)
          .block(SOON);
    } finally {
      Locale.setDefault(before);
    }
    assertThat(rows()).isEqualTo(2);
  }

  @Test
  void savepointsWork() {
    done(
        lease(),
        c ->
            Flux.concat(
                run(c, "INSERT INTO done VALUES (1)"),
                c.createSavepoint("s"),
                run(c, "INSERT INTO nosuch VALUES (1)").onErrorResume(e -> Mono.empty()),
                c.rollbackTransactionToSavepoint("s"),
                c.createSavepoint("s2"),
                run(c, "INSERT INTO done VALUES (2)"),
                c.releaseSavepoint("s2")));
    assertThat(rows()).isEqualTo(2);
  }

  @Test
  void settingsOfTheSessionAreThereForTheNextBorrower() {
    String settings =
        "SELECT string_agg(name || '=' || setting, ',' ORDER BY name) AS s FROM pg_settings WHERE"
            + " name IN ('statement_timeout', 'lock_timeout', 'transaction_isolation',"
            + " 'idle_in_transaction_session_timeout', 'default_transaction_isolation')";
    Mono<String> now =
        Mono.usingWhen(
            pool.create(),
            c ->
                Flux.from(c.createStatement(settings).execute())
                    .concatMap(result -> result.map(row -> row.get("s", String.class)))
                    .single(),
            Connection::close);
    String before = now.block(SOON);
    Lease lease = lease();
    Function<Connection, Publisher<?>> work =
        c ->
            Flux.concat(
                c.setStatementTimeout(Duration.ofMillis(1_234)),
                c.setLockWaitTimeout(Duration.ofMillis(567)),
                Flux.from(c.createStatement(settings).execute())
                    .concatMap(result -> result.map(row -> row.get("s", String.class)))
                    .doOnNext(
                        inside ->
                            assertThat(inside)
                                .contains(
                                    "statement_timeout=1234",
                                    "lock_timeout=567",
                                    ",transaction_isolation=read committed",
                                    "idle_in_transaction_session_timeout=5000")));
    done(lease, work);
    assertThat(now.block(SOON)).isEqualTo(before);
    clean.database().execute("TRUNCATE cursorstream.run CASCADE");
    assertThatThrownBy(
            () ->
                done(lease(), c -> Flux.concat(work.apply(c), Mono.error(new RuntimeException()))))
        .isInstanceOf(RuntimeException.class);
    assertThat(now.block(SOON)).isEqualTo(before);
  }

  @Test
  void failureOfTheCommitIsAFailureOfTheBatch() {
    Lease lease = lease();
    assertThatThrownBy(() -> done(lease, c -> run(c, "INSERT INTO child VALUES (7)")))
        .hasMessageContaining("child_id_fkey");
    assertThat(seen(lease).batches()).isZero();
    assertThatThrownBy(
            () ->
                store
                    .inOneStatement(
                        lease, "INSERT INTO child VALUES ($1::int)", List.of("7"), LEASE)
                    .block(SOON))
        .hasMessageContaining("child_id_fkey");
    assertThat(seen(lease).batches()).isZero();
    assertThat(done(lease, c -> Mono.empty()).range()).isNotNull();
  }

  @Test
  void batchThatNeverEndsIsGivenUp() {
    Lease lease = lease();
    assertThatThrownBy(() -> done(lease, c -> Mono.never()))
        .isInstanceOf(R2dbcTimeoutException.class);
    assertThat(done(lease, c -> Mono.empty()).range()).isNotNull();
  }
}
