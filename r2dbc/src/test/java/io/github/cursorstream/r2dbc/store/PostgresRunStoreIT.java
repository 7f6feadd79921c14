package io.github.cursorstream.r2dbc.store;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.github.cursorstream.r2dbc.keyset.CleanDatabase;
import io.github.cursorstream.run.Again;
import io.github.cursorstream.run.BatchFailure;
import io.github.cursorstream.run.DeadLetter;
import io.github.cursorstream.run.Lease;
import io.github.cursorstream.run.NewRun;
import io.github.cursorstream.run.Range;
import io.github.cursorstream.run.Run;
import io.github.cursorstream.run.RunEvent;
import io.github.cursorstream.run.RunParameters;
import io.github.cursorstream.run.RunState;
import io.github.cursorstream.run.Verb;
import io.github.cursorstream.run.VerbResult;
import io.r2dbc.postgresql.PostgresqlConnectionFactory;
import java.time.Duration;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;
import reactor.core.publisher.Flux;
import reactor.core.publisher.Mono;
import reactor.util.function.Tuples;

/** What only PostgreSQL can get wrong. */
@Timeout(60)
class PostgresRunStoreIT {

  @RegisterExtension static final CleanDatabase clean = new CleanDatabase();

  private static final Duration LEASE = Duration.ofSeconds(5);
  private static final Duration SOON = Duration.ofSeconds(20);
  private static final Set<String> KINDS = Set.of("k");

  private PostgresRunStore store;

  @BeforeEach
  void open() {
    store = PostgresRunStore.create(clean.pool(8));
    store.migrate().block(SOON);
    clean.database().execute("TRUNCATE cursorstream.run CASCADE");
  }

  private Run create(String name, String arguments) {
    return store
        .create(
            new NewRun(name, "k", arguments, RunParameters.DEFAULTS.deadLetters(5), false), "me")
        .block(SOON);
  }

  /** A run of one batch, which is held. */
  private Lease held(String name) {
    long run = create(name, "").id();
    Run opened = store.open(run, null, "a", "me").block(SOON);
    store.extend(opened, List.of("a")).block(SOON);
    return store.take("me", KINDS, LEASE).block(SOON);
  }

  private Run find(Lease lease) {
    return store.find(lease.run().id()).block(SOON);
  }

  @Test
  void migratingTwiceAndByManyAtOnceInstallsOnce() {
    clean.database().execute("DROP SCHEMA cursorstream CASCADE");
    Flux.range(0, 6).flatMap(i -> store.migrate()).then(store.migrate()).block(SOON);
    assertThat(clean.database().count("SELECT count(*) FROM cursorstream.version")).isEqualTo(1);
    assertThat(create("r", "").state()).isEqualTo(RunState.ENQUEUED);
  }

  @Test
  void aRoleThatIsGrantedWhatTheDocsSayCanRunWhatAnotherHasInstalled() {
    clean
        .database()
        .execute(
            "DROP ROLE IF EXISTS cursorstream_app",
            "CREATE ROLE cursorstream_app LOGIN PASSWORD 'app'",
            "GRANT USAGE ON SCHEMA cursorstream TO cursorstream_app",
            "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA cursorstream"
                + " TO cursorstream_app");
    try {
      store =
          PostgresRunStore.create(
              clean.pool(
                  new PostgresqlConnectionFactory(
                      clean
                          .database()
                          .configuration()
                          .username("cursorstream_app")
                          .password("app")
                          .build()),
                  4));
      Lease lease = held("r");
      store.change(lease.run().id(), p -> p.batchSize(7), "me").block(SOON);
      store.renew(lease, LEASE).block(SOON);
      store.complete(lease, 1, LEASE).block(SOON);
      assertThat(find(lease).state()).isEqualTo(RunState.SUCCEEDED);
      assertThat(store.attend("me", KINDS, 1, LEASE).hasElement().block(SOON)).isFalse();
      assertThat(store.purge(Duration.ZERO).block(SOON)).isPositive();
    } finally {
      clean
          .database()
          .execute("DROP OWNED BY cursorstream_app", "DROP ROLE IF EXISTS cursorstream_app");
    }
  }

  private static Stream<Mono<?>> firstCalls(PostgresRunStore store) {
    return Stream.of(
        store.runs().then(),
        store.say(1, Verb.PAUSE, "me", null),
        store.session(session -> session.attend("me", KINDS, 1, LEASE)));
  }

  @Test
  void newerSchemaIsRefused() {
    clean.database().execute("INSERT INTO cursorstream.version (version) VALUES (99)");
    try {
      PostgresRunStore old = PostgresRunStore.create(clean.pool(2));
      assertThat(Stream.concat(firstCalls(old), Stream.of(old.migrate(), store.migrate())))
          .allSatisfy(
              call ->
                  assertThatThrownBy(() -> call.block(SOON))
                      .isInstanceOf(IllegalStateException.class)
                      .hasMessageContaining("version 1 required but it is of version 99")
                      .hasMessageContaining("update the library"));
    } finally {
      clean.database().execute("DELETE FROM cursorstream.version WHERE version = 99");
    }
  }

  @Test
  void schemaThatIsMissingIsNamedUntilItIsThere() {
    clean.database().execute("DROP SCHEMA cursorstream CASCADE");
    PostgresRunStore early = PostgresRunStore.create(clean.pool(2));
    assertThat(firstCalls(early))
        .allSatisfy(
            call ->
                assertThatThrownBy(() -> call.block(SOON))
                    .isInstanceOf(IllegalStateException.class)
                    .hasMessageContaining("version 1 required but there is none")
                    .hasMessageContaining("migrate()"));
    store.migrate().block(SOON);
    assertThat(early.runs().count().block(SOON)).isZero();
  }

  @ParameterizedTest
  @ValueSource(strings = {"o'neill", "\"q\"", "a;--b", "$1 $$ \\ %s", "żółć 🐘", "a\nb", "{,}"})
  void textsComeBackAsTheyWere(String text) {
    Run run = create(text, text);
    assertThat(run.name()).isEqualTo(text);
    assertThat(run.arguments()).isEqualTo(text);
    assertThat(store.latest(text).block(SOON).id()).isEqualTo(run.id());
    assertThat(create(text, text).id()).isEqualTo(run.id());
    assertThat(create(text, text + ".").id()).isNotEqualTo(run.id());
    store.say(run.id(), Verb.CANCEL, text, text).block(SOON);
    assertThat(store.events(run.id(), 0).collectList().block(SOON))
        .last()
        .satisfies(event -> assertThat(event.who()).isEqualTo(text))
        .satisfies(event -> assertThat(event.detail()).isEqualTo("CANCEL: " + text));
  }

  @Test
  void aMegabyteIsKept() {
    String large = "'\"\\ ".repeat(250_000);
    assertThat(create("large", large).arguments()).isEqualTo(large);
    assertThatThrownBy(() -> create(large, ""))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("a name of at most 500 characters required but it had 1000000");
    Lease lease = held("errors");
    BatchFailure failure =
        new BatchFailure(
            large + '\0', List.of(new Again(new Range(null, "a"), 1, Duration.ZERO)), null, false);
    Lease again = store.fail(lease, failure, LEASE).block(SOON);
    assertThat(again.range()).isEqualTo(new Range(null, "a"));
    assertThat(again.attempt()).isEqualTo(2);
    assertThat(find(lease).error()).isEqualTo(large + '\uFFFD');
  }

  @Test
  void nulIsRefused() {
    assertThatThrownBy(() -> create("a\0b", ""))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("NUL");
    assertThatThrownBy(() -> create("a", "\0"))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("NUL");
  }

  @Test
  void deadLettersAreDoneAgain() {
    Lease lease = held("r");
    Range range = new Range(null, "a");
    DeadLetter dead = new DeadLetter(lease.run().id(), range, "{\"id\": \"it's\"}", "why", 3, null);
    assertThat(store.retryDeadLetters(lease.run().id(), "ann").block(SOON)).isZero();
    store.say(lease.run().id(), Verb.PAUSE, "ann", null).block(SOON);
    store.fail(lease, new BatchFailure("why", List.of(), dead, false), LEASE).block(SOON);
    assertThat(find(lease).state()).isEqualTo(RunState.PAUSED);
    assertThat(find(lease).deadLetters()).isEqualTo(1);
    assertThat(store.deadLetters(lease.run().id()).collectList().block(SOON))
        .singleElement()
        .satisfies(d -> assertThat(d.row()).isEqualTo("{\"id\": \"it's\"}"))
        .satisfies(d -> assertThat(d.range()).isEqualTo(range));
    assertThat(store.retryDeadLetters(lease.run().id(), "ann").block(SOON)).isEqualTo(1);
    assertThat(find(lease).deadLetters()).isZero();
    assertThat(store.deadLetters(lease.run().id()).count().block(SOON)).isZero();
    store.release(lease).then(store.say(lease.run().id(), Verb.RESUME, "ann", null)).block(SOON);
    Lease again = store.take("me", KINDS, LEASE).block(SOON);
    assertThat(again.range()).isEqualTo(range);
    assertThat(again.attempt()).isEqualTo(1);
    store.complete(again, 1, LEASE).block(SOON);
    assertThat(find(lease).state()).isEqualTo(RunState.SUCCEEDED);
    assertThat(store.retryDeadLetters(lease.run().id(), "ann").block(SOON)).isZero();
    assertThat(find(lease).state()).isEqualTo(RunState.SUCCEEDED);
  }

  @Test
  void logTellsWhoAndWhy() {
    long run = create("r", "").id();
    store.say(run, Verb.PAUSE, "ann", "too slow").block(SOON);
    store.say(run, Verb.PAUSE, "bob", "again").block(SOON); // Nothing to do: not logged.
    store.say(run, Verb.FORCE_CANCEL, "eve", null).block(SOON);
    assertThat(
            store
                .events(run, 0)
                .map(e -> e.type() + " " + e.who() + " " + e.detail())
                .collectList()
                .block(SOON))
        .containsExactly(
            "CREATED me null", "PAUSED ann PAUSE: too slow", "CANCELLED eve FORCE_CANCEL");
    assertThatThrownBy(() -> store.say(-1, Verb.PAUSE, "ann", null).block(SOON))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("-1");
  }

  @ParameterizedTest
  @EnumSource(
      value = Verb.class,
      names = {"PAUSE", "CANCEL", "FORCE_PAUSE", "FORCE_CANCEL"})
  void verbRacingWithCompletionHasOneResult(Verb verb) { // M6
    for (int i = 0; i < 25; i++) {
      Lease lease = held("race " + verb + i);
      long run = lease.run().id();
      Mono<VerbResult> said = store.say(run, verb, "ann", null);
      Mono<Boolean> completed =
          store.complete(lease, 1, LEASE).thenReturn(true).onErrorReturn(false);
      var both =
          (i % 2 == 0
                  ? Mono.zip(said, completed)
                  : Mono.zip(completed, said).map(t -> Tuples.of(t.getT2(), t.getT1())))
              .block(SOON);
      Run end = find(lease);
      assertThat(end.inFlight()).isZero();
      assertThat(end.batches()).isEqualTo(both.getT2() ? 1 : 0);
      if (!both.getT1().isAccepted()) {
        assertThat(end.state()).isEqualTo(RunState.SUCCEEDED);
      } else {
        assertThat(end.state())
            .isEqualTo(
                verb == Verb.PAUSE || verb == Verb.FORCE_PAUSE
                    ? RunState.PAUSED
                    : RunState.CANCELLED);
      }
      assertThat(
              store
                  .events(run, 0)
                  .filter(e -> e.type() == RunEvent.Type.SUCCEEDED)
                  .count()
                  .block(SOON))
          .isEqualTo(end.state() == RunState.SUCCEEDED ? 1 : 0);
      assertThat(end.waiting()).isEqualTo(both.getT2() ? 0 : 1);
    }
  }

  @Test
  void ownerOfLongAgoCannotCompleteWhatAnotherHolds() {
    Lease old = held("r");
    long run = old.run().id();
    store.release(old).block(SOON);
    for (int consumers : new int[] {0, 1}) {
      store.change(run, p -> p.consumers(consumers), "me").block(SOON);
    }
    Lease next = store.take("you", KINDS, LEASE).block(SOON);
    assertThat(next.number()).isEqualTo(old.number());
    assertThat(next.epoch()).isGreaterThan(old.epoch());
    assertThat(store.renew(old, LEASE).block(SOON)).isFalse();
  }

  @Test
  void muchIsForgottenALittleAtATime() {
    clean
        .database()
        .execute(
            """
            INSERT INTO cursorstream.run (name, kind, arguments, state, batch_size, consumers,
              pause_ms, rows_per_second, attempts, min_backoff_ms, max_backoff_ms,
              dead_letter_budget, timeout_ms, ended_at)
            SELECT 'r', 'k', i::text, 'SUCCEEDED', 1, 1, 0, 0, 1, 0, 0, 9, 1000, now() - interval '1 d'
            FROM generate_series(1, 250) AS i""",
            """
            INSERT INTO cursorstream.event (run, type, who, at)
            SELECT id, 'VERB', 'me', now() - interval '1 d' FROM cursorstream.run,
              generate_series(1, 10)""",
            """
            INSERT INTO cursorstream.dead_letter (run, upto, error, attempts)
            SELECT (SELECT min(id) FROM cursorstream.run), 'x', 'y', 1
            FROM generate_series(1, 2500)""");
    List<Long> steps =
        store
            .purge(Duration.ofHours(1))
            .repeat()
            .takeUntil(gone -> gone == 0)
            .collectList()
            .block(SOON);
    assertThat(steps).allMatch(gone -> gone <= 2_100).hasSizeGreaterThan(5);
    assertThat(steps.stream().mapToLong(gone -> gone).sum()).isEqualTo(2_500 + 2_500 + 249);
    assertThat(store.runs().count().block(SOON)).isEqualTo(1);
  }

  @Test
  void runThatCannotBeOpenedFailsAndCanBeRetried() {
    long run = create("r", "").id();
    store.refuse(run, "no such table", "me").block(SOON);
    assertThat(store.find(run).block(SOON).state()).isEqualTo(RunState.FAILED);
    assertThat(store.find(run).block(SOON).error()).isEqualTo("no such table");
    assertThat(store.say(run, Verb.RETRY, "ann", null).block(SOON).state())
        .isEqualTo(RunState.ENQUEUED);
    store.open(run, null, "a", "me").block(SOON);
    store.refuse(run, "too late", "me").block(SOON);
    assertThat(store.find(run).block(SOON).state()).isEqualTo(RunState.RUNNING);
  }
}
