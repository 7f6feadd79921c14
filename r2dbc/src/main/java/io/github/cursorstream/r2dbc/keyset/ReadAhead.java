package io.github.cursorstream.r2dbc.keyset;

import io.github.cursorstream.cursor.Page;
import io.github.cursorstream.cursor.PageRequest;
import io.github.cursorstream.cursor.PageSource;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;
import org.reactivestreams.Subscription;
import reactor.core.publisher.BaseSubscriber;
import reactor.core.publisher.Flux;
import reactor.core.publisher.Mono;
import reactor.core.publisher.MonoSink;
import reactor.core.publisher.Operators;
import reactor.core.publisher.Signal;
import reactor.util.context.Context;

/**
 * Reads several ranges at once and hands their pages out one by one, in order. Nothing is read
 * before the first page is asked for. One for each subscription.
 *
 * @param <T> what rows are mapped to
 */
final class ReadAhead<T> extends BaseSubscriber<Page<T>> implements PageSource<T> {

  private final Flux<Page<T>> pages;
  private final AtomicReference<@Nullable MonoSink<Page<T>>> waiting = new AtomicReference<>();
  private volatile @Nullable Signal<Page<T>> end;
  private Context context = Context.empty();
  private boolean begun;

  private ReadAhead(Flux<Page<T>> pages) {
    this.pages = pages;
  }

  /**
   * A source of the pages of these ranges.
   *
   * @param ranges adjacent, in order
   * @param read reads one range, lazily
   * @param atOnce how many of them are read at the same time
   */
  static <T> ReadAhead<T> of(
      Flux<KeyRange> ranges, Function<KeyRange, Flux<Page<T>>> read, int atOnce) {
    // As signals, so that an error waits for its turn: the pages before it are delivered.
    return new ReadAhead<>(
        ranges
            .map(read)
            .onErrorResume(failure -> Mono.just(Flux.error(failure)))
            .flatMapSequential(
                pages ->
                    pages
                        .map(Signal::next)
                        .onErrorResume(failure -> Mono.just(Signal.error(failure))),
                atOnce,
                1)
            .dematerialize());
  }

  /** The next page, whatever the position: pages come in order, and their last ends nothing. */
  @Override
  public Mono<Page<T>> fetch(PageRequest request) {
    return Mono.create(
        sink -> {
          waiting.set(sink);
          if (!begun) {
            begun = true;
            context = Context.of(sink.contextView());
            pages.subscribe(this);
          }
          request(1);
          // It may have come when nobody was waiting, or just now.
          handOverEnd();
        });
  }

  @Override
  public Context currentContext() {
    return context;
  }

  @Override
  protected void hookOnSubscribe(Subscription subscription) {
    // Requests follow the fetches.
  }

  @Override
  protected void hookOnNext(Page<T> page) {
    MonoSink<Page<T>> sink = waiting.getAndSet(null);
    if (sink == null) {
      Operators.onDiscardMultiple(page.items(), context);
    } else {
      sink.success(new Page<>(page.items(), page.start(), page.cursor(), false));
    }
  }

  @Override
  protected void hookOnComplete() {
    end = Signal.complete();
    handOverEnd();
  }

  @Override
  protected void hookOnError(Throwable failure) {
    end = Signal.error(failure);
    handOverEnd();
  }

  private void handOverEnd() {
    Signal<Page<T>> ended = end;
    MonoSink<Page<T>> sink = ended == null ? null : waiting.getAndSet(null);
    if (ended == null || sink == null) {
      return;
    }
    Throwable failure = ended.getThrowable();
    if (failure == null) {
      sink.success();
    } else {
      sink.error(failure);
    }
  }
}
