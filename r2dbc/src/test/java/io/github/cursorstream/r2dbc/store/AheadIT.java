package io.github.cursorstream.r2dbc.store;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import io.github.cursorstream.r2dbc.keyset.CleanDatabase;
import io.github.cursorstream.run.Again;
import io.github.cursorstream.run.BatchFailure;
import io.github.cursorstream.run.Lease;
import io.github.cursorstream.run.LostLeaseException;
import io.github.cursorstream.run.NewRun;
import io.github.cursorstream.run.Range;
import io.github.cursorstream.run.Run;
import io.github.cursorstream.run.RunParameters;
import io.github.cursorstream.run.RunState;
import io.github.cursorstream.run.Verb;
import io.github.cursorstream.run.VerbResult;
import io.github.cursorstream.testing.TcpProxy;
import io.r2dbc.spi.Connection;
import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.IntStream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import reactor.core.publisher.Flux;
import reactor.core.publisher.Mono;

/** Slots that are fast have several ranges at once. */
@Timeout(60)
class AheadIT {

  @RegisterExtension static final CleanDatabase clean = new CleanDatabase();

  private static final Duration LEASE = Duration.ofSeconds(30);
  private static final Duration SHORT = Duration.ofMillis(100);
  private static final Duration SOON = Duration.ofSeconds(20);
  private static final Set<String> KINDS = Set.of("k");
  private static final int ENDS = 60;
  private static final int CLAIMS = 2000;

  private static final Pattern BLOCKS =
      Pattern.compile("\"Shared Hit Blocks\": (\\d+),\\s*\"Shared Read Blocks\": (\\d+)");

  private PostgresRunStore store;
  private final List<Range> done = new ArrayList<>();

  @BeforeEach
  void open() {
    store = PostgresRunStore.create(clean.pool(4));
    store.migrate().block(SOON);
    clean.database().execute("TRUNCATE cursorstream.run CASCADE");
  }

  private Run run(int consumers) {
    RunParameters parameters = RunParameters.DEFAULTS.consumers(consumers);
    long id = store.create(new NewRun("r", "k", "", parameters, false), "me").block(SOON).id();
    store.open(id, "0", "" + ENDS, "me").block(SOON);
    extend(id, 0, ENDS);
    return run(id);
  }

  private void extend(long run, int tail, int last) {
    List<String> ends = IntStream.rangeClosed(tail + 1, last).mapToObj(String::valueOf).toList();
    store.extend(run(run), ends).block(SOON);
  }

  private Run run(long id) {
    return store.find(id).block(SOON);
  }

  private Lease take(Duration lease) {
    return store.take("me", KINDS, lease).block(SOON);
  }

  private Lease complete(Lease lease) {
    Lease next = store.complete(lease, 1, LEASE).block(SOON);
    done.add(lease.range());
    return next;
  }

  /** Completes batches until it knows two of the next ranges. */
  private Lease fast(Lease lease) {
    Lease next = lease;
    do {
      next = complete(next);
    } while (next.next() == null || ahead(next) < 2);
    return next;
  }

  private long ahead(Lease lease) {
    return clean
        .database()
        .count(
            "SELECT cardinality(ahead_upto) FROM cursorstream.consumer WHERE number = "
                + lease.number());
  }

  private void finish() {
    for (Lease taken = take(LEASE); taken != null; taken = take(LEASE)) {
      Lease lease = taken;
      while (lease.range() != null) {
        lease = complete(lease);
      }
      store.release(lease).block(SOON);
    }
  }

  private void assertEachIsDoneOnce(long run) {
    assertThat(done)
        .containsExactlyInAnyOrderElementsOf(
            IntStream.rangeClosed(1, ENDS).mapToObj(AheadIT::step).toList());
    assertSucceeded(run);
  }

  private void assertSucceeded(long run) {
    Run end = run(run);
    assertThat(end.state()).isEqualTo(RunState.SUCCEEDED);
    assertThat(end.batches()).isEqualTo(done.size());
    assertThat(end.rows()).isEqualTo(done.size());
  }

  private static Range step(int end) {
    return new Range("" + (end - 1), "" + end);
  }

  private static Lease following(Lease lease) {
    return new Lease(
        lease.run(), lease.number(), lease.epoch(), lease.serial() + 1, lease.next(), 1, null);
  }

  @Test
  void rangesComeInOrderAndEachBatchIsCountedAtOnce() {
    long run = run(1).id();
    Lease lease = take(LEASE);
    long several = 0;
    for (int i = 1; i <= ENDS; i++) {
      assertThat(lease.range()).isEqualTo(step(i));
      Range next = lease.next();
      if (next != null) {
        several++;
        assertThat(next).isEqualTo(step(i + 1));
      }
      lease = complete(lease);
      assertThat(run(run).batches()).isEqualTo(i);
      assertThat(run(run).rows()).isEqualTo(i);
    }
    assertThat(several).isPositive();
    assertThat(lease.range()).isNull();
    assertEachIsDoneOnce(run);
  }

  @Test
  void aSlotHasNoMoreThanItsShareOfTheEndsThatAreKnown() {
    run(4);
    Lease lease = fast(take(LEASE));
    assertThat(ahead(lease)).isLessThan(ENDS / 4);
  }

  @ParameterizedTest
  @EnumSource(names = {"PAUSE", "FORCE_PAUSE"})
  void aPausedRunHasNothingAhead(Verb verb) {
    long run = run(1).id();
    Lease lease = fast(take(LEASE));
    store.say(run, verb, "ann", null).block(SOON);
    if (verb == Verb.PAUSE) {
      lease = complete(lease);
      assertThat(lease.range()).isNull();
      store.release(lease).block(SOON);
    }
    assertThat(run(run).state()).isEqualTo(RunState.PAUSED);
    assertThat(run(run).waiting()).isPositive();
    assertThat(ahead(lease)).isZero();
    assertThat(run(run).batches()).isEqualTo(done.size());
    store.say(run, Verb.RESUME, "ann", null).block(SOON);
    finish();
    assertEachIsDoneOnce(run);
  }

  @Test
  void whatPeopleSayIsToldWithTheNextBatchAndTheRunIsNotReadWithoutIt() { // M11
    long run = run(2).id();
    Lease other = fast(take(LEASE));
    Lease lease = fast(take(LEASE));
    Lease next = complete(lease);
    assertThat(next.run()).isSameAs(lease.run());
    store.change(run, p -> p.pause(SOON), "ann").block(SOON);
    assertThat(complete(next).run().parameters().pause()).isEqualTo(SOON);
    assertThat(complete(other).run().parameters().pause()).isEqualTo(SOON);
  }

  @Test
  void whoeverWaitsForAPauseToBeSaidHearsIt() throws Exception {
    long run = run(1).id();
    Lease lease = fast(take(LEASE));
    Connection busy = inTransaction("SELECT id FROM cursorstream.run FOR UPDATE");
    CompletableFuture<VerbResult> said = store.say(run, Verb.PAUSE, "ann", null).toFuture();
    await().until(() -> waiting() == 1);
    CompletableFuture<Lease> next = store.complete(lease, 1, LEASE).toFuture();
    await().until(() -> waiting() == 2);
    commit(busy);
    assertThat(said.get().state()).isEqualTo(RunState.PAUSING);
    assertThat(next.get().range()).isNull();
    assertThat(run(run).state()).isEqualTo(RunState.PAUSED);
  }

  @Test
  void whoSteersSeesTheSlotsThatAnotherHasAdded() throws Exception {
    long run = run(1).id();
    Connection busy = inTransaction("SELECT id FROM cursorstream.run FOR UPDATE");
    CompletableFuture<Run> more = store.change(run, p -> p.consumers(3), "ann").toFuture();
    await().until(() -> waiting() == 1);
    CompletableFuture<Run> slower =
        PostgresRunStore.create(clean.pool(2)).change(run, p -> p.pause(SOON), "bob").toFuture();
    await().until(() -> waiting() == 2);
    commit(busy);
    assertThat(slower.get().parameters()).isEqualTo(more.get().parameters().pause(SOON));
    assertThat(clean.database().count("SELECT count(*) FROM cursorstream.consumer WHERE steered"))
        .isEqualTo(3);
  }

  @Test
  void endsAreAddedToARunThatAClaimMovesToItsNextBlockMeanwhile() throws Exception {
    long run = run(1).id();
    clean.database().execute("UPDATE cursorstream.run SET claims = 63, upper = 'most'");
    Connection busy = inTransaction("UPDATE cursorstream.run SET claims = 64 RETURNING id");
    CompletableFuture<Void> extended = store.extend(run(run), List.of("more")).toFuture();
    await().until(() -> waiting() == 1);
    commit(busy);
    extended.get();
    assertThat(run(run).tail()).isEqualTo("more");
  }

  private static Connection inTransaction(String sql) {
    Connection connection = Mono.from(clean.pool(1).create()).block(SOON);
    Mono.from(connection.beginTransaction()).block(SOON);
    Flux.from(connection.createStatement(sql).execute())
        .flatMap(result -> result.map(row -> row))
        .blockLast(SOON);
    return connection;
  }

  private static void commit(Connection connection) {
    Mono.from(connection.commitTransaction()).then(Mono.from(connection.close())).block(SOON);
  }

  private static long waiting() {
    return clean
        .database()
        .count(
            "SELECT count(*) FROM pg_stat_activity"
                + " WHERE datname = current_database() AND wait_event_type = 'Lock'");
  }

  @Test
  void aClaimLooksAtFewVersionsOfItsRowsHoweverManyAreKept() {
    RunParameters parameters = RunParameters.DEFAULTS.consumers(1);
    long run = store.create(new NewRun("r", "k", "", parameters, false), "me").block(SOON).id();
    store.open(run, "0", "" + CLAIMS, "me").block(SOON);
    extend(run, 0, CLAIMS);
    take(LEASE);
    // The plans that are made when the tables are small are kept.
    clean.database().execute("VACUUM ANALYZE cursorstream.run, cursorstream.consumer");
    Connection connection = Mono.from(clean.pool(1).create()).block(SOON);
    try {
      // None of its own versions goes while it is open.
      Mono.from(connection.beginTransaction()).block(SOON);
      long first = blocksOfClaims(connection, run, 100);
      blocksOfClaims(connection, run, CLAIMS - 300);
      assertThat(blocksOfClaims(connection, run, 100)).isLessThan(2 * first);
    } finally {
      Mono.from(connection.rollbackTransaction()).block(SOON);
      Mono.from(connection.close()).block(SOON);
    }
  }

  private static long blocksOfClaims(Connection connection, long run, int claims) {
    long blocks = 0;
    for (int i = 0; i < claims; i++) {
      String serial =
          read(
              connection,
              "SELECT serial::text FROM cursorstream.consumer ORDER BY block DESC LIMIT 1");
      String plan =
          read(
              connection,
              "EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON)"
                  + " SELECT cursorstream.complete(%d, 1, 1, %s, 1, 30000)".formatted(run, serial));
      blocks += blocks(plan);
    }
    return blocks;
  }

  private static String read(Connection connection, String sql) {
    return Flux.from(connection.createStatement(sql).execute())
        .concatMap(result -> result.map(row -> row.get(0, String.class)))
        .blockLast(SOON);
  }

  private static long blocks(String plan) {
    Matcher blocks = BLOCKS.matcher(plan);
    assertThat(blocks.find()).isTrue();
    return Long.parseLong(blocks.group(1)) + Long.parseLong(blocks.group(2));
  }

  @Test
  void whoGivesItsSlotBackGivesAllOfItBack() {
    long run = run(2).id();
    Lease lease = fast(take(LEASE));
    store.release(lease).block(SOON);
    assertThat(run(run).inFlight()).isZero();
    assertThat(run(run).batches()).isEqualTo(done.size());
    assertThat(take(LEASE).range()).isEqualTo(lease.range());
    clean.database().execute("UPDATE cursorstream.consumer SET lease_until = '-infinity'");
    finish();
    assertEachIsDoneOnce(run);
  }

  @Test
  void aSlotTooManyGivesBackWhatItHasAhead() {
    long run = run(2).id();
    Lease first = take(LEASE);
    Lease second = fast(take(LEASE));
    assertThat(second.number()).isEqualTo(2);
    store.change(run, p -> p.consumers(1), "ann").block(SOON);
    assertThat(complete(second).range()).isNull();
    for (Lease lease = first; lease.range() != null; ) {
      lease = complete(lease);
    }
    assertEachIsDoneOnce(run);
  }

  @Test
  void whoTakesASlotOverHasItsRangesToo() {
    long run = run(1).id();
    Lease dead = fast(take(LEASE));
    clean.database().execute("UPDATE cursorstream.consumer SET lease_until = '-infinity'");
    Lease heir = take(LEASE);
    assertThat(heir.range()).isEqualTo(dead.range());
    assertThat(heir.next()).isEqualTo(dead.next());
    assertThat(heir.attempt()).isEqualTo(2);
    assertThatThrownBy(() -> complete(dead)).isInstanceOf(LostLeaseException.class);
    for (Lease lease = heir; lease.range() != null; ) {
      lease = complete(lease);
    }
    assertEachIsDoneOnce(run);
  }

  @Test
  void anotherBatchSizeIsFeltWithTheNextBatch() { // M12
    long run = run(1).id();
    Lease lease = fast(take(LEASE));
    store.change(run, p -> p.batchSize(7), "ann").block(SOON);
    int place = Integer.parseInt(lease.range().upTo());
    assertThat(run(run).position()).isEqualTo("" + place);
    lease = complete(lease);
    assertThat(lease.range()).isNull();
    store.extend(run(run), List.of("" + ENDS)).block(SOON);
    lease = store.complete(lease, 0, LEASE).block(SOON);
    assertThat(lease.range()).isEqualTo(new Range("" + place, "" + ENDS));
    complete(lease);
    assertSucceeded(run);
  }

  @Test
  void whatHasTheFormerBatchSizeBetweenOthersRangesIsDoneLast() { // M12
    long run = run(2).id();
    Lease first = fast(take(LEASE));
    Lease second = fast(take(LEASE));
    long given = ahead(first);
    store.change(run, p -> p.batchSize(7), "ann").block(SOON);
    int place = Integer.parseInt(run(run).position());
    assertThat(run(run).waiting()).isEqualTo((int) given);
    store.extend(run(run), List.of("" + (place + 1), "" + ENDS)).block(SOON);
    first = complete(first);
    assertThat(first.range()).isEqualTo(step(place + 1));
    second = complete(second);
    assertThat(second.range()).isEqualTo(new Range("" + (place + 1), "" + ENDS));
    for (Lease lease = first; lease.range() != null; ) {
      lease = complete(lease);
    }
    complete(second);
    assertSucceeded(run);
  }

  @Test
  void aBatchThatFailsLeavesTheRangesAhead() {
    long run = run(1).id();
    Lease lease = fast(take(LEASE));
    Range later = lease.next();
    Again again = new Again(lease.range(), 1, SHORT.multipliedBy(10));
    lease =
        store
            .fail(lease, new BatchFailure("broken", List.of(again), null, false), LEASE)
            .block(SOON);
    assertThat(lease.range()).isEqualTo(later);
    while (lease.range() != null) {
      lease = complete(lease);
    }
    store.release(lease).block(SOON);
    clean.database().execute("UPDATE cursorstream.waiting SET not_before = '-infinity'");
    finish();
    assertEachIsDoneOnce(run);
  }

  @Test
  void theNextBatchIsOnTheWireBeforeTheAnswerToTheOneInFlight() {
    long run = run(1).id();
    Lease lease = fast(take(LEASE));
    Asked asked = new Asked();
    try (TcpProxy proxy =
        TcpProxy.to(clean.database().host(), clean.database().port(), () -> asked)) {
      PostgresRunStore there = PostgresRunStore.create(clean.pool(clean.through(proxy), 1));
      there.find(run).block(SOON);
      asked.forget();
      Lease last =
          there
              .session(
                  same -> {
                    PostgresRunStore one = (PostgresRunStore) same;
                    String slow = "SELECT pg_sleep(0.3), $1";
                    List<String> value = List.of("x");
                    var first = one.inOneStatement(lease, slow, value, LEASE).toFuture();
                    var next = one.inOneStatement(following(lease), slow, value, LEASE).toFuture();
                    return Mono.fromFuture(first).then(Mono.fromFuture(next));
                  })
              .block(SOON);
      assertThat(last.serial()).isEqualTo(lease.serial() + 2);
      assertThat(asked.queries()).isEqualTo(2);
    }
  }

  /** What was sent before the first answer came. */
  private static final class Asked implements TcpProxy.Tap {

    private final ByteArrayOutputStream sent = new ByteArrayOutputStream();
    private boolean answered;

    @Override
    public synchronized void sees(byte[] bytes, boolean fromServer) {
      answered |= fromServer;
      if (!answered) {
        sent.writeBytes(bytes);
      }
    }

    synchronized void forget() {
      sent.reset();
      answered = false;
    }

    /** Each message is a byte of type, and a length that is in it. */
    synchronized long queries() {
      ByteBuffer bytes = ByteBuffer.wrap(sent.toByteArray());
      long queries = 0;
      for (int at = 0; at < bytes.limit(); at += 1 + bytes.getInt(at + 1)) {
        queries += bytes.get(at) == 'Q' ? 1 : 0;
      }
      return queries;
    }
  }

  @Test
  void whatWasSentAheadIsRefusedUnlessItsTurnHasCome() {
    run(1);
    Lease lease = fast(take(LEASE));
    assertRefused(following(lease));
    Lease next = complete(lease);
    assertThat(next.serial()).isEqualTo(following(lease).serial());
    complete(next);
    assertRefused(following(lease));
  }

  @ParameterizedTest
  @EnumSource(names = {"PAUSE", "CANCEL", "FORCE_PAUSE", "FORCE_CANCEL"})
  void whatWasSentAheadIsRefusedAfter(Verb verb) {
    long run = run(1).id();
    Lease lease = fast(take(LEASE));
    store.say(run, verb, "ann", null).block(SOON);
    if (verb == Verb.PAUSE || verb == Verb.CANCEL) {
      complete(lease);
    }
    assertRefused(following(lease));
    assertThat(run(run).batches()).isEqualTo(done.size());
  }

  @Test
  void whatWasSentAheadIsRefusedAfterAFailureAndAnotherBatchSize() {
    long run = run(1).id();
    Lease lease = fast(take(LEASE));
    Again again = new Again(lease.range(), 1, SHORT);
    Lease next =
        store
            .fail(lease, new BatchFailure("broken", List.of(again), null, false), LEASE)
            .block(SOON);
    assertRefused(following(lease));
    next = fast(next);
    store.change(run, p -> p.batchSize(7), "ann").block(SOON);
    complete(next);
    assertRefused(following(next));
  }

  private void assertRefused(Lease lease) {
    assertThatThrownBy(() -> store.complete(lease, 1, LEASE).block(SOON))
        .isInstanceOf(LostLeaseException.class);
  }
}
