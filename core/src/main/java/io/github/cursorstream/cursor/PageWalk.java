package io.github.cursorstream.cursor;

import java.util.ArrayDeque;
import java.util.Deque;
import java.util.List;
import java.util.Objects;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedDeque;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLongFieldUpdater;
import org.jspecify.annotations.Nullable;
import org.reactivestreams.Subscription;
import reactor.core.CoreSubscriber;
import reactor.core.Scannable;
import reactor.core.publisher.Operators;
import reactor.util.context.Context;

/**
 * One subscription to {@link FluxPages}. All fields that are not volatile belong to whoever is in
 * {@link #drain}.
 *
 * @param <T> the type of the pages' items
 * @param <R> what is emitted of a page
 */
final class PageWalk<T, R> implements Subscription, Scannable {

  @SuppressWarnings("rawtypes")
  private static final AtomicLongFieldUpdater<PageWalk> REQUESTED =
      AtomicLongFieldUpdater.newUpdater(PageWalk.class, "requested");

  private final CoreSubscriber<? super R> actual;
  private final FluxPages<T, R> parent;
  // Fetched and not yet reached by demand; without the empty ones.
  private final Queue<List<R>> ahead = new ArrayDeque<>();
  // In order. Each but the first was begun where the one before it said that it would end.
  private final Deque<PageFetch<T>> fetches = new ConcurrentLinkedDeque<>();
  private final AtomicInteger wip = new AtomicInteger();

  private volatile long requested;
  private volatile boolean cancelled;

  private boolean begun;
  private @Nullable Cursor position;
  private List<R> current = List.of();
  private int next;
  private boolean exhausted;
  private @Nullable Throwable error;
  private boolean done;

  PageWalk(CoreSubscriber<? super R> actual, FluxPages<T, R> parent) {
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
      fetches.forEach(PageFetch::cancel);
      drain();
    }
  }

  boolean isCancelled() {
    return cancelled;
  }

  /**
   * Takes in fetched pages, fetches, emits, ends: whichever is due, until nothing is. Pages that
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
    while (fetchIsDue()) {
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

  /**
   * Whether demand has reached a page that is not fetched, or the look-ahead has room, and it is
   * known where that page starts.
   */
  private boolean fetchIsDue() {
    if (exhausted || error != null) {
      return false;
    }
    boolean asked = requested != 0 && current.isEmpty();
    int wanted = (asked ? 1 : 0) + (asked || begun ? parent.prefetch : 0);
    PageFetch<T> last = fetches.peekLast();
    return fetches.size() + ahead.size() < wanted && (last == null || last.end() != null);
  }

  private void fetch() {
    begun = true;
    PageFetch<T> last = fetches.peekLast();
    PageFetch<T> started = new PageFetch<>(this, last == null ? position : last.end());
    fetches.add(started); // Before it can arrive, and before cancel() may look for it.
    parent.source.apply(started.after(), started::endsAt).subscribe(started);
  }

  private void takeIn() {
    for (PageFetch<T> first = fetches.peek();
        first != null && first.isTerminated();
        first = fetches.peek()) {
      fetches.remove();
      error = first.error();
      Page<T> page = first.page();
      if (page == null) {
        exhausted = true;
      } else {
        append(page);
      }
      // What was begun before its turn counts only if it is what would have been begun now.
      PageFetch<T> early = fetches.peek();
      if (early != null
          && (exhausted
              || error != null
              || early.isFailed()
              || !Objects.equals(early.after(), position))) {
        abandonFetches();
      }
    }
  }

  private void append(Page<T> page) {
    List<R> items = parent.content.apply(page);
    if (!page.last() && Objects.equals(page.cursor(), position)) {
      error =
          new IllegalStateException(
              "a cursor that advances required but the page after "
                  + position
                  + " ended there again; the source would be read for ever");
      Operators.onDiscardMultiple(items, currentContext());
      return;
    }
    position = page.cursor();
    exhausted = page.last();
    if (!items.isEmpty()) {
      ahead.add(items);
    }
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
    Context context = currentContext();
    Operators.onDiscardMultiple(current.subList(next, current.size()), context);
    current = List.of();
    next = 0;
    for (List<R> page = ahead.poll(); page != null; page = ahead.poll()) {
      Operators.onDiscardMultiple(page, context);
    }
    abandonFetches();
  }

  private void abandonFetches() {
    for (PageFetch<T> fetch = fetches.poll(); fetch != null; fetch = fetches.poll()) {
      fetch.abandon();
    }
  }

  void discard(Page<T> page) {
    Operators.onDiscardMultiple(parent.content.apply(page), currentContext());
  }

  Context currentContext() {
    return actual.currentContext();
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
