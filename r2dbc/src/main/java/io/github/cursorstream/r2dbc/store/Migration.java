package io.github.cursorstream.r2dbc.store;

import io.r2dbc.spi.Connection;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Objects;
import reactor.core.publisher.Flux;
import reactor.core.publisher.Mono;

/** Installs the steps of the schema that are missing, in one transaction. */
final class Migration {

  /** In order; the version of each is its place, from 1. */
  private static final List<String> STEPS = List.of("V1__runs.sql");

  private Migration() {}

  static Mono<Void> run(Connection connection) {
    return Transaction.of(
        connection,
        Statements.query(
                connection,
                // One node at a time. The table may not be there yet.
                """
                SELECT pg_advisory_xact_lock(hashtextextended('cursorstream:migrate', $1))::text,
                  to_regclass('cursorstream.version') IS NOT NULL AS installed""",
                row -> Boolean.TRUE.equals(row.get("installed", Boolean.class)),
                0L)
            .next()
            .flatMap(
                installed ->
                    installed
                        ? Statements.query(
                                connection,
                                """
                                SELECT max(version)::bigint AS v FROM cursorstream.version
                                WHERE $1""",
                                row -> Math.toIntExact(Rows.number(row, "v")),
                                true)
                            .next()
                        : Mono.just(0))
            .flatMap(version -> install(connection, version)));
  }

  private static Mono<Void> install(Connection connection, int version) {
    if (version > STEPS.size()) {
      return Mono.error(
          new IllegalStateException(
              "schema cursorstream of version "
                  + STEPS.size()
                  + " or older required but it is "
                  + version
                  + ": this application's CursorStream is too old for it; update the library"));
    }
    return Flux.fromIterable(STEPS)
        .skip(version)
        .concatMap(step -> Transaction.sent(connection, resource(step)))
        .then();
  }

  private static String resource(String name) {
    try (InputStream in = Migration.class.getResourceAsStream(name)) {
      return new String(Objects.requireNonNull(in, name).readAllBytes(), StandardCharsets.UTF_8);
    } catch (IOException e) {
      throw new UncheckedIOException(name, e);
    }
  }
}
