package io.github.cursorstream.r2dbc.keyset;

import io.github.cursorstream.cursor.Cursor;
import io.github.cursorstream.cursor.CursorCodec;
import io.github.cursorstream.cursor.InvalidCursorException;
import io.github.cursorstream.r2dbc.internal.Connections;
import io.github.cursorstream.r2dbc.internal.Failures;
import io.r2dbc.spi.Connection;
import java.util.List;
import java.util.function.BiFunction;
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
   * Asks something, with the time limit, and observed and watched as the options say.
   *
   * @param options of the call
   * @param what the name of the question, as it is observed; null for one that is not
   * @param question given the keyset and the codec of its cursors, once for each time it is asked
   * @return the answer
   * @param <R> its type
   */
  <R> Mono<R> ask(
      StreamOptions options,
      @Nullable String what,
      BiFunction<ResolvedKeyset, CursorCodec, Function<Connection, Mono<R>>> question) {
    return catalog
        .get(connections, !callersConnection, options)
        .flatMap(
            keyset -> {
              CursorCodec codec =
                  options.tokenKey() == null
                      ? keyset.codec()
                      : keyset.codec().tokenKey(options.tokenKey());
              Mono<R> answer = connections.use(question.apply(keyset, codec), options.timeout());
              return options.observations() == null || what == null
                  ? answer
                  : Observed.by(options.observations(), what, keyset.name(), answer);
            })
        .doOnError(failure -> catalog.forgetIfStale(options, failure));
  }

  /** A cursor's values, if it is one of this keyset; null for none. */
  static @Nullable List<@Nullable String> values(
      ResolvedKeyset keyset, CursorCodec codec, @Nullable Cursor cursor) {
    return cursor == null ? null : keyset.values(codec.accept(cursor));
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
