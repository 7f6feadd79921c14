package io.github.cursorstream.cursor;

import java.util.List;
import java.util.Objects;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import reactor.core.publisher.Flux;
import reactor.core.publisher.Mono;
import reactor.util.retry.Retry;

/**
 * A walk through a {@link PageSource}, described and not yet begun.
 *
 * <pre>{@code
 * CursorStream.of(source).pageSize(500).items()
 *     .flatMap(this::enrich, 8)
 *     .subscribe();
 * }</pre>
 *
 * <p>Each subscription to {@link #items()} or {@link #pages()} walks anew. A page is fetched when
 * the subscriber has asked for an item that no fetched page holds: demand limits fetching. With
 * {@link #prefetch} a number of pages is fetched ahead of that. Page n is delivered in full even if
 * fetching page n + 1 fails. Items come on the thread that brought a page or on the one that asked
 * for them; after a cancel, those that were fetched and not delivered go to {@code doOnDiscard}.
 * Immutable.
 *
 * @param <T> the type of the items
 */
public final class CursorStream<T> {

  /** The page size where none is given. */
  public static final int DEFAULT_PAGE_SIZE = 1000;

  private final PageSource<T> source;
  private final Options options;

  private record Options(
      int pageSize, int prefetch, @Nullable Cursor after, @Nullable Retry retry) {}

  private CursorStream(PageSource<T> source, Options options) {
    this.source = source;
    this.options = options;
  }

  /**
   * A walk from the beginning.
   *
   * @param source what to read
   * @param <T> the type of the items
   * @return a stream with the defaults
   */
  public static <T> CursorStream<T> of(PageSource<T> source) {
    return new CursorStream<>(
        Objects.requireNonNull(source, "source"), new Options(DEFAULT_PAGE_SIZE, 0, null, null));
  }

  /**
   * How many items a page has. Defaults to 1000.
   *
   * @param size 1 or more
   * @return a stream with this page size
   */
  public CursorStream<T> pageSize(int size) {
    atLeast(1, size, "pageSize");
    return new CursorStream<>(
        source, new Options(size, options.prefetch, options.after, options.retry));
  }

  /**
   * How many pages are fetched ahead of those that demand has reached. They start with the first
   * request, never before, and each as soon as the one before it has come, or has {@linkplain
   * PageSource#fetch(PageRequest, Consumer) told where it ends}. Defaults to 0: a page is fetched
   * when an item of it is asked for. Fetched or held in memory are at most {@code pages + 1} pages.
   *
   * @param pages 0 or more
   * @return a stream with this look-ahead
   */
  public CursorStream<T> prefetch(int pages) {
    atLeast(0, pages, "prefetch");
    return new CursorStream<>(
        source, new Options(options.pageSize, pages, options.after, options.retry));
  }

  /**
   * Where to start. Defaults to the beginning.
   *
   * @param cursor exclusive; null for the beginning
   * @return a stream that starts behind this position
   */
  public CursorStream<T> after(@Nullable Cursor cursor) {
    return new CursorStream<>(
        source, new Options(options.pageSize, options.prefetch, cursor, options.retry));
  }

  /**
   * What to do when fetching a page fails. Only that fetch is repeated, with the same request, so
   * no item is lost or repeated. Defaults to failing at once. Each page has its own count of
   * attempts.
   *
   * @param retry Reactor's own type
   * @return a stream that retries its page fetches
   */
  public CursorStream<T> retry(Retry retry) {
    return new CursorStream<>(
        source,
        new Options(
            options.pageSize,
            options.prefetch,
            options.after,
            Objects.requireNonNull(retry, "retry")));
  }

  /**
   * Every item, in order.
   *
   * <pre>
   * request     (1)      (2)             (∞)
   * fetch        ├─p1─┐                   ├─p2─┐  ├─p3 (last)─┐
   * items             1      2 3              4 5 6           7 |
   * </pre>
   *
   * @return a cold Flux; one subscription walks the source once
   */
  public Flux<T> items() {
    return new FluxPages<>(this::fetchAhead, options.after, options.prefetch, Page::items);
  }

  /**
   * Every page that has items, in order. Asking for one page fetches one page.
   *
   * @return a cold Flux; one subscription walks the source once
   */
  public Flux<Page<T>> pages() {
    return new FluxPages<>(
        this::fetchAhead,
        options.after,
        options.prefetch,
        page -> page.items().isEmpty() ? List.of() : List.of(page));
  }

  /**
   * The first page only, empty or not.
   *
   * @return a cold Mono; one subscription fetches one page. Empty only if the source gives no page
   */
  public Mono<Page<T>> page() {
    return fetch(options.after, null);
  }

  private Mono<Page<T>> fetchAhead(@Nullable Cursor after, Consumer<Cursor> end) {
    return fetch(after, options.prefetch == 0 ? null : end);
  }

  /**
   * One page, with its attempts.
   *
   * @param end null if nobody looks ahead
   */
  private Mono<Page<T>> fetch(@Nullable Cursor after, @Nullable Consumer<Cursor> end) {
    PageRequest request = new PageRequest(after, options.pageSize);
    Mono<Page<T>> page =
        Mono.defer(
            () ->
                Mono.from(
                    Objects.requireNonNull(
                        end == null ? source.fetch(request) : source.fetch(request, end),
                        "PageSource.fetch returned null")));
    return options.retry == null ? page : page.retryWhen(options.retry);
  }

  private static void atLeast(int least, int value, String name) {
    if (value < least) {
      throw new IllegalArgumentException(name + " >= " + least + " required but it was " + value);
    }
  }
}
