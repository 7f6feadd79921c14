package io.github.cursorstream.r2dbc.keyset;

import io.github.cursorstream.cursor.Cursor;
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
import java.util.function.Function;
import java.util.function.UnaryOperator;
import reactor.core.publisher.Flux;
import reactor.core.publisher.Mono;

/** The one implementation: puts together catalog, SQL, reading and the page operator. */
final class KeysetRepository<T> implements CursorBasedRepository<T> {

  /** How many page ends one query brings when reading ahead. */
  private static final int RANGES_AT_ONCE = 32;

  private final KeysetAccess access;
  private final Function<? super Row, ? extends T> mapper;
  private final StreamOptions defaults;

  private KeysetRepository(
      KeysetAccess access, Function<? super Row, ? extends T> mapper, StreamOptions defaults) {
    this.access = access;
    this.mapper = mapper;
    this.defaults = defaults;
  }

  static <T> KeysetRepository<T> create(
      ConnectionFactory factory, Keyset keyset, Function<? super Row, ? extends T> mapper) {
    Objects.requireNonNull(factory, "connectionFactory");
    Objects.requireNonNull(keyset, "keyset");
    Objects.requireNonNull(mapper, "mapper");
    return new KeysetRepository<>(
        new KeysetAccess(Connections.of(factory), false, new KeysetCatalog(keyset.complete())),
        mapper,
        StreamOptions.DEFAULTS);
  }

  @Override
  public CursorBasedRepository<T> using(Connection connection) {
    Objects.requireNonNull(connection, "connection");
    return new KeysetRepository<>(
        new KeysetAccess(Connections.of(connection), true, access.catalog().fresh()),
        mapper,
        defaults);
  }

  @Override
  public CursorBasedRepository<T> defaults(UnaryOperator<StreamOptions> options) {
    return new KeysetRepository<>(access, mapper, given(options));
  }

  KeysetBatches<T> batches() {
    if (defaults.after() != null || defaults.before() != null || defaults.upTo() != null) {
      throw new IllegalArgumentException(
          "a repository without bounds required but its defaults are after %s, before %s, up to %s; give them to the backfill"
              .formatted(defaults.after(), defaults.before(), defaults.upTo()));
    }
    return new KeysetBatchReader<>(
        access.connections(), access.callersConnection(), access.catalog(), mapper, defaults);
  }

  @Override
  public Flux<T> cursorBasedStream(UnaryOperator<StreamOptions> options) {
    StreamOptions given = forward(options);
    return readsAhead(given)
        ? Flux.using(
            () -> readAhead(given), source -> CursorStream.of(source).items(), ReadAhead::dispose)
        : stream(pages(given, Cursors.TO_GO_ON, false), given).items();
  }

  @Override
  public Flux<Page<T>> cursorBasedPages(UnaryOperator<StreamOptions> options) {
    StreamOptions given = forward(options);
    return readsAhead(given)
        ? Flux.using(
            () -> readAhead(given), source -> CursorStream.of(source).pages(), ReadAhead::dispose)
        : stream(pages(given, Cursors.ALL, false), given).pages();
  }

  private boolean readsAhead(StreamOptions options) {
    return options.readAhead() > 0 && !access.callersConnection();
  }

  private ReadAhead<T> readAhead(StreamOptions options) {
    KeysetPages<T> pages = pages(options, Cursors.ALL, true);
    return ReadAhead.of(
        pageRanges(options),
        range ->
            stream(
                    request -> pages.page(request.after(), range.upTo(), null),
                    options.prefetch(0).within(range))
                .pages(),
        options.readAhead());
  }

  /** Ranges of a page each, the last of them open; read many at a time. */
  private Flux<KeyRange> pageRanges(StreamOptions options) {
    int ranges = Math.min(RANGES_AT_ONCE, Math.max(1, Integer.MAX_VALUE / options.pageSize()));
    PageSource<KeyRange> source =
        request ->
            access
                .ask(
                    options,
                    "ranges",
                    request.after(),
                    options.upTo(),
                    (keyset, codec, from, upTo) -> {
                      RangeSql sql = new RangeSql(keyset, from, upTo, ranges);
                      return connection ->
                          sql.pageEnds(connection, codec, options.pageSize()).collectList();
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

  private CursorStream<T> stream(PageSource<T> pages, StreamOptions options) {
    CursorStream<T> stream =
        CursorStream.of(pages).pageSize(options.pageSize()).after(options.after());
    if (access.callersConnection()) {
      return stream;
    }
    stream = stream.prefetch(options.prefetch());
    return options.retry() == null ? stream : stream.retry(options.retry());
  }

  @Override
  public Mono<Page<T>> cursorBasedPage(UnaryOperator<StreamOptions> options) {
    StreamOptions given = given(options);
    Mono<Page<T>> page =
        Mono.defer(() -> pages(given, Cursors.ALL, true).page(given.after(), given.upTo(), null));
    return access.callersConnection() || given.retry() == null
        ? page
        : page.retryWhen(given.retry());
  }

  private KeysetPages<T> pages(StreamOptions options, Cursors cursors, boolean exactEnd) {
    return new KeysetPages<>(access, mapper, options, cursors, exactEnd);
  }

  @Override
  public Flux<KeyRange> ranges(int count, UnaryOperator<StreamOptions> options) {
    if (count < 1) {
      throw new IllegalArgumentException("ranges >= 1 required but it was " + count);
    }
    StreamOptions given = forward(options);
    Mono<List<KeyRange>> ranges =
        access
            .ask(
                given,
                "ranges",
                given.after(),
                given.upTo(),
                (keyset, codec, from, upTo) -> {
                  RangeSql sql = new RangeSql(keyset, from, upTo, count);
                  return connection -> sql.boundaries(connection, codec);
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
                access.ask(
                    given,
                    "explain",
                    cursor.orElse(null),
                    given.upTo(),
                    (keyset, codec, from, upTo) -> {
                      PageSql sql = new PageSql(keyset, false, from, upTo, given.pageSize());
                      return connection ->
                          Explain.plan(connection, keyset, sql, cursor.isPresent());
                    }));
  }

  private StreamOptions given(UnaryOperator<StreamOptions> options) {
    StreamOptions given = Objects.requireNonNull(options.apply(defaults), "options");
    if (given.schema() != null && access.catalog().isQuery()) {
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
