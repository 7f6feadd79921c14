package io.github.cursorstream.r2dbc.keyset;

import io.github.cursorstream.cursor.Cursor;
import io.github.cursorstream.cursor.Page;
import io.github.cursorstream.testing.TestDatabase;
import io.r2dbc.spi.ConnectionFactory;
import java.time.Duration;
import java.util.List;
import java.util.Objects;
import java.util.function.UnaryOperator;
import reactor.core.publisher.Flux;
import reactor.core.publisher.Mono;

/** Reads and waits for what comes. */
final class Reading {

  private static final Duration PATIENCE = Duration.ofSeconds(60);

  private Reading() {}

  static <T> List<T> all(Flux<T> flux) {
    return Objects.requireNonNull(flux.collectList().block(PATIENCE));
  }

  static <T> T one(Mono<T> mono) {
    return Objects.requireNonNull(mono.block(PATIENCE));
  }

  /** A repository of the column {@code id}, which says nothing about missing indexes. */
  static CursorBasedRepository<Long> ids(ConnectionFactory connections, Keyset keyset) {
    return quiet(
        CursorBasedRepository.create(
            connections, keyset, row -> Objects.requireNonNull(row.get("id", Long.class))));
  }

  /** A repository of the first column as text. */
  static CursorBasedRepository<String> texts(ConnectionFactory connections, Keyset keyset) {
    return quiet(
        CursorBasedRepository.create(
            connections, keyset, row -> String.valueOf(row.get(0, String.class))));
  }

  static <T> CursorBasedRepository<T> quiet(CursorBasedRepository<T> repository) {
    return repository.defaults(o -> o.check(KeysetCheck.OFF));
  }

  static <T> List<T> read(
      CursorBasedRepository<T> repository, UnaryOperator<StreamOptions> options) {
    return all(repository.cursorBasedStream(options));
  }

  static <T> List<T> read(CursorBasedRepository<T> repository, int pageSize) {
    return read(repository, o -> o.pageSize(pageSize));
  }

  static <T> Page<T> page(
      CursorBasedRepository<T> repository, UnaryOperator<StreamOptions> options) {
    return one(repository.cursorBasedPage(options));
  }

  /** What comes of a cursor that travels through a URL. */
  static Cursor sent(Cursor cursor) {
    return Cursor.parse(cursor.token());
  }

  /** The cursor of each row, in order. */
  static List<Cursor> cursors(CursorBasedRepository<?> repository) {
    return all(
        repository
            .cursorBasedPages(o -> o.pageSize(1))
            .map(page -> sent(Objects.requireNonNull(page.cursor()))));
  }

  /** The first column of what the server answers, as numbers. */
  static List<Long> numbers(TestDatabase database, String query) {
    return database.query(query).stream().map(row -> ((Number) row.get(0)).longValue()).toList();
  }

  /** The first column of what the server answers, as text. */
  static List<String> strings(TestDatabase database, String query) {
    return database.query(query).stream().map(row -> String.valueOf(row.get(0))).toList();
  }
}
