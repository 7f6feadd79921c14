package io.github.cursorstream.r2dbc.backfill;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.cursorstream.r2dbc.keyset.CleanDatabase;
import io.github.cursorstream.r2dbc.store.PostgresRunStore;
import io.github.cursorstream.run.Again;
import io.github.cursorstream.run.BatchDone;
import io.github.cursorstream.run.BatchFailure;
import io.github.cursorstream.run.Lease;
import io.github.cursorstream.run.LostLeaseException;
import io.github.cursorstream.run.NewRun;
import io.github.cursorstream.run.Run;
import io.github.cursorstream.run.RunParameters;
import io.github.cursorstream.run.RunState;
import io.github.cursorstream.testing.TcpProxy;
import io.r2dbc.spi.Connection;
import io.r2dbc.spi.Result;
import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import reactor.core.publisher.Flux;
import reactor.core.publisher.Mono;

/**
 * The connection breaks before a batch, and behind each message of it, in either direction: so each
 * statement has been done or not, and has been answered or not. Whoever comes next, each row is
 * counted exactly once.
 */
@Timeout(120)
class CrashPointsIT {

  @RegisterExtension
  static final CleanDatabase clean =
      new CleanDatabase(
          "CREATE TABLE item (id bigint PRIMARY KEY, n int NOT NULL DEFAULT 0)",
          "INSERT INTO item (id) SELECT generate_series(1001, 9999)");

  private static final Duration LEASE = Duration.ofSeconds(30);

  /** Slower than whoever comes next. */
  private static final String COUNT_UP =
      "UPDATE item SET n = n + 1 FROM pg_sleep(0.005) WHERE id = $1";

  private final Messages messages = new Messages();
  private TcpProxy proxy;
  private PostgresRunStore store;
  private PostgresRunStore breaking;
  private int broken;
  private int lost;

  /** How a batch is done. */
  enum Way {
    IN_TRANSACTION {
      @Override
      Mono<Lease> work(PostgresRunStore store, Lease lease) {
        return store.inTransaction(
            lease,
            (beginning, connection) ->
                execute(beginning, "SELECT n FROM item WHERE id = $1 FOR UPDATE", id(lease))
                    .then(execute(connection, COUNT_UP, id(lease)))
                    .thenReturn(BatchDone.all(1)),
            LEASE);
      }
    },
    ONE_STATEMENT {
      @Override
      Mono<Lease> work(PostgresRunStore store, Lease lease) {
        return store.inOneStatement(
            lease, COUNT_UP.replace("$1", "$1::bigint"), List.of("" + id(lease)), LEASE);
      }
    };

    abstract Mono<Lease> work(PostgresRunStore store, Lease lease);

    static Mono<Void> execute(Connection connection, String sql, long id) {
      return Flux.defer(() -> connection.createStatement(sql).bind(0, id).execute())
          .concatMap(Result::getRowsUpdated)
          .then();
    }

    static long id(Lease lease) {
      return Long.parseLong(Objects.requireNonNull(lease.range()).upTo());
    }
  }

  /**
   * 0, and where the messages end that passed: each is a byte of type, and a length that is in it.
   */
  private static final class Messages implements TcpProxy.Tap {

    private final ByteArrayOutputStream answers = new ByteArrayOutputStream();
    private final ByteArrayOutputStream requests = new ByteArrayOutputStream();

    @Override
    public synchronized void sees(byte[] bytes, boolean fromServer) {
      (fromServer ? answers : requests).writeBytes(bytes);
    }

    synchronized void forget() {
      answers.reset();
      requests.reset();
    }

    synchronized List<Integer> ends(boolean fromServer) {
      ByteBuffer bytes = ByteBuffer.wrap((fromServer ? answers : requests).toByteArray());
      List<Integer> ends = new ArrayList<>(List.of(0));
      for (int at = 0; at < bytes.limit(); ends.add(at)) {
        at += 1 + bytes.getInt(at + 1);
      }
      return ends;
    }
  }

  @BeforeEach
  void connect() {
    store = PostgresRunStore.create(clean.pool(2));
    store.migrate().block();
    clean.database().execute("DELETE FROM cursorstream.run", "UPDATE item SET n = 0");
    proxy = TcpProxy.to(clean.database().host(), clean.database().port(), () -> messages);
    breaking = PostgresRunStore.create(clean.pool(clean.through(proxy), 1));
  }

  @AfterEach
  void disconnect() {
    proxy.close();
  }

  @ParameterizedTest
  @EnumSource
  void eachRowIsCountedOnce(Way way) {
    Lease lease = taken(1001, 9999);
    begin(lease);
    lease = way.work(breaking, lease).block();
    List<Integer> requests = messages.ends(false);
    List<Integer> answers = messages.ends(true);
    proxy.cut();
    assertThat(requests).hasSizeGreaterThan(way == Way.ONE_STATEMENT ? 1 : 4);
    assertThat(answers).hasSizeGreaterThan(4);
    lease = cutAtEach(way, lease, requests, false);
    lease = cutAtEach(way, lease, answers, true);
    long position = Way.id(lease) - 1;
    assertThat(
            clean
                .database()
                .query(
                    "SELECT id, n FROM item WHERE n <> (id <= %d)::int ORDER BY id"
                        .formatted(position)))
        .isEmpty();
    Run run = Objects.requireNonNull(store.find(lease.run().id()).block());
    assertThat(run.rows()).isEqualTo(position - 1000);
    assertThat(run.state()).isEqualTo(RunState.RUNNING);
    assertThat(broken).isGreaterThan(way == Way.ONE_STATEMENT ? 10 : 15);
    assertThat(lost).as("committed, and not answered").isPositive();
  }

  private Lease cutAtEach(Way way, Lease lease, List<Integer> ends, boolean fromServer) {
    Lease next = lease;
    for (int end : ends) {
      for (boolean another : new boolean[] {false, true}) {
        next = cut(way, next, end, fromServer, another);
        next = Objects.requireNonNull(way.work(store, next).block());
      }
    }
    return next;
  }

  /** Makes sure that there is a connection on which nothing was sent but this. */
  private void begin(Lease lease) {
    breaking.find(lease.run().id()).retry(5).block();
    messages.forget();
  }

  private Lease cut(Way way, Lease lease, int bytes, boolean fromServer, boolean another) {
    begin(lease);
    if (another) {
      lapse(); // It is the owner's all the same, until somebody else comes.
    }
    proxy.cutAfterBytes(bytes, fromServer);
    try {
      return way.work(breaking, lease).block();
    } catch (RuntimeException e) {
      broken++;
      return another ? takenOver() : again(lease, e);
    } finally {
      proxy.cut(); // If it has not happened, it will not.
    }
  }

  /** Its owner does not know what became of it, and says that it failed. */
  private Lease again(Lease lease, Throwable failure) {
    Again again = new Again(Objects.requireNonNull(lease.range()), 0, Duration.ZERO);
    try {
      return store
          .fail(lease, new BatchFailure(failure.toString(), List.of(again), null, false), LEASE)
          .block();
    } catch (LostLeaseException e) {
      lost++;
      lapse();
      return takenOver();
    }
  }

  private static void lapse() {
    clean
        .database()
        .execute(
            "UPDATE cursorstream.consumer SET lease_until = clock_timestamp() - interval '1 s'");
  }

  /** Its owner is gone. */
  private Lease takenOver() {
    Mono<Lease> taken = store.take("test", Set.of("kind"), LEASE);
    Lease lease = taken.block();
    while (lease == null) { // Its last statement has completed the batch, or is about to.
      lapse();
      lease = taken.block();
    }
    return lease;
  }

  /**
   * A run of ranges of one row, whose one slot has been taken. Its numbers have as many digits from
   * the first batch to the last, so that the messages of all are of the same length.
   */
  private Lease taken(int first, int last) {
    List<String> ends =
        Flux.range(first, last - first + 1).map(String::valueOf).collectList().block();
    String start = String.valueOf(first - 1);
    NewRun wanted = new NewRun("r", "kind", "", RunParameters.DEFAULTS, false);
    store
        .create(wanted, "test")
        .flatMap(run -> store.open(run.id(), start, String.valueOf(last), "test"))
        .flatMap(run -> store.extend(run, Objects.requireNonNull(ends)))
        .block();
    clean.database().execute("UPDATE cursorstream.consumer SET epoch = 1000, serial = 1000");
    return store.take("test", Set.of("kind"), LEASE).block();
  }
}
