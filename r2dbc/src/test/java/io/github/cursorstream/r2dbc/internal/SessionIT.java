package io.github.cursorstream.r2dbc.internal;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.cursorstream.r2dbc.keyset.CleanDatabase;
import io.r2dbc.spi.Connection;
import java.time.Duration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import reactor.core.publisher.Flux;
import reactor.core.publisher.Mono;

@Timeout(60)
class SessionIT {

  @RegisterExtension static final CleanDatabase clean = new CleanDatabase();

  private static Mono<Long> rows(Connection connection, String sql) {
    return Flux.defer(() -> connection.createStatement(sql).bind(0, 1).execute())
        .concatMap(result -> result.map((row, metadata) -> 1L))
        .reduce(0L, Long::sum);
  }

  @Test
  void whatTimedOutIsNotLeftToTheNextBorrower() {
    Connections connections = Connections.of(clean.pool(1));
    Long answer =
        connections
            .<Long>session(
                same ->
                    same.use(
                            connection -> rows(connection, "SELECT pg_sleep(20 * $1)"),
                            Duration.ofMillis(200))
                        .onErrorReturn(-1L))
            .block();
    assertThat(answer).isEqualTo(-1);
    assertThat(
            connections
                .use(connection -> rows(connection, "SELECT $1"), null)
                .block(Duration.ofSeconds(10)))
        .isEqualTo(1);
  }
}
