package io.github.cursorstream.r2dbc.keyset;

import io.github.cursorstream.cursor.Cursor;
import io.github.cursorstream.cursor.CursorCodec;
import io.github.cursorstream.cursor.InvalidCursorException;
import io.github.cursorstream.r2dbc.internal.Connections;
import io.github.cursorstream.r2dbc.internal.Failures;
import io.r2dbc.spi.Connection;
import java.util.List;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;
import reactor.core.publisher.Mono;

/**
 * Where a keyset is read.
 *
 * @param connections what queries are sent over
 * @param callersConnection whether that is one that is not ours
 * @param catalog what is known about the keyset
 */
record KeysetAccess(Connections connections, boolean callersConnection, KeysetCatalog catalog) {

  /**
   * Something to be asked.
   *
   * @param <R> the type of the answer
   */
  @FunctionalInterface
  interface Question<R> {

    /**
     * Once for each time that it is asked.
     *
     * @param keyset as it is now
     * @param codec of its cursors
     * @param from the values of the cursor to go on from; null for none
     * @param upTo those of the cursor to end at; null for none
     * @return what to do with a connection
     */
    Function<Connection, Mono<R>> put(
        ResolvedKeyset keyset,
        CursorCodec codec,
        @Nullable List<@Nullable String> from,
        @Nullable List<@Nullable String> upTo);
  }

  /**
   * Asks something, with the time limit, and observed and watched as the options say. If it fails
   * because the database cannot read a cursor, it is that cursor's failure.
   *
   * @param options of the call
   * @param what the name of the question
   * @param from where to go on from, or null
   * @param upTo where to end, or null
   * @param question to be asked
   * @return the answer
   * @param <R> its type
   */
  <R> Mono<R> ask(
      StreamOptions options,
      String what,
      @Nullable Cursor from,
      @Nullable Cursor upTo,
      Question<R> question) {
    return keyset(options)
        .flatMap(
            keyset -> {
              CursorCodec codec = codec(options, keyset);
              Mono<R> answer =
                  connections.use(
                      question.put(
                          keyset, codec, values(keyset, codec, from), values(keyset, codec, upTo)),
                      options.timeout());
              return options.observations() == null
                  ? answer
                  : Observed.by(options.observations(), what, keyset.name(), answer);
            })
        .doOnError(failure -> catalog.forgetIfStale(options, failure))
        .onErrorResume(
            Failures::isUnreadable,
            e -> read(options, from, e).then(read(options, upTo, e)).then(Mono.error(e)));
  }

  private Mono<ResolvedKeyset> keyset(StreamOptions options) {
    return catalog.get(connections, !callersConnection, options);
  }

  private static CursorCodec codec(StreamOptions options, ResolvedKeyset keyset) {
    return options.tokenKey() == null
        ? keyset.codec()
        : keyset.codec().tokenKey(options.tokenKey());
  }

  /** A cursor's values, if it is one of this keyset; null for none. */
  private static @Nullable List<@Nullable String> values(
      ResolvedKeyset keyset, CursorCodec codec, @Nullable Cursor cursor) {
    return cursor == null ? null : keyset.values(codec.accept(cursor));
  }

  /**
   * Has the database read a cursor's values, by the types as they are now: a walk's own cursor
   * could be read by those that were.
   */
  private Mono<Void> read(StreamOptions options, @Nullable Cursor cursor, Throwable failure) {
    return cursor == null
        ? Mono.empty()
        : keyset(options)
            .flatMap(
                keyset -> {
                  BatchSql values =
                      BatchSql.canonical(
                          keyset, keyset.values(codec(options, keyset).accept(cursor)));
                  return values == null
                      ? Mono.empty()
                      : connections.use(
                          connection -> values.run(connection, row -> true).then(),
                          options.timeout());
                })
            .onErrorMap(e -> Failures.isUnreadable(e) ? ofCursor(cursor, e) : failure);
  }

  /**
   * A failure to read a cursor's values as that of the cursor, if the database cannot read them.
   */
  static Throwable ofCursor(Cursor cursor, Throwable e) {
    return Failures.isUnreadable(e)
        ? new InvalidCursorException(
            "values of the types of the order required but the database cannot read those of "
                + cursor
                + ": "
                + e.getMessage())
        : e;
  }
}
