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

/** The schema's steps: installs those that are missing, or makes sure that all are there. */
final class Migration {

  /** In order; the version of each is its place, from 1. */
  private static final List<String> STEPS = List.of("V1__runs.sql");

  private Migration() {}

  /** In one transaction, one node at a time. */
  static Mono<Void> run(Connection connection) {
    Mono<Boolean> locked =
        Statements.query(
                connection,
                """
                SELECT pg_advisory_xact_lock(hashtextextended('cursorstream:migrate', $1)) IS NULL
                  AS locked""",
                row -> true,
                0L)
            .next();
    return Transaction.of(
        connection,
        locked
            .then(version(connection))
            .flatMap(
                version ->
                    version > STEPS.size()
                        ? Mono.error(another(version))
                        : install(connection, version)));
  }

  /** Fails if the schema is not the one that this library works with. */
  static Mono<Void> check(Connection connection) {
    return version(connection)
        .flatMap(version -> version == STEPS.size() ? Mono.empty() : Mono.error(another(version)));
  }

  /** 0 if there is none. */
  private static Mono<Integer> version(Connection connection) {
    return Statements.query(
            connection,
            "SELECT to_regclass($1) IS NOT NULL AS installed",
            row -> Boolean.TRUE.equals(row.get("installed", Boolean.class)),
            "cursorstream.version")
        .next()
        .flatMap(
            installed ->
                installed
                    ? Statements.query(
                            connection,
                            "SELECT max(version)::bigint AS v FROM cursorstream.version WHERE $1",
                            row -> Math.toIntExact(Rows.number(row, "v")),
                            true)
                        .next()
                    : Mono.just(0));
  }

  private static IllegalStateException another(int version) {
    String found = version == 0 ? "there is none" : "it is of version " + version;
    String cure =
        version > STEPS.size()
            ? "this application's CursorStream is too old for it, update the library"
            : "call PostgresRunStore.migrate(), or install what is missing by Flyway or Liquibase";
    return new IllegalStateException(
        "the schema cursorstream of version %d required but %s; %s"
            .formatted(STEPS.size(), found, cure));
  }

  private static Mono<Void> install(Connection connection, int version) {
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
