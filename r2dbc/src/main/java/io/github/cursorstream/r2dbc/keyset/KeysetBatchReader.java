package io.github.cursorstream.r2dbc.keyset;

import io.github.cursorstream.cursor.Cursor;
import io.github.cursorstream.cursor.CursorCodec;
import io.github.cursorstream.cursor.Page;
import io.github.cursorstream.r2dbc.internal.Connections;
import io.github.cursorstream.r2dbc.internal.Identifiers;
import io.github.cursorstream.r2dbc.keyset.PageReader.Cursors;
import io.r2dbc.spi.Connection;
import io.r2dbc.spi.Row;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.BiFunction;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;
import reactor.core.publisher.Flux;
import reactor.core.publisher.Mono;

/** The one implementation: asks for a repository's keyset, and makes its answers positions. */
final class KeysetBatchReader<T> implements KeysetBatches<T> {

  private final Connections connections;
  private final boolean callersConnection;
  private final KeysetCatalog catalog;
  private final Function<? super Row, ? extends T> mapper;
  private final StreamOptions options;

  KeysetBatchReader(
      Connections connections,
      boolean callersConnection,
      KeysetCatalog catalog,
      Function<? super Row, ? extends T> mapper,
      StreamOptions options) {
    this.connections = connections;
    this.callersConnection = callersConnection;
    this.catalog = catalog;
    this.mapper = mapper;
    this.options = options;
  }

  @Override
  public Mono<String> last() {
    return ask(
        (keyset, connection) -> {
          ResolvedKeyset keys = unfiltered(keyset).keysOnly();
          PageSql sql = new PageSql(keys, true, null, null, 1);
          return new PageReader<>(keys, keyset.codec(), row -> true, 1, Cursors.ALL)
              .read(connection, sql, true, false)
              .mapNotNull(Page::cursor)
              .map(Cursor::token);
        });
  }

  @Override
  public Mono<String> position(Cursor cursor) {
    Objects.requireNonNull(cursor, "cursor");
    return ask(
        (keyset, connection) -> {
          CursorCodec users =
              options.tokenKey() == null
                  ? keyset.codec()
                  : keyset.codec().tokenKey(options.tokenKey());
          List<@Nullable String> given = keyset.values(users.accept(cursor));
          BatchSql sql = BatchSql.canonical(keyset, given);
          Mono<List<@Nullable String>> values =
              sql == null
                  ? Mono.just(given)
                  : sql.run(connection, row -> BatchSql.values(keyset, given.size(), row)).single();
          return values
              .map(found -> position(keyset, found, cursor.isPrefix()))
              .onErrorMap(e -> KeysetAccess.ofCursor(cursor, e));
        });
  }

  @Override
  public Mono<List<String>> ends(@Nullable String after, String upTo, int size, int count) {
    Objects.requireNonNull(upTo, "upTo");
    atLeastOne(size, "size");
    atLeastOne(count, "count");
    int most = Math.min(count, Math.max(1, BatchSql.ALL / size));
    return ask((keyset, connection) -> ends(keyset, connection, after, upTo, size, most));
  }

  private Mono<List<String>> ends(
      ResolvedKeyset keyset,
      Connection connection,
      @Nullable String after,
      String upTo,
      int size,
      int count) {
    return BatchSql.ends(
            unfiltered(keyset), values(keyset, after), required(keyset, upTo), size, count)
        .run(connection, row -> BatchSql.values(keyset, keyset.order().size(), row))
        .map(values -> position(keyset, values, false))
        .collectList()
        .map(ends -> upTo(ends, upTo, count));
  }

  /** Ends that are missing tell that there are no more keys. */
  private static List<String> upTo(List<String> found, String upTo, int most) {
    List<String> ends = new ArrayList<>(found);
    if (found.size() < most) {
      ends.add(upTo);
    }
    // Equal keys of a query may be the end of several batches, and the last key may be upTo.
    return ends.stream().distinct().toList();
  }

  @Override
  public Mono<RangeCondition> predicate(
      @Nullable String after, String upTo, @Nullable String alias, int firstBind) {
    Objects.requireNonNull(upTo, "upTo");
    atLeastOne(firstBind, "firstBind");
    String qualifier = alias == null ? null : Identifiers.quote(Identifiers.check(alias, "alias"));
    return keyset(connections, !callersConnection)
        .map(
            keyset -> {
              BatchSql.table(keyset, "for a condition on it");
              return BatchSql.condition(
                  keyset, values(keyset, after), required(keyset, upTo), qualifier, firstBind);
            });
  }

  @Override
  public Mono<BatchRows<T>> rows(
      Connection connection, @Nullable String after, String upTo, Lock lock, int most) {
    Objects.requireNonNull(connection, "connection");
    Objects.requireNonNull(upTo, "upTo");
    Objects.requireNonNull(lock, "lock");
    atLeastOne(most, "most");
    return ask(
        Connections.of(connection),
        false,
        null, // It would count what the transaction waits for, which has a limit of its own.
        (keyset, given) -> {
          if (lock != Lock.NONE) {
            BatchSql.table(keyset, "to lock its rows");
          }
          int bound = keyset.proven() ? Math.min(most, BatchSql.ALL) : BatchSql.ALL;
          return read(keyset, given, after, upTo, lock, bound);
        });
  }

  private Mono<BatchRows<T>> read(
      ResolvedKeyset keyset,
      Connection connection,
      @Nullable String after,
      String upTo,
      Lock lock,
      int most) {
    PageSql sql =
        new PageSql(keyset, false, values(keyset, after), required(keyset, upTo), most + 1);
    PageReader<T> reader =
        new PageReader<>(
            keyset, keyset.codec(), mapper, most, lock.skips() ? Cursors.EACH : Cursors.TO_GO_ON);
    return reader
        .read(connection, sql.text() + lock.clause(keyset.alias()), sql.binds(), false, true)
        .flatMap(
            page -> {
              if (!page.last()) {
                return ends(keyset, connection, after, upTo, most, 1)
                    .flatMap(
                        end -> read(keyset, connection, after, end.get(0), lock, BatchSql.ALL));
              }
              Mono<List<KeyRange>> skipped =
                  lock.skips()
                      ? skipped(keyset, connection, after, upTo, reader.keys())
                      : Mono.just(List.of());
              return skipped.map(ranges -> new BatchRows<>(page.items(), upTo, ranges));
            });
  }

  /** As few and as small ranges as hold the rows that satisfy the filter and were not read. */
  private static Mono<List<KeyRange>> skipped(
      ResolvedKeyset keyset,
      Connection connection,
      @Nullable String after,
      String upTo,
      Set<List<@Nullable String>> read) {
    return KeySql.keys(keyset, values(keyset, after), required(keyset, upTo))
        .run(
            connection,
            row ->
                new SkippedKeys.Key(
                    BatchSql.values(keyset, keyset.order().size(), row),
                    Boolean.TRUE.equals(row.get("matches", Boolean.class))))
        .collect(
            () ->
                new SkippedKeys(
                    after == null ? null : Cursor.parse(after),
                    values -> Cursor.parse(position(keyset, values, false)),
                    read),
            SkippedKeys::add)
        .map(SkippedKeys::parts);
  }

  @Override
  public boolean isFiltered() {
    return catalog.isFiltered();
  }

  @Override
  public Mono<Matches> matches(@Nullable String after, String upTo, int some) {
    Objects.requireNonNull(upTo, "upTo");
    atLeastOne(some, "some");
    return ask(
        (keyset, connection) -> {
          AtomicLong total = new AtomicLong();
          return BatchSql.matches(keyset, values(keyset, after), required(keyset, upTo), some)
              .run(
                  connection,
                  row -> {
                    total.set(Objects.requireNonNull(row.get("total", Long.class)));
                    return BatchSql.values(keyset, keyset.order().size(), row);
                  })
              .map(values -> position(keyset, values, false))
              .collectList()
              .filter(first -> !first.isEmpty())
              .map(first -> new Matches(total.get(), first));
        });
  }

  @Override
  public Flux<String> matches(Collection<String> keys) {
    List<String> known = List.copyOf(keys);
    return ask((keyset, connection) ->
            KeySql.matches(keyset, known.stream().map(key -> required(keyset, key)).toList())
                .run(connection, row -> BatchSql.values(keyset, keyset.order().size(), row))
                .map(values -> position(keyset, values, false))
                .collectList())
        .flatMapIterable(found -> found);
  }

  @Override
  public Mono<Comparator<String>> order(Collection<String> positions) {
    List<String> distinct = positions.stream().distinct().toList();
    return ask(
        (keyset, connection) ->
            KeySql.ranks(
                    unfiltered(keyset), distinct.stream().map(p -> required(keyset, p)).toList())
                .run(connection, row -> Objects.requireNonNull(row.get("rank", Long.class)))
                .collectList()
                .map(
                    ranks -> {
                      Map<String, Long> rank = new HashMap<>();
                      for (int i = 0; i < ranks.size(); i++) {
                        rank.put(distinct.get(i), ranks.get(i));
                      }
                      return Comparator.comparing(p -> Objects.requireNonNull(rank.get(p), p));
                    }));
  }

  @Override
  public Mono<String> middle(@Nullable String after, String upTo) {
    Objects.requireNonNull(upTo, "upTo");
    return ask(
        (keyset, connection) ->
            BatchSql.middle(unfiltered(keyset), values(keyset, after), required(keyset, upTo))
                .run(connection, row -> BatchSql.values(keyset, keyset.order().size(), row))
                .singleOrEmpty()
                .map(values -> position(keyset, values, false))
                // Equal keys of a query cannot be cut.
                .filter(middle -> !middle.equals(upTo)));
  }

  @Override
  public Mono<String> json(@Nullable String after, String upTo) {
    Objects.requireNonNull(upTo, "upTo");
    return ask(
        (keyset, connection) ->
            BatchSql.json(unfiltered(keyset), values(keyset, after), required(keyset, upTo))
                .run(connection, row -> Objects.requireNonNull(row.get(0, String.class)))
                .singleOrEmpty());
  }

  @Override
  public Mono<Void> writersGone(Duration poll) {
    if (poll.isNegative() || poll.isZero()) {
      throw new IllegalArgumentException("poll > 0 required but it was " + poll);
    }
    return ask((keyset, c) ->
            names(c, BatchSql.writers(BatchSql.table(keyset, "to ask for its writers"))))
        .filter(writers -> !writers.isEmpty())
        .flatMap(
            writers ->
                Mono.delay(poll)
                    .then(ask((keyset, c) -> names(c, BatchSql.stillThere(writers))))
                    .filter(List::isEmpty)
                    .repeatWhenEmpty(times -> times))
        .then();
  }

  private static Mono<List<String>> names(Connection connection, BatchSql sql) {
    return sql.run(connection, row -> Objects.requireNonNull(row.get("writer", String.class)))
        .collectList();
  }

  @Override
  public Mono<Double> fraction(@Nullable String start, String at, String upper) {
    Objects.requireNonNull(at, "at");
    Objects.requireNonNull(upper, "upper");
    return ask(
        (keyset, connection) ->
            BatchSql.analyzed(keyset)
                .run(connection, row -> Objects.requireNonNull(row.get("known", Boolean.class)))
                .single()
                .filter(known -> known)
                .flatMap(
                    known ->
                        Flux.concat(
                                expected(keyset, connection, start),
                                expected(keyset, connection, at),
                                expected(keyset, connection, upper))
                            .collectList())
                .filter(keys -> keys.get(2) > keys.get(0))
                .map(
                    keys ->
                        Math.min(
                            1,
                            Math.max(0, keys.get(1) - keys.get(0)) / (keys.get(2) - keys.get(0)))));
  }

  private static Mono<Double> expected(
      ResolvedKeyset keyset, Connection connection, @Nullable String position) {
    return position == null
        ? Mono.just(0.0)
        : BatchSql.expected(keyset, required(keyset, position))
            .run(connection, row -> Objects.requireNonNull(row.get(0, String.class)))
            .collectList()
            .map(BatchSql::expected);
  }

  // Asking.

  private <R> Mono<R> ask(BiFunction<ResolvedKeyset, Connection, Mono<R>> question) {
    Mono<R> answer = ask(connections, !callersConnection, options.timeout(), question);
    return callersConnection || options.retry() == null
        ? answer
        : answer.retryWhen(options.retry());
  }

  private <R> Mono<R> ask(
      Connections where,
      boolean shared,
      @Nullable Duration timeout,
      BiFunction<ResolvedKeyset, Connection, Mono<R>> question) {
    return keyset(where, shared)
        .flatMap(
            keyset -> {
              Mono<R> answer = where.use(connection -> question.apply(keyset, connection), timeout);
              return options.observations() == null
                  ? answer
                  : Observed.by(options.observations(), "batches", keyset.name(), answer);
            })
        .doOnError(failure -> catalog.forgetIfStale(options, failure));
  }

  private Mono<ResolvedKeyset> keyset(Connections where, boolean shared) {
    return catalog.get(where, shared, options).map(BatchSql::check);
  }

  // Positions.

  private ResolvedKeyset unfiltered(ResolvedKeyset keyset) {
    return keyset.unfiltered(catalog.queryBinds());
  }

  private static String position(
      ResolvedKeyset keyset, List<@Nullable String> values, boolean prefix) {
    List<String> names = keyset.orderNames();
    Cursor cursor;
    if (prefix) {
      cursor = Cursor.prefix(names.get(0), values.get(0));
      for (int i = 1; i < values.size(); i++) {
        cursor = cursor.and(names.get(i), values.get(i));
      }
    } else {
      cursor = Cursor.ofText(names, values);
    }
    return keyset.codec().issue(cursor).token();
  }

  private static @Nullable List<@Nullable String> values(
      ResolvedKeyset keyset, @Nullable String position) {
    return position == null ? null : required(keyset, position);
  }

  private static List<@Nullable String> required(ResolvedKeyset keyset, String position) {
    return keyset.values(keyset.codec().accept(Cursor.parse(position)));
  }

  private static void atLeastOne(int number, String name) {
    if (number < 1) {
      throw new IllegalArgumentException(name + " >= 1 required but it was " + number);
    }
  }
}
