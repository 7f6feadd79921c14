package io.github.cursorstream.r2dbc.keyset;

import io.github.cursorstream.cursor.Page;
import io.r2dbc.spi.Connection;
import io.r2dbc.spi.ConnectionFactory;
import io.r2dbc.spi.Row;
import java.util.function.Function;
import java.util.function.UnaryOperator;
import reactor.core.publisher.Flux;
import reactor.core.publisher.Mono;

/**
 * Reads all rows of a table in the order of a unique key, page by page, on demand.
 *
 * <pre>{@code
 * CursorBasedRepository<User> users = CursorBasedRepository.create(connectionFactory,
 *     Keyset.table("users"),
 *     row -> new User(row.get("id", Long.class), row.get("email", String.class)));
 *
 * users.cursorBasedStream()
 *     .flatMap(this::enrich, 8)
 *     .subscribe();
 * }</pre>
 *
 * <p>Each page is one query, {@code SELECT … WHERE "id" > $1 ORDER BY "id" LIMIT 1000}, sent when
 * the subscriber asks for a row that no fetched page holds. Between pages nothing is held: no
 * connection, no transaction, no snapshot. Rows that stay where they are appear exactly once. A row
 * whose key is changed while reading is met twice if it is moved ahead, and never if it is moved
 * behind. The first subscription adds one catalog query; it is shared and, if it fails, repeated.
 *
 * <p>Everything returned is cold: each subscription reads anew. Wrong cursors and keysets end it
 * with an {@link io.github.cursorstream.cursor.InvalidCursorException} or an {@link
 * InvalidKeysetException} before any page is read.
 *
 * @param <T> what a row is mapped to
 */
public interface CursorBasedRepository<T> {

  /**
   * A repository over a table or a query.
   *
   * @param connectionFactory a pool, or a plain factory; of the PostgreSQL driver
   * @param keyset what is read, in which order
   * @param mapper called once for each row; must not return null, nor keep the row
   * @param <T> what a row is mapped to
   * @return a repository; nothing is asked yet
   * @throws IllegalArgumentException if the keyset lacks an order or a value
   */
  static <T> CursorBasedRepository<T> create(
      ConnectionFactory connectionFactory,
      Keyset keyset,
      Function<? super Row, ? extends T> mapper) {
    return KeysetRepository.create(connectionFactory, keyset, mapper);
  }

  /**
   * A repository that maps rows to records: each component takes the column of its name, or of its
   * name in snake_case ({@code createdAt} takes {@code created_at}).
   *
   * @param connectionFactory a pool, or a plain factory; of the PostgreSQL driver
   * @param keyset what is read, in which order
   * @param type the record
   * @param <T> the record
   * @return a repository; nothing is asked yet
   * @throws IllegalArgumentException if the keyset lacks an order or a value
   */
  static <T extends Record> CursorBasedRepository<T> create(
      ConnectionFactory connectionFactory, Keyset keyset, Class<T> type) {
    return KeysetRepository.create(connectionFactory, keyset, new RecordMapper<>(type));
  }

  /**
   * Every row, in order.
   *
   * @return a cold Flux; one subscription reads the table once
   */
  default Flux<T> cursorBasedStream() {
    return cursorBasedStream(options -> options);
  }

  /**
   * Every row between the cursors of the options, in order.
   *
   * @param options given the defaults
   * @return a cold Flux; one subscription reads the rows once
   */
  Flux<T> cursorBasedStream(UnaryOperator<StreamOptions> options);

  /**
   * Every page, in order: its rows and the cursor behind them, to go on from after a restart.
   * Asking for one page fetches one page.
   *
   * @param options given the defaults
   * @return a cold Flux of pages that are not empty
   */
  Flux<Page<T>> cursorBasedPages(UnaryOperator<StreamOptions> options);

  /**
   * One page, for example for an HTTP request. It is read with one row more, so that {@link
   * Page#last()} tells exactly whether the next one is empty (going back with {@code before}: the
   * previous one).
   *
   * @param options given the defaults
   * @return a cold Mono of one page, which may be empty
   */
  Mono<Page<T>> cursorBasedPage(UnaryOperator<StreamOptions> options);

  /**
   * Cuts the rows between the cursors of the options into contiguous ranges of about equal size, to
   * read them over several connections:
   *
   * <pre>{@code
   * users.ranges(8, o -> o)
   *     .flatMap(range -> users.cursorBasedStream(o -> o.within(range)), 4)
   * }</pre>
   *
   * The ranges cover the rows exactly, whatever is inserted meanwhile. Their bounds are keys that a
   * sample of the table's blocks holds ({@code TABLESAMPLE SYSTEM}), for small tables and queries
   * all keys.
   *
   * @param count how many, 1 or more; fewer come if there are fewer rows
   * @param options given the defaults
   * @return a cold Flux of ranges, in order
   */
  Flux<KeyRange> ranges(int count, UnaryOperator<StreamOptions> options);

  /**
   * The same over the whole table.
   *
   * @param count how many, 1 or more
   * @return a cold Flux of ranges, in order
   */
  default Flux<KeyRange> ranges(int count) {
    return ranges(count, options -> options);
  }

  /**
   * How PostgreSQL reads a page behind {@code after}, or behind the first row.
   *
   * @param options given the defaults
   * @return a cold Mono of the plan, and of the index that is missing
   */
  Mono<KeysetPlan> explain(UnaryOperator<StreamOptions> options);

  /**
   * The same for the defaults.
   *
   * @return a cold Mono of the plan
   */
  default Mono<KeysetPlan> explain() {
    return explain(options -> options);
  }

  /**
   * The same repository in the caller's transaction: every query goes over this connection, and
   * sees what the transaction has written. It begins with a catalog query of its own, as the
   * transaction may see another table. There is no prefetch, no retry, no cancel request and no
   * close on it: a page query that is running when the subscriber cancels is drained by the driver.
   *
   * @param connection the caller's; it must not be used for something else while a page is read
   * @return a repository that reads over it
   */
  CursorBasedRepository<T> using(Connection connection);

  /**
   * The same repository with other defaults for the options of each call.
   *
   * @param options given the present defaults
   * @return a repository that shares what was learnt from the catalog
   */
  CursorBasedRepository<T> defaults(UnaryOperator<StreamOptions> options);
}
