package io.github.cursorstream.r2dbc;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.cursorstream.concurrency.Concurrency;
import io.github.cursorstream.cursor.Cursor;
import io.github.cursorstream.cursor.Page;
import io.github.cursorstream.r2dbc.backfill.Backfill;
import io.github.cursorstream.r2dbc.keyset.CursorBasedRepository;
import io.github.cursorstream.r2dbc.keyset.Keyset;
import io.github.cursorstream.r2dbc.keyset.KeysetPlan;
import io.github.cursorstream.r2dbc.store.PostgresRunStore;
import io.github.cursorstream.run.RunHandle;
import io.github.cursorstream.run.RunKind;
import io.github.cursorstream.run.Runner;
import io.github.cursorstream.testing.TestDatabase;
import io.github.cursorstream.testing.TestPostgres;
import io.r2dbc.pool.ConnectionPool;
import io.r2dbc.spi.Connection;
import io.r2dbc.spi.ConnectionFactory;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import reactor.core.publisher.Flux;
import reactor.core.publisher.Mono;
import reactor.util.Logger;
import reactor.util.Loggers;

/** The code of the README, compiled and run. */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class ReadmeIT {

  private static final Logger log = Loggers.getLogger(ReadmeIT.class);

  record User(Long id, String email) {}

  private final Queue<User> sent = new ConcurrentLinkedQueue<>();
  private final TestDatabase database = TestPostgres.shared().createDatabase("readme");
  private final ConnectionPool connectionFactory = database.pool(8);

  @BeforeAll
  void makeUsers() {
    database.execute(
        "CREATE TABLE users (id bigint PRIMARY KEY, email text, active boolean, country text)",
        "INSERT INTO users SELECT i, i || '@example.com', i % 2 = 0,"
            + " (ARRAY['PL', 'DE'])[1 + i / 2 % 2] FROM generate_series(1, 4000) i");
  }

  @AfterAll
  void close() {
    database.close();
  }

  private CursorBasedRepository<User> repository(ConnectionFactory connectionFactory) {
    CursorBasedRepository<User> users =
        CursorBasedRepository.create(
            connectionFactory,
            Keyset.table("users").where("active and country = :country").bind("country", "PL"),
            row -> new User(row.get("id", Long.class), row.get("email", String.class)));
    return users;
  }

  private Mono<User> sendNewsletter(User user) {
    return Mono.delay(Duration.ofMillis(1)).thenReturn(user).doOnNext(sent::add);
  }

  @Test
  void theStreamOfTheQuickStartSendsEveryNewsletter() {
    CursorBasedRepository<User> users = repository(connectionFactory);
    Concurrency consumers = Concurrency.of(4);

    users
        .cursorBasedStream()
        .transform(consumers.flatMap(user -> sendNewsletter(user)))
        .subscribe();

    consumers.set(16); // more at once
    consumers.set(0); // a pause: no page is fetched any more

    consumers.set(8);
    long expected = database.count("SELECT count(*) FROM users WHERE active AND country = 'PL'");
    Awaitility.await().until(() -> sent.size() == expected);
    assertThat(sent.stream().distinct()).hasSize((int) expected);
  }

  @Test
  void theOtherCallsReadWhatTheySay() {
    CursorBasedRepository<User> users = repository(connectionFactory);
    String token =
        users.cursorBasedPage(o -> o.pageSize(10)).map(page -> page.cursor().token()).block();
    Connection connection = connectionFactory.create().block();
    List<Object> results = new ArrayList<>();
    results.add(
        users.cursorBasedStream(
            o -> o.pageSize(500).after(Cursor.of("id", 100L)).upTo(Cursor.of("id", 1_000L))));
    results.add(
        users.cursorBasedPages(o -> o.pageSize(500)) // pages: items, and the cursor behind them
        );
    results.add(
        users.cursorBasedPage(
            o -> o.pageSize(50).after(Cursor.parse(token))) // one page of an HTTP request
        );
    results.add(
        users
            .ranges(8)
            .flatMap(range -> users.cursorBasedStream(o -> o.within(range)), 4) // in parallel
        );
    results.add(
        users.using(connection).cursorBasedStream() // in your transaction
        );
    results.add(
        users
            .explain()
            .doOnNext(
                plan ->
                    log.info(plan.seeks() + " " + plan.createIndex())) // or which index is missing
        );
    List<Long> all =
        database.query("SELECT id FROM users WHERE active AND country = 'PL' ORDER BY id").stream()
            .map(row -> (Long) row.get(0))
            .toList();
    assertThat(ids(results.get(0)))
        .isEqualTo(all.stream().filter(id -> id > 100 && id <= 1000).toList());
    assertThat(ids(results.get(1))).isEqualTo(all);
    assertThat(ids(results.get(2))).isEqualTo(all.subList(10, 60));
    assertThat(ids(results.get(3)).stream().sorted()).isEqualTo(all);
    assertThat(ids(results.get(4))).isEqualTo(all);
    assertThat(Mono.from((Mono<?>) results.get(5)).cast(KeysetPlan.class).block().seeks()).isTrue();
    Mono.from(connection.close()).block();
  }

  @Test
  void theBackfillFillsEveryRowOfTheFilterAndNoOther() {
    CursorBasedRepository<User> users = repository(connectionFactory);
    database.execute("ALTER TABLE users ADD COLUMN domain text");
    PostgresRunStore store = PostgresRunStore.create(connectionFactory);
    Runner runner = Runner.create(store); // on each node, with the same backfills registered
    RunKind fillDomain =
        Backfill.over("fill-domain", users)
            .consumers(2)
            .execute(
                range -> // of all keys: your SQL repeats the repository's filter
                "UPDATE users SET domain = split_part(email, '@', 2)"
                        + " WHERE active AND country = 'PL' AND "
                        + range);
    store
        .migrate() // installs the schema cursorstream, as Flyway or Liquibase can
        .then(runner.start(fillDomain)) // on one node, the others register(fillDomain)
        .flatMap(RunHandle::onFinish)
        .subscribe(run -> log.info(run.state() + ", rows: " + run.rows()));

    Awaitility.await()
        .ignoreExceptions()
        .until(() -> runner.ensureSucceeded("fill-domain").block(Duration.ofSeconds(5)) != null);
    long expected = database.count("SELECT count(*) FROM users WHERE active AND country = 'PL'");
    assertThat(store.latest("fill-domain").block().rows()).isEqualTo(expected);
    assertThat(
            database.count(
                "SELECT count(*) FROM users WHERE domain = 'example.com'"
                    + " AND active AND country = 'PL'"))
        .isEqualTo(expected);
    assertThat(database.count("SELECT count(*) FROM users WHERE domain IS NOT NULL"))
        .isEqualTo(expected);
    runner.shutdown(Duration.ofSeconds(5)).block();
  }

  private static List<Long> ids(Object result) {
    Flux<?> flux = result instanceof Mono<?> mono ? mono.flux() : (Flux<?>) result;
    return flux.concatMapIterable(x -> x instanceof Page<?> page ? page.items() : List.of(x))
        .map(user -> ((User) user).id())
        .collectList()
        .block();
  }

  @Test
  void everyLineOfJavaInTheReadmeStandsHere() throws IOException {
    Path root = Path.of("").toAbsolutePath().getParent();
    String here =
        squeezed(
            Files.readString(
                root.resolve("r2dbc/src/test/java/io/github/cursorstream/r2dbc/ReadmeIT.java")));
    Matcher blocks =
        Pattern.compile("```java\n(.*?)```", Pattern.DOTALL)
            .matcher(Files.readString(root.resolve("README.md")));
    int lines = 0;
    while (blocks.find()) {
      for (String line : blocks.group(1).split(";", -1)) {
        assertThat(here).contains(squeezed(line.replaceFirst("^\\s*//[^\n]*\n", "")));
        lines++;
      }
    }
    assertThat(lines).isGreaterThan(8);
  }

  private static String squeezed(String code) {
    return code.replaceAll("//[^\n]*", "").replaceAll("\\s+", "");
  }
}
