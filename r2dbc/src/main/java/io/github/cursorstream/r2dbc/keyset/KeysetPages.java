package io.github.cursorstream.r2dbc.keyset;

import io.github.cursorstream.cursor.Cursor;
import io.github.cursorstream.cursor.Page;
import io.github.cursorstream.cursor.PageRequest;
import io.github.cursorstream.cursor.PageSource;
import io.github.cursorstream.r2dbc.keyset.PageReader.Cursors;
import io.r2dbc.spi.Row;
import java.util.List;
import java.util.function.Consumer;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;
import reactor.core.publisher.Mono;

/**
 * The pages of one call.
 *
 * @param <T> what rows are mapped to
 */
final class KeysetPages<T> implements PageSource<T> {

  private final KeysetAccess access;
  private final Function<? super Row, ? extends T> mapper;
  private final StreamOptions options;
  private final Cursors cursors;
  private final boolean exactEnd;
  // A query of the last keyset, to make others of.
  private volatile @Nullable PageSql template;

  /**
   * Pages.
   *
   * @param cursors which of their cursors anyone will look at
   * @param exactEnd whether a full page is to know if it is the last
   */
  KeysetPages(
      KeysetAccess access,
      Function<? super Row, ? extends T> mapper,
      StreamOptions options,
      Cursors cursors,
      boolean exactEnd) {
    this.access = access;
    this.mapper = mapper;
    this.options = options;
    this.cursors = cursors;
    this.exactEnd = exactEnd;
  }

  @Override
  public Mono<Page<T>> fetch(PageRequest request) {
    return page(request.after(), options.upTo(), null);
  }

  @Override
  public Mono<Page<T>> fetch(PageRequest request, Consumer<Cursor> end) {
    return page(request.after(), options.upTo(), end);
  }

  /**
   * The page of other bounds than those of the call.
   *
   * @param end told where the page ends, if its query can tell; null if nobody looks ahead
   */
  Mono<Page<T>> page(
      @Nullable Cursor after, @Nullable Cursor upTo, @Nullable Consumer<Cursor> end) {
    boolean backwards = options.before() != null;
    Cursor from = backwards ? options.before() : after;
    int size = options.pageSize();
    return access.ask(
        options,
        "page",
        from,
        upTo,
        (keyset, codec, first, last) -> {
          boolean looksAhead = exactEnd || !keyset.proven();
          PageSql sql = query(keyset, first, last, looksAhead ? size + 1 : size);
          boolean tells = end != null && sql.canTellEnd();
          String text = tells ? sql.tellingEnd() : sql.text();
          return connection ->
              new PageReader<T>(keyset, codec, mapper, size, cursors, tells ? end : null)
                  .read(connection, text, sql.binds(), backwards, looksAhead);
        });
  }

  private PageSql query(
      ResolvedKeyset keyset,
      @Nullable List<@Nullable String> from,
      @Nullable List<@Nullable String> upTo,
      int limit) {
    PageSql known = template;
    PageSql same =
        known == null || !known.keyset().equals(keyset) ? null : known.between(from, upTo);
    if (same != null) {
      return same;
    }
    PageSql rendered = new PageSql(keyset, options.before() != null, from, upTo, limit);
    template = rendered;
    return rendered;
  }
}
