package io.github.cursorstream.testing;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import io.r2dbc.pool.ConnectionPool;
import io.r2dbc.postgresql.PostgresqlConnectionFactory;
import io.r2dbc.postgresql.api.PostgresqlConnection;
import io.r2dbc.spi.R2dbcException;
import io.r2dbc.spi.R2dbcNonTransientResourceException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import reactor.core.publisher.Flux;
import reactor.core.publisher.Mono;
import reactor.test.StepVerifier;

@Timeout(180)
class PostgresIT {

  private static TestDatabase database;

  @BeforeAll
  static void create() {
    database = TestPostgres.shared().createDatabase();
  }

  @AfterAll
  static void drop() {
    database.close();
  }

  @Test
  void sharedServerIsOnePerJvmAndCannotBeStopped() {
    TestPostgres shared = TestPostgres.shared();

    assertThat(TestPostgres.shared()).isSameAs(shared);
    for (Runnable forbidden : List.<Runnable>of(shared::stop, shared::restart, shared::close)) {
      assertThatThrownBy(forbidden::run)
          .isInstanceOf(UnsupportedOperationException.class)
          .hasMessageContaining("TestPostgres.start()");
    }
  }

  @Test
  void databasesAreApartAndGoneAfterClose() {
    String all = "SELECT count(*) FROM pg_database WHERE datname = '%s'";
    TestDatabase one = TestPostgres.shared().createDatabase("orders");
    TestDatabase two = TestPostgres.shared().createDatabase("orders");
    ConnectionPool pool = one.pool(2);
    pool.create().block();

    one.execute("CREATE TABLE t (id int)", "INSERT INTO t VALUES (1)");
    two.execute("CREATE TABLE t (id int)");
    assertThat(one.count("SELECT count(*) FROM t")).isEqualTo(1);
    assertThat(two.count("SELECT count(*) FROM t")).isZero();
    assertThat(one.name()).startsWith("orders_").isNotEqualTo(two.name());
    assertThat(database.count(all.formatted(one.name()))).isEqualTo(1);

    one.close();
    one.close();
    two.close();

    assertThat(pool.isDisposed()).isTrue();
    assertThat(database.count(all.formatted(one.name()))).isZero();
    assertThat(database.count(all.formatted(two.name()))).isZero();
  }

  @Test
  void textIsUtf8AndOrderedByCodePoint() {
    assertThat(database.query("SHOW server_encoding")).containsExactly(List.of("UTF8"));
    assertThat(database.query("SELECT x FROM (VALUES ('b'), ('ä'), ('B')) AS v (x) ORDER BY x"))
        .containsExactly(List.of("B"), List.of("b"), List.of("ä"));
  }

  @Test
  void helpersReturnRowsAndNulls() {
    assertThat(database.execute("CREATE TABLE h (id int, name text)")).isZero();
    assertThat(database.execute("INSERT INTO h VALUES (1, 'a'), (2, NULL)")).isEqualTo(2);

    assertThat(database.query("SELECT id, name FROM h ORDER BY id"))
        .containsExactly(List.of(1, "a"), Arrays.asList(2, null));
    assertThatThrownBy(() -> database.count("SELECT id FROM h"))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageStartingWith("one row with a number required");
    assertThatThrownBy(() -> database.query("SELECT nonsense")).isInstanceOf(R2dbcException.class);
  }

  @Test
  void settingsThatMatterAreTold() {
    Map<String, String> settings = TestPostgres.shared().settings();

    assertThat(settings)
        .containsOnlyKeys(
            Set.of(
                "server_version",
                "fsync",
                "synchronous_commit",
                "max_connections",
                "shared_buffers"));
    assertThat(settings.get("server_version")).matches("\\d+.*");
    assertThat(settings.get("server_version"))
        .startsWith(String.valueOf(TestPostgres.shared().majorVersion()));
  }

  @Test
  void serverSeesOpenTransactionsAndTerminatesThem() {
    try (TestDatabase own = TestPostgres.shared().createDatabase()) {
      assertThat(own.sessions()).isEmpty();
      PostgresqlConnection idle = own.connectionFactory().create().block();
      idle.setTransactionIsolationLevel(io.r2dbc.spi.IsolationLevel.REPEATABLE_READ)
          .then(idle.beginTransaction())
          .thenMany(idle.createStatement("SELECT 1").execute().concatMap(r -> r.map(row -> 1)))
          .blockLast();
      PostgresqlConnection busy = own.connectionFactory().create().block();
      Mono<Void> sleeping =
          busy.createStatement("SELECT pg_sleep(600)")
              .execute()
              .concatMap(r -> r.map(row -> 1))
              .then();
      var sleep = sleeping.toFuture();
      await().until(() -> !own.running().isEmpty());

      assertThat(own.sessions()).hasSize(2);
      assertThat(own.idleInTransaction())
          .singleElement()
          .matches(s -> s.query().equals("SELECT 1"));
      assertThat(own.running()).singleElement().matches(s -> s.query().contains("pg_sleep"));
      assertThat(own.holdingXmin()).containsAll(own.idleInTransaction());

      assertThat(own.terminateBackends()).isEqualTo(2);

      assertThat(own.sessions()).isEmpty();
      assertThatThrownBy(sleep::join).hasMessageContaining("terminating connection");
    }
  }

  @Test
  void connectionThroughAProxyIsCutInTheMiddleOfAResult() {
    try (TcpProxy proxy = TcpProxy.to(database.host(), database.port())) {
      var connections =
          new PostgresqlConnectionFactory(
              database.configuration().host(proxy.host()).port(proxy.port()).build());
      PostgresqlConnection connection = connections.create().block();
      List<Integer> rows = new ArrayList<>();
      proxy.cutAfterBytes(1_000_000);

      Flux<Integer> all =
          connection
              .createStatement("SELECT i, repeat('x', 100) FROM generate_series(1, $1) AS i")
              .bind("$1", 1_000_000)
              .execute()
              .concatMap(result -> result.map(row -> row.get(0, Integer.class)));

      StepVerifier.create(all.doOnNext(rows::add))
          .thenConsumeWhile(i -> true)
          .expectError(R2dbcNonTransientResourceException.class)
          .verify();
      assertThat(rows).hasSizeBetween(5_000, 10_000).endsWith(rows.size());
      assertThat(proxy.open()).isZero();
    }
  }
}
