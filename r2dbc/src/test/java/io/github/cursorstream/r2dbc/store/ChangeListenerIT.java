package io.github.cursorstream.r2dbc.store;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.github.cursorstream.r2dbc.internal.Connections;
import io.github.cursorstream.r2dbc.keyset.CleanDatabase;
import io.github.cursorstream.r2dbc.keyset.LoggedWarnings;
import io.github.cursorstream.run.NewRun;
import io.github.cursorstream.run.RunParameters;
import io.github.cursorstream.run.RunStore;
import io.github.cursorstream.testing.TcpProxy;
import io.r2dbc.pool.ConnectionPool;
import io.r2dbc.postgresql.PostgresqlConnectionFactory;
import io.r2dbc.spi.Connection;
import io.r2dbc.spi.ConnectionFactory;
import io.r2dbc.spi.ConnectionFactoryMetadata;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.reactivestreams.Publisher;
import org.reactivestreams.Subscription;
import reactor.core.Disposable;
import reactor.core.Disposables;
import reactor.core.publisher.BaseSubscriber;
import reactor.core.publisher.Flux;
import reactor.core.publisher.Mono;

/** Whether changes are heard of, and what becomes of the connection that listens. */
@Timeout(60)
class ChangeListenerIT {

  @RegisterExtension static final CleanDatabase clean = new CleanDatabase();

  @RegisterExtension final LoggedWarnings logged = new LoggedWarnings(PostgresRunStore.class);

  private static final Duration SOON = Duration.ofSeconds(20);
  private static final Duration PATIENCE = Duration.ofMillis(700);

  private final BlockingQueue<Long> heard = new LinkedBlockingQueue<>();
  private final Disposable.Composite subscriptions = Disposables.composite();
  private ConnectionPool pool;
  private PostgresRunStore store;

  @BeforeEach
  void open() {
    pool = clean.pool(1);
    store = PostgresRunStore.create(pool);
    store.migrate().block(SOON);
  }

  @AfterEach
  void endListening() {
    subscriptions.dispose();
  }

  private void listen(Flux<Long> changes) {
    subscriptions.add(changes.subscribe(heard::add));
  }

  private ChangeListener listener(ConnectionFactory factory) {
    return new ChangeListener(factory, Connections.of(pool), PATIENCE);
  }

  private Mono<Void> notify(String what) {
    return Mono.usingWhen(
        pool.create(),
        c -> Statements.query(c, "SELECT pg_notify('cursorstream', $1)::text", r -> 0, what).then(),
        Connection::close);
  }

  private PostgresqlConnectionFactory named(String application) {
    return new PostgresqlConnectionFactory(
        clean.database().configuration().applicationName(application).build());
  }

  private static long listening(String application) {
    return clean.database().sessions().stream()
        .filter(session -> session.applicationName().equals(application))
        .count();
  }

  private void awaitAny() throws InterruptedException {
    assertThat(next()).isEqualTo(RunStore.ANY);
  }

  private Long next() throws InterruptedException {
    return heard.poll(SOON.toMillis(), TimeUnit.MILLISECONDS);
  }

  private long create(String name) {
    return store
        .create(new NewRun(name, "k", "", RunParameters.DEFAULTS, true), "me")
        .block(SOON)
        .id();
  }

  @Test
  void hintArrivesWhenTheChangeIsCommitted() throws InterruptedException {
    listen(store.changes());
    awaitAny();
    long said = System.nanoTime();
    long run = create("heard");
    assertThat(next()).isEqualTo(run);
    System.out.printf("created and heard of: %d ms%n", (System.nanoTime() - said) / 1_000_000);
  }

  @Test
  void whatOthersNotifyIsNoHint() throws InterruptedException {
    listen(store.changes());
    awaitAny();
    for (String noise : List.of("", "echo of another", "-1", "0x10", "9".repeat(30), "1 2")) {
      notify(noise).block(SOON);
    }
    clean.database().execute("NOTIFY cursorstream", "NOTIFY another_channel, '7'");
    long run = create("noise");
    assertThat(next()).isEqualTo(run);
  }

  @Test
  void terminatedBackendIsReplacedAndAnythingMayHaveChanged() throws InterruptedException {
    listen(store.listenOn(named("listener")).changes());
    awaitAny();
    for (int i = 0; i < 2; i++) {
      assertThat(listening("listener")).isEqualTo(1);
      clean
          .database()
          .query(
              "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name"
                  + " = 'listener'");
      awaitAny();
    }
    long run = create("after");
    assertThat(next()).isEqualTo(run);
  }

  @Test
  void brokenConnectionIsReplaced() throws InterruptedException {
    TcpProxy proxy = clean.proxy();
    listen(store.listenOn(clean.through(proxy)).changes());
    awaitAny();
    proxy.cut();
    awaitAny();
    proxy.reset();
    awaitAny();
    long run = create("through");
    assertThat(next()).isEqualTo(run);
  }

  @Test
  void silentNetworkIsNoticed() throws InterruptedException {
    TcpProxy proxy = clean.proxy();
    listen(listener(clean.through(proxy)).changes());
    awaitAny();
    assertThat(proxy.accepted()).isEqualTo(1);
    long silent = System.nanoTime();
    proxy.stall();
    await().atMost(SOON).until(() -> proxy.accepted() > 1);
    System.out.printf(
        "silence noticed: %d ms, asking every %d ms%n",
        (System.nanoTime() - silent) / 1_000_000, PATIENCE.toMillis());
    proxy.resume();
    awaitAny();
    notify("5").block(SOON);
    assertThat(next()).isEqualTo(5);
  }

  @Test
  void deafListenerSaysSoOnceAndIsQuiet() throws InterruptedException {
    // As behind a pooler in transaction mode: everything is answered, and nothing is heard.
    PostgresqlConnectionFactory deaf =
        new PostgresqlConnectionFactory(
            clean.database().configuration().database("postgres").applicationName("deaf").build());
    ChangeListener listener = listener(deaf);
    for (int i = 0; i < 2; i++) {
      Disposable subscription = listener.changes().subscribe(heard::add);
      await().atMost(SOON).until(() -> !logged.messages().isEmpty());
      // Its connection is given up.
      await().atMost(SOON).until(() -> deafSessions() == 0);
      subscription.dispose();
    }
    assertThat(logged.messages()).singleElement().asString().contains("listenOn");
    assertThat(heard).isEmpty();
  }

  private static long deafSessions() {
    return clean
        .database()
        .count("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'deaf'");
  }

  @Test
  void connectionThatListensIsNotOneOfThePool() throws InterruptedException {
    listen(store.changes());
    awaitAny();
    create("beside"); // There is one connection in the pool.
    assertThat(listeningInThePool()).isZero();
    subscriptions.dispose();
    clean.awaitQuiet();
    assertThat(listeningInThePool()).isZero();
    assertThat(clean.database().sessions()).hasSize(1);
  }

  @Test
  void connectionOfAnUnknownPoolIsClosedAndNotGivenBack() throws InterruptedException {
    ConnectionPool two = clean.pool(1);
    // Nothing tells that there is a pool behind it.
    ConnectionFactory opaque =
        new ConnectionFactory() {
          @Override
          public Publisher<? extends Connection> create() {
            return two.create();
          }

          @Override
          public ConnectionFactoryMetadata getMetadata() {
            return two.getMetadata();
          }
        };
    Disposable subscription = store.listenOn(opaque).changes().subscribe(heard::add);
    awaitAny();
    assertThat(two.getMetrics().orElseThrow().acquiredSize()).isEqualTo(1);
    subscription.dispose();
    await().atMost(SOON).until(() -> two.getMetrics().orElseThrow().acquiredSize() == 0);
    assertThat(listeningIn(two)).isZero();
  }

  private long listeningInThePool() {
    return listeningIn(pool);
  }

  private static long listeningIn(ConnectionPool pool) {
    return Mono.usingWhen(
            pool.create(),
            c ->
                Statements.query(
                        c,
                        "SELECT count(*) AS n FROM pg_listening_channels() WHERE $1",
                        row -> row.get("n", Long.class),
                        true)
                    .single(),
            Connection::close)
        .block(SOON);
  }

  @Test
  void manyListenOverOneConnectionUntilTheLastHasLeft() throws InterruptedException {
    PostgresRunStore direct = store.listenOn(named("shared"));
    Disposable first = direct.changes().subscribe(heard::add);
    awaitAny();
    Disposable second = direct.changes().subscribe(heard::add);
    BaseSubscriber<Long> slow =
        new BaseSubscriber<>() {
          @Override
          protected void hookOnSubscribe(Subscription subscription) {
            subscription.request(1);
          }
        };
    direct.changes().subscribe(slow);
    long run = create("shared");
    assertThat(List.of(next(), next())).containsExactly(run, run);
    assertThat(listening("shared")).isEqualTo(1);
    first.dispose();
    for (int i = 0; i < 300; i++) {
      notify("" + (1000 + i)).block(SOON);
    }
    assertThat(Flux.range(0, 300).map(i -> nextUnchecked()).blockLast(SOON)).isEqualTo(1299);
    second.dispose();
    assertThat(listening("shared")).isEqualTo(1);
    slow.dispose();
    await().atMost(SOON).until(() -> listening("shared") == 0);
    listen(direct.changes());
    awaitAny();
  }

  private Long nextUnchecked() {
    try {
      return next();
    } catch (InterruptedException e) {
      throw new IllegalStateException(e);
    }
  }
}
