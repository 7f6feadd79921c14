package io.github.cursorstream.backfill;

import io.github.cursorstream.cursor.Cursor;
import io.github.cursorstream.cursor.Page;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import reactor.core.publisher.Mono;

/**
 * The pages of batches that are not done yet, so that each is fetched once. There are never more
 * than {@code limit}: the oldest go first, and are fetched again if they are wanted.
 */
final class HeldPages<T> {

  /** Of a run: what its source was asked for. */
  record Key(long run, @Nullable Cursor start, int size) {}

  private final Map<Key, Held<T>> pages = new LinkedHashMap<>();

  private static final class Held<T> {

    final Mono<Page<T>> page;
    int done;

    Held(Mono<Page<T>> page) {
      this.page = page;
    }
  }

  /** The page, fetched once for all who want it now and until it is done. */
  synchronized Mono<Page<T>> get(Key key, Mono<Page<T>> fetch, int limit) {
    Held<T> held =
        pages.computeIfAbsent(
            key,
            wanted ->
                new Held<>(
                    fetch
                        .switchIfEmpty(Mono.fromRunnable(() -> forget(key)))
                        .doOnError(e -> forget(key))
                        .cache()));
    for (Iterator<Key> oldest = pages.keySet().iterator(); pages.size() > limit; ) {
      oldest.next();
      oldest.remove();
    }
    return held.page;
  }

  /** Some items of a page are done; with the last of them it goes. */
  synchronized void done(Key key, int items, int count) {
    Held<T> held = pages.get(key);
    if (held != null) {
      held.done += items;
      if (held.done >= count) {
        pages.remove(key);
      }
    }
  }

  /** It has to be fetched again. */
  synchronized void forget(Key key) {
    pages.remove(key);
  }
}
