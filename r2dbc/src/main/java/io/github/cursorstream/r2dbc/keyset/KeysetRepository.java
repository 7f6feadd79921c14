package io.github.cursorstream.r2dbc.keyset;

import io.github.cursorstream.cursor.Cursor;
import io.github.cursorstream.cursor.CursorCodec;
import io.github.cursorstream.cursor.CursorStream;
import io.github.cursorstream.cursor.Page;
import io.github.cursorstream.cursor.PageSource;
import io.github.cursorstream.r2dbc.internal.Connections;
import io.github.cursorstream.r2dbc.keyset.PageReader.Cursors;
import io.r2dbc.spi.Connection;
import io.r2dbc.spi.ConnectionFactory;
import io.r2dbc.spi.Row;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.function.BiFunction;
import java.util.function.Function;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;
import reactor.core.publisher.Flux;
import reactor.core.publisher.Mono;

/** The one implementation: puts together catalog, SQL, reading and the page operator. */
final class KeysetRepository<T> implements CursorBasedRepository<T> {

  /** How many page ends one query brings when reading ahead. */
  private static final int RANGES_AT_ONCE = 32;

  private final Connections connections;
  private final boolean callersConnection;
  private final KeysetCatalog catalog;
  private final Function<? super Row, ? extends T> mapper;
  private final StreamOptions defaults;

  private KeysetRepository(
      Connections connections,
      boolean callersConnection,
      KeysetCatalog catalog,
      Function<? super Row, ? extends T> mapper,
      StreamOptions defaults) {
    this.connections = connections;
    this.callersConnection = callersConnection;
    this.catalog = catalog;
    this.mapper = mapper;
    this.defaults = defaults;
  }

  static <T> KeysetRepository<T> create(
      ConnectionFactory factory, Keyset keyset, Function<? super Row, ? extends T> mapper) {
    Objects.requireNonNull(factory, "connectionFactory");
    Objects.requireNonNull(keyset, "keyset");
    Objects.requireNonNull(mapper, "mapper");
    return new KeysetRepository<>(
        Connections.of(factory),
        false,
        new KeysetCatalog(keyset.complete()),
        mapper,
        StreamOptions.DEFAULTS);
  }

  @Override
  public CursorBasedRepository<T> using(Connection connection) {
    Objects.requireNonNull(connection, "connection");
    return new KeysetRepository<>(
        Connections.of(connection), true, catalog.fresh(), mapper, defaults);
  }

  @Override
  public CursorBasedRepository<T> defaults(UnaryOperator<StreamOptions> options) {
    return new KeysetRepository<>(connections, callersConnection, catalog, mapper, given(options));
  }

  KeysetBatches<T> batches() {
    if (defaults.after() != null || defaults.before() != null || defaults.upTo() != null) {
      throw new IllegalArgumentException(
          "a repository without bounds required but its defaults are after %s, before %s, up to %s; give them to the backfill"
              .formatted(defaults.after(), defaults.before(), defaults.upTo()));
    }
    return new KeysetBatchReader<>(connections, callersConnection, catalog, mapper, defaults);
  }

  @Override
  public Flux<T> cursorBasedStream(UnaryOperator<StreamOptions> options) {
    StreamOptions given = forward(options);
    return readsAhead(given)
        ? Flux.using(
            () -> readAhead(given), source -> CursorStream.of(source).items(), ReadAhead::dispose)
        : stream(given, Cursors.TO_GO_ON, false).items();
  }

  @Override
  public Flux<Page<T>> cursorBasedPages(UnaryOperator<StreamOptions> options) {
    StreamOptions given = forward(options);
    return readsAhead(given)
        ? Flux.using(
            () -> readAhead(given), source -> CursorStream.of(source).pages(), ReadAhead::dispose)
        : stream(given, Cursors.ALL, false).pages();
  }

  private boolean readsAhead(StreamOptions options) {
    return options.readAhead() > 0 && !callersConnection;
  }

  private ReadAhead<T> readAhead(StreamOptions options) {
    return ReadAhead.of(
        pageRanges(options),
        range -> stream(options.prefetch(0).within(range), Cursors.ALL, true).pages(),
        options.readAhead());
  }

  /** Ranges of a page each, the last of them open; read many at a time. */
  private Flux<KeyRange> pageRanges(StreamOptions options) {
    int ranges = Math.min(RANGES_AT_ONCE, Math.max(1, Integer.MAX_VALUE / options.pageSize()));
    PageSource<KeyRange> source =
        request ->
            withKeyset(
                    options,
                    "ranges",
                    (keyset, codec) -> {
                      RangeSql sql =
                          new RangeSql(
                              keyset,
                              values(keyset, codec, request.after()),
                              values(keyset, codec, options.upTo()),
                              ranges);
                      return connections.use(
                          connection ->
                              sql.pageEnds(connection, codec, options.pageSize()).collectList(),
                          options.timeout());
                    })
                .map(
                    ends -> {
                      boolean last = ends.size() < ranges;
                      List<KeyRange> found = RangeSql.ranges(request.after(), ends, options.upTo());
                      return last
                          ? Page.last(found, null)
                          : Page.of(found.subList(0, ranges), ends.get(ranges - 1));
                    });
    CursorStream<KeyRange> stream = CursorStream.of(source).after(options.after()).prefetch(1);
    return (options.retry() == null ? stream : stream.retry(options.retry())).items();
  }

  private CursorStream<T> stream(StreamOptions options, Cursors cursors, boolean exactEnd) {
    CursorStream<T> stream =
        CursorStream.<T>of(request -> page(options, request.after(), cursors, exactEnd))
            .pageSize(options.pageSize())
            .after(options.after());
    if (callersConnection) {
      return stream;
    }
    stream = stream.prefetch(options.prefetch());
    return options.retry() == null ? stream : stream.retry(options.retry());
  }

  @Override
  public Mono<Page<T>> cursorBasedPage(UnaryOperator<StreamOptions> options) {
    StreamOptions given = given(options);
    Mono<Page<T>> page = Mono.defer(() -> page(given, given.after(), Cursors.ALL, true));
    return callersConnection || given.retry() == null ? page : page.retryWhen(given.retry());
  }

  private Mono<Page<T>> page(
      StreamOptions options, @Nullable Cursor after, Cursors cursors, boolean exactEnd) {
    Cursor before = options.before();
    boolean backwards = before != null;
    Cursor from = backwards ? before : after;
    int size = options.pageSize();
    return withKeyset(
        options,
        "page",
        (keyset, codec) -> {
          boolean looksAhead = exactEnd || !keyset.proven();
          PageSql sql =
              new PageSql(
                  keyset,
                  backwards,
                  values(keyset, codec, from),
                  values(keyset, codec, options.upTo()),
                  looksAhead ? size + 1 : size);
          return connections.use(
              connection ->
                  new PageReader<T>(keyset, codec, mapper, size, cursors)
                      .read(connection, sql, backwards, looksAhead),
              options.timeout());
        });
  }

  @Override
  public Flux<KeyRange> ranges(int count, UnaryOperator<StreamOptions> options) {
    if (count < 1) {
      throw new IllegalArgumentException("ranges >= 1 required but it was " + count);
    }
    StreamOptions given = forward(options);
    Mono<List<KeyRange>> ranges =
        withKeyset(
                given,
                "ranges",
                (keyset, codec) -> {
                  RangeSql sql =
                      new RangeSql(
                          keyset,
                          values(keyset, codec, given.after()),
                          values(keyset, codec, given.upTo()),
                          count);
                  return connections.use(
                      connection -> sql.boundaries(connection, codec), given.timeout());
                })
            .map(cuts -> RangeSql.ranges(given.after(), cuts, given.upTo()));
    return ranges.flatMapIterable(list -> list);
  }

  @Override
  public Mono<KeysetPlan> explain(UnaryOperator<StreamOptions> options) {
    // It tells of a missing index itself.
    StreamOptions given = forward(options).check(KeysetCheck.OFF);
    Mono<Cursor> start =
        given.after() != null
            ? Mono.just(given.after())
            : cursorBasedPage(o -> given.pageSize(1)).mapNotNull(Page::cursor);
    return start
        .map(Optional::of)
        .defaultIfEmpty(Optional.empty())
        .flatMap(
            cursor ->
                withKeyset(
                    given,
                    "explain",
                    (keyset, codec) -> {
                      PageSql sql =
                          new PageSql(
                              keyset,
                              false,
                              values(keyset, codec, cursor.orElse(null)),
                              values(keyset, codec, given.upTo()),
                              given.pageSize());
                      return connections.use(
                          connection -> Explain.plan(connection, keyset, sql, cursor.isPresent()),
                          given.timeout());
                    }));
  }

  /** Looks up the keyset, and observes and watches what is done with it. */
  private <R> Mono<R> withKeyset(
      StreamOptions options, String what, BiFunction<ResolvedKeyset, CursorCodec, Mono<R>> work) {
    return catalog
        .get(connections, !callersConnection, options)
        .flatMap(
            keyset -> {
              CursorCodec codec =
                  options.tokenKey() == null
                      ? keyset.codec()
                      : keyset.codec().tokenKey(options.tokenKey());
              Mono<R> done = work.apply(keyset, codec);
              return options.observations() == null
                  ? done
                  : Observed.by(options.observations(), what, keyset.name(), done);
            })
        .doOnError(failure -> catalog.forgetIfStale(options, failure));
  }

  private static @Nullable List<@Nullable String> values(
      ResolvedKeyset keyset, CursorCodec codec, @Nullable Cursor cursor) {
    return cursor == null ? null : keyset.values(codec.accept(cursor));
  }

  private StreamOptions given(UnaryOperator<StreamOptions> options) {
    StreamOptions given = Objects.requireNonNull(options.apply(defaults), "options");
    if (given.schema() != null && catalog.isQuery()) {
      throw new IllegalArgumentException(
          "a Keyset.table required with schema but it was a query: " + given.schema());
    }
    return given;
  }

  private StreamOptions forward(UnaryOperator<StreamOptions> options) {
    StreamOptions given = given(options);
    if (given.before() != null) {
      throw new IllegalArgumentException(
          "before is for cursorBasedPage; a stream that goes back has the opposite orderBy");
    }
    return given;
  }
}
