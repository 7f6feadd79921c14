package io.github.cursorstream.cursor;

import java.util.List;
import java.util.function.BiFunction;
import java.util.function.Consumer;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;
import reactor.core.CoreSubscriber;
import reactor.core.Scannable;
import reactor.core.publisher.Flux;
import reactor.core.publisher.Mono;

/**
 * Emits the content of pages, and fetches a page only when a subscriber asks for what it holds.
 *
 * <p>Written by hand because no composition is exact: {@code expand} reads a page ahead, {@code
 * concatMap} asks upstream again whatever the demand, and a recursive {@code concatWith} overflows
 * the stack.
 *
 * @param <T> the type of the pages' items
 * @param <R> what is emitted of a page: its items, or itself
 */
final class FluxPages<T, R> extends Flux<R> implements Scannable {

  final BiFunction<@Nullable Cursor, Consumer<Cursor>, Mono<Page<T>>> source;
  final @Nullable Cursor after;
  final int prefetch;
  final Function<Page<T>, List<R>> content;

  FluxPages(
      BiFunction<@Nullable Cursor, Consumer<Cursor>, Mono<Page<T>>> source,
      @Nullable Cursor after,
      int prefetch,
      Function<Page<T>, List<R>> content) {
    this.source = source;
    this.after = after;
    this.prefetch = prefetch;
    this.content = content;
  }

  @Override
  public void subscribe(CoreSubscriber<? super R> actual) {
    actual.onSubscribe(new PageWalk<>(actual, this));
  }

  @Override
  public int getPrefetch() {
    return prefetch;
  }

  @Override
  @SuppressWarnings("rawtypes")
  public @Nullable Object scanUnsafe(Attr key) {
    if (key == Attr.PREFETCH) {
      return prefetch;
    }
    return key == Attr.RUN_STYLE ? Attr.RunStyle.ASYNC : null;
  }
}
