package io.github.cursorstream.cursor;

import java.util.function.Consumer;
import org.reactivestreams.Publisher;

/**
 * Anything sorted that can be read page by page: a table, a list, an HTTP API.
 *
 * @param <T> the type of the items
 */
@FunctionalInterface
public interface PageSource<T> {

  /**
   * Fetches the items behind a position. Each subscription to the result fetches again; nothing
   * happens before. Cancelling it gives up the fetch.
   *
   * <p>The page has at most {@link PageRequest#size()} items. Unless it is {@linkplain Page#last()
   * the last}, its cursor lies behind {@link PageRequest#after()}: one that does not advance ends
   * the stream with an error. An empty result ends the stream.
   *
   * @param request where to start and how much
   * @return one page, an error, or nothing
   */
  Publisher<Page<T>> fetch(PageRequest request);

  /**
   * The same for a stream that looks ahead. A source that knows where a page ends before it has all
   * of it may tell, and the page behind is fetched meanwhile. Nothing but time depends on it: if
   * the page ends elsewhere after all, or is the last, what was fetched from there is discarded,
   * and if that fetch failed before its turn, it is made again. Defaults to not telling.
   *
   * @param request where to start and how much
   * @param end given the {@link Page#cursor()} of the page to come, from any thread
   * @return one page, an error, or nothing
   */
  default Publisher<Page<T>> fetch(PageRequest request, Consumer<Cursor> end) {
    return fetch(request);
  }
}
