package io.github.cursorstream.cursor;

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
}
