package io.github.cursorstream.cursor;

import java.util.ArrayDeque;
import java.util.List;
import java.util.Objects;
import java.util.Queue;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLongFieldUpdater;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;
import org.reactivestreams.Subscription;
import reactor.core.CoreSubscriber;
import reactor.core.Scannable;
import reactor.core.publisher.Flux;
import reactor.core.publisher.Mono;
import reactor.core.publisher.Operators;
import reactor.util.context.Context;

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

  private final Function<@Nullable Cursor, Mono<Page<T>>> source;
  private final @Nullable Cursor after;
  private final int prefetch;
  private final Function<Page<T>, List<R>> content;

  FluxPages(
      Function<@Nullable Cursor, Mono<Page<T>>> source,
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
    actual.onSubscribe(new Walk<>(actual, this));
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

  /** One subscription. All fields that are not volatile belong to whoever is in {@link #drain}. */
  private static final class Walk<T, R> implements Subscription, Scannable {

    @SuppressWarnings("rawtypes")
    private static final AtomicLongFieldUpdater<Walk> REQUESTED =
        AtomicLongFieldUpdater.newUpdater(Walk.class, "requested");

    private final CoreSubscriber<? super R> actual;
    private final FluxPages<T, R> parent;
    // Fetched and not yet reached by demand; without the empty ones.
    private final Queue<List<R>> ahead = new ArrayDeque<>();
    private final AtomicInteger wip = new AtomicInteger();

    private volatile long requested;
    private volatile boolean cancelled;
    private volatile @Nullable Fetch<T> fetch;

    private boolean begun;
    private @Nullable Cursor position;
    private List<R> current = List.of();
    private int next;
    private boolean exhausted;
    private @Nullable Throwable error;
    private boolean done;

    Walk(CoreSubscriber<? super R> actual, FluxPages<T, R> parent) {
      this.actual = actual;
      this.parent = parent;
      this.position = parent.after;
    }

    @Override
    public void request(long n) {
      if (Operators.validate(n)) {
        Operators.addCap(REQUESTED, this, n);
        drain();
      }
    }

    @Override
    public void cancel() {
      if (!cancelled) {
        cancelled = true;
        Fetch<T> running = fetch;
        if (running != null) {
          running.cancel();
        }
        drain();
      }
    }

    /**
     * Takes in a fetched page, fetches, emits, ends: whichever is due, until nothing is. Pages that
     * arrive while someone is in here are taken in by the next turn of the loop, so the stack does
     * not grow with synchronous pages.
     */
    void drain() {
      if (wip.getAndIncrement() != 0) {
        return;
      }
      int missed = 1;
      do {
        while (turn()) {}
        missed = wip.addAndGet(-missed);
      } while (missed != 0);
    }

    /** Returns whether another turn may find something to do without a new signal. */
    private boolean turn() {
      if (cancelled || done) {
        discardAll();
        return false;
      }
      takeIn();
      if (pageIsDue()) {
        current = ahead.remove();
        next = 0;
      }
      // Before emitting, so that the look-ahead runs while the consumer works.
      if (fetchIsDue()) {
        fetch();
      }
      emit();
      if (current.isEmpty() && ahead.isEmpty() && (exhausted || error != null) && !cancelled) {
        done = true;
        if (error != null) {
          actual.onError(error);
        } else {
          actual.onComplete();
        }
        return false;
      }
      return pageIsDue() || fetchIsDue();
    }

    /** Whether demand has reached a page that is fetched. */
    private boolean pageIsDue() {
      return requested != 0 && current.isEmpty() && !ahead.isEmpty();
    }

    /** Whether demand has reached a page that is not fetched, or the look-ahead has room. */
    private boolean fetchIsDue() {
      if (fetch != null || exhausted || error != null) {
        return false;
      }
      boolean asked = requested != 0 && current.isEmpty() && ahead.isEmpty();
      return asked || (begun && ahead.size() < parent.prefetch);
    }

    private void takeIn() {
      Fetch<T> arrived = fetch;
      if (arrived == null || !arrived.terminated) {
        return;
      }
      fetch = null;
      error = arrived.error;
      Page<T> page = arrived.page;
      if (page == null) {
        exhausted = true;
        return;
      }
      List<R> items = parent.content.apply(page);
      if (!page.last() && Objects.equals(page.cursor(), position)) {
        error =
            new IllegalStateException(
                "a cursor that advances required but the page after "
                    + position
                    + " ended there again; the source would be read for ever");
        Operators.onDiscardMultiple(items, actual.currentContext());
        return;
      }
      position = page.cursor();
      exhausted = page.last();
      if (!items.isEmpty()) {
        ahead.add(items);
      }
    }

    private void fetch() {
      begun = true;
      Fetch<T> started = new Fetch<>(this);
      fetch = started; // Before it can arrive, and before cancel() may look for it.
      parent.source.apply(position).subscribe(started);
    }

    /** Emits of the current page what is asked for, and lets go of it once none of it is left. */
    private void emit() {
      long asked = requested;
      long emitted = 0;
      List<R> items = current;
      int size = items.size();
      while (next < size && emitted != asked) {
        if (cancelled) {
          return;
        }
        actual.onNext(items.get(next++));
        emitted++;
      }
      if (next == size) {
        current = List.of();
        next = 0;
      }
      if (emitted != 0) {
        Operators.produced(REQUESTED, this, emitted);
      }
    }

    private void discardAll() {
      Context context = actual.currentContext();
      Operators.onDiscardMultiple(current.subList(next, current.size()), context);
      current = List.of();
      next = 0;
      for (List<R> page = ahead.poll(); page != null; page = ahead.poll()) {
        Operators.onDiscardMultiple(page, context);
      }
      Fetch<T> late = fetch;
      if (late != null && late.terminated) {
        fetch = null;
        if (late.page != null) {
          Operators.onDiscardMultiple(parent.content.apply(late.page), context);
        } else if (late.error != null) {
          Operators.onErrorDropped(late.error, context);
        }
      }
    }

    @Override
    @SuppressWarnings("rawtypes")
    public @Nullable Object scanUnsafe(Attr key) {
      if (key == Attr.ACTUAL) {
        return actual;
      }
      if (key == Attr.CANCELLED) {
        return cancelled;
      }
      if (key == Attr.TERMINATED) {
        return done;
      }
      if (key == Attr.ERROR) {
        return error;
      }
      if (key == Attr.REQUESTED_FROM_DOWNSTREAM) {
        return requested;
      }
      if (key == Attr.BUFFERED) {
        return Math.max(0, current.size() - next);
      }
      if (key == Attr.PREFETCH) {
        return parent.prefetch;
      }
      return key == Attr.RUN_STYLE ? Attr.RunStyle.ASYNC : null;
    }
  }

  /** One page fetch. Whatever it brings is left here for {@link Walk#drain}. */
  private static final class Fetch<T> implements CoreSubscriber<Page<T>> {

    private final Walk<T, ?> walk;
    private volatile @Nullable Subscription subscription;
    private @Nullable Page<T> page;
    private @Nullable Throwable error;
    // Written last and read first: publishes the two above.
    private volatile boolean terminated;

    Fetch(Walk<T, ?> walk) {
      this.walk = walk;
    }

    @Override
    public void onSubscribe(Subscription s) {
      if (Operators.validate(subscription, s)) {
        subscription = s;
        // This side writes the subscription and reads the cancel, cancel() the other way round:
        // one of the two sees both.
        if (walk.cancelled) {
          s.cancel();
        } else {
          s.request(Long.MAX_VALUE);
        }
      }
    }

    @Override
    public void onNext(Page<T> fetched) {
      if (terminated) {
        Operators.onNextDropped(fetched, currentContext());
        return;
      }
      page = fetched;
      end();
    }

    @Override
    public void onError(Throwable e) {
      if (terminated) {
        Operators.onErrorDropped(e, currentContext());
        return;
      }
      error = e;
      end();
    }

    @Override
    public void onComplete() {
      if (!terminated) {
        end();
      }
    }

    private void end() {
      terminated = true;
      walk.drain();
    }

    void cancel() {
      Subscription running = subscription;
      if (running != null) {
        running.cancel();
      }
    }

    @Override
    public Context currentContext() {
      return walk.actual.currentContext();
    }
  }
}
