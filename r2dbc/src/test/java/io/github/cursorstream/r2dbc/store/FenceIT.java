package io.github.cursorstream.r2dbc.store;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.github.cursorstream.run.BatchDone;
import io.github.cursorstream.run.Lease;
import io.github.cursorstream.run.LostLeaseException;
import io.github.cursorstream.run.NewRun;
import io.github.cursorstream.run.Range;
import io.github.cursorstream.run.Run;
import io.github.cursorstream.run.RunParameters;
import io.github.cursorstream.run.RunState;
import io.github.cursorstream.run.Verb;
import io.github.cursorstream.testing.TestDatabase;
import io.github.cursorstream.testing.TestPostgres;
import io.r2dbc.pool.ConnectionPool;
import io.r2dbc.spi.R2dbcException;
import io.r2dbc.spi.Result;
import java.time.Duration;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import reactor.core.publisher.Flux;
import reactor.core.publisher.Mono;

/** Who may complete what, step by step. */
class FenceIT {

  private static final Duration LEASE = Duration.ofSeconds(30);

  private static TestDatabase database;
  private static ConnectionPool pool;

  private PostgresRunStore store;

  @BeforeAll
  static void createDatabase() {
    database = TestPostgres.shared().createDatabase("fence");
    pool = database.pool(4);
    PostgresRunStore.create(pool).migrate().block();
    database.execute(
        "CREATE TABLE done (id int)",
        "CREATE TABLE late (id int)",
        """
        CREATE FUNCTION late() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
          RAISE EXCEPTION 'too late' USING ERRCODE = '23514';
        END
        $$""",
        """
        CREATE CONSTRAINT TRIGGER late AFTER INSERT ON late DEFERRABLE INITIALLY DEFERRED
        FOR EACH ROW EXECUTE FUNCTION late()""");
  }

  @AfterAll
  static void dropDatabase() {
    database.close();
  }

  @BeforeEach
  void createStore() {
    store = PostgresRunStore.create(pool);
  }

  @AfterEach
  void deleteRuns() {
    database.execute("DELETE FROM cursorstream.run");
  }

  /** A run of the ranges (, 1], (1, 2] and so on. */
  private Run run(int consumers, int ranges) {
    List<String> ends = Flux.range(1, ranges).map(String::valueOf).collectList().block();
    String upper = String.valueOf(ranges);
    NewRun wanted = new NewRun("r", "kind", "", RunParameters.DEFAULTS.consumers(consumers), false);
    return store
        .create(wanted, "test")
        .flatMap(run -> store.open(run.id(), null, upper, "test"))
        .flatMap(run -> store.extend(run, Objects.requireNonNull(ends)).thenReturn(run))
        .block();
  }

  private Lease take(String owner) {
    return store.take(owner, Set.of("kind"), LEASE).block();
  }

  private void lapse(Lease lease) {
    database.execute(
        "UPDATE cursorstream.consumer SET lease_until = clock_timestamp() - interval '1 s'"
            + " WHERE run = %d AND number = %d".formatted(lease.run().id(), lease.number()));
  }

  private RunState state(Run run) {
    return store.find(run.id()).map(Run::state).block();
  }

  @Test
  void aSlotThatWentAndCameBackIsNotItsFormerOwners() {
    Run run = run(2, 9);
    take("a");
    Lease frozen = take("b");
    assertThat(frozen.number()).isEqualTo(2);
    lapse(frozen);
    Lease other = take("c");
    assertThat(other.range()).isEqualTo(frozen.range());
    store.change(run.id(), p -> p.consumers(1), "test").block();
    assertThat(store.complete(other, 1, LEASE).block().range()).isNull();
    store.change(run.id(), p -> p.consumers(2), "test").block();
    Lease again = take("d");
    assertThat(again.number()).isEqualTo(2);
    assertThat(again.range()).isNotEqualTo(frozen.range());

    // It wakes up, and finds a slot of its number.
    assertThat(store.renew(frozen, LEASE).block()).isFalse();
    assertThatThrownBy(() -> store.complete(frozen, 1, LEASE).block())
        .isInstanceOf(LostLeaseException.class);
    store.release(frozen).block();
    assertThat(store.complete(again, 1, LEASE).block().range()).isNotNull();
  }

  @Test
  void aRunThatPausedBehindItsLastBatchSucceedsWhenItIsResumed() {
    Run run = run(1, 1);
    Lease last = take("a");
    store.say(run.id(), Verb.PAUSE, "test", null).block();
    Lease none = store.complete(last, 1, LEASE).block();
    store.release(none).block();
    assertThat(state(run)).isEqualTo(RunState.PAUSED);
    store.say(run.id(), Verb.RESUME, "test", null).block();
    Lease nothing = take("a");
    assertThat(nothing == null ? null : nothing.range()).isNull();
    assertThat(state(run)).isEqualTo(RunState.SUCCEEDED);
    assertThat(take("a")).isNull();
  }

  @Test
  void aBatchWhoseCommitFailsHasFailed() {
    run(1, 2);
    Lease lease = take("a");
    assertThatThrownBy(
            () ->
                store
                    .inTransaction(
                        lease,
                        (beginning, c) ->
                            Flux.from(c.createStatement("INSERT INTO late VALUES (1)").execute())
                                .concatMap(Result::getRowsUpdated)
                                .then(Mono.just(BatchDone.all(1))),
                        LEASE)
                    .block())
        .isInstanceOf(R2dbcException.class)
        .hasMessageContaining("too late");
    Lease next =
        store.inTransaction(lease, (beginning, c) -> Mono.just(BatchDone.all(7)), LEASE).block();
    assertThat(next.range()).isEqualTo(new Range("1", "2"));
    assertThat(next.run().rows()).isEqualTo(7);
  }

  @Test
  void aStatementWhoseCommitFailsHasFailed() {
    run(1, 2);
    Lease lease = take("a");
    String sql = "INSERT INTO late VALUES ($1::int)";
    assertThatThrownBy(() -> store.inOneStatement(lease, sql, List.of("1"), LEASE).block())
        .isInstanceOf(R2dbcException.class)
        .hasMessageContaining("too late");
    Lease next =
        store
            .inOneStatement(lease, "INSERT INTO done VALUES ($1::int)", List.of("1"), LEASE)
            .block();
    assertThat(next.range()).isEqualTo(new Range("1", "2"));
    assertThat(next.run().rows()).isEqualTo(1);
  }

  @Test
  void whatABatchBringsIsCommitted() {
    run(1, 60);
    Lease lease = take("a");
    for (int i = 0; i < 50; i++) {
      lease =
          store.inTransaction(lease, (beginning, c) -> Mono.just(BatchDone.all(1)), LEASE).block();
      assertThat(database.count("SELECT serial FROM cursorstream.consumer"))
          .isEqualTo(lease.serial());
    }
  }
}
