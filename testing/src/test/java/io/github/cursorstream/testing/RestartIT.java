package io.github.cursorstream.testing;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assumptions.assumeThat;

import io.r2dbc.postgresql.api.PostgresqlConnection;
import io.r2dbc.spi.R2dbcException;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(300)
class RestartIT {

  private static TestPostgres postgres;

  @BeforeAll
  static void start() {
    assumeThat(System.getProperty("postgres.url", "")).as("a server of our own").isEmpty();
    postgres = TestPostgres.start("fsync=on", "synchronous_commit=on");
  }

  @AfterAll
  static void stop() {
    if (postgres != null) {
      postgres.close();
      postgres.close();
    }
  }

  @Test
  void durabilityIsOnWhenAskedFor() {
    assertThat(postgres.settings())
        .containsEntry("fsync", "on")
        .containsEntry("synchronous_commit", "on")
        .containsEntry("max_connections", "200");
    assertThat(TestPostgres.shared().setting("fsync")).isEqualTo("off");
    assertThat(TestPostgres.shared().setting("synchronous_commit")).isEqualTo("off");
  }

  @Test
  void restartKeepsDataPortAndSettingsAndEndsSessions() {
    try (TestDatabase database = postgres.createDatabase()) {
      database.execute("CREATE TABLE t AS SELECT 42 AS answer");
      PostgresqlConnection connection = database.connectionFactory().create().block();

      postgres.restart();

      assertThatThrownBy(
              () ->
                  connection
                      .createStatement("SELECT 1")
                      .execute()
                      .concatMap(r -> r.map(row -> 1))
                      .blockLast())
          .isInstanceOf(R2dbcException.class);
      assertThat(database.query("SELECT answer FROM t")).containsExactly(List.of(42));
      assertThat(postgres.setting("fsync")).isEqualTo("on");
    }
  }

  @Test
  void stoppedServerRefusesUntilItIsRestarted() {
    try (TestDatabase database = postgres.createDatabase()) {
      postgres.stop();
      postgres.stop();
      assertThatThrownBy(() -> database.query("SELECT 1")).isInstanceOf(R2dbcException.class);

      postgres.restart();

      assertThat(database.count("SELECT 1")).isEqualTo(1);
    }
  }

  @Test
  void existingServerLendsDatabasesButIsNotStopped() {
    try (TestDatabase home = postgres.createDatabase()) {
      String url =
          "postgres://%s:%s@%s:%d/%s"
              .formatted(home.user(), home.password(), home.host(), home.port(), home.name());
      TestPostgres existing =
          TestPostgres.on(Server.create("ignored", "", url, Map.of("fsync", "on")));
      try (TestDatabase database = existing.createDatabase()) {
        assertThat(database.count("SELECT 1")).isEqualTo(1);
      }
      assertThatThrownBy(existing::stop)
          .isInstanceOf(UnsupportedOperationException.class)
          .hasMessageContaining("cannot be stopped from here");
      assertThatThrownBy(existing::restart).isInstanceOf(UnsupportedOperationException.class);
      existing.close();
      assertThatThrownBy(() -> Server.create("", "", url, Map.of("fsync", "off")))
          .isInstanceOf(UnsupportedOperationException.class)
          .hasMessageContaining("fsync=off was asked for")
          .hasMessageNotContaining(home.password() + "@");
    }
  }

  @Test
  void unknownModeIsRefused() {
    assertThatIllegalArgumentException()
        .isThrownBy(() -> Server.create("docker", "", "", Map.of()))
        .withMessageContaining("embedded or testcontainers but it was \"docker\"");
  }
}
