package io.github.cursorstream.cursor;

import java.util.concurrent.atomic.AtomicBoolean;
import org.jspecify.annotations.Nullable;
import org.reactivestreams.Subscription;
import reactor.core.CoreSubscriber;
import reactor.core.publisher.Operators;
import reactor.util.context.Context;

/**
 * One page fetch of a walk. Whatever it brings is left here for {@link PageWalk#drain}.
 *
 * @param <T> the type of the page's items
 */
final class PageFetch<T> implements CoreSubscriber<Page<T>> {

  private final PageWalk<T, ?> walk;
  private final @Nullable Cursor after;
  private final AtomicBoolean discarded = new AtomicBoolean();
  private volatile @Nullable Subscription subscription;
  private volatile @Nullable Cursor end;
  private volatile boolean abandoned;
  private @Nullable Page<T> page;
  private @Nullable Throwable error;
  // Written last and read first: publishes the two above.
  private volatile boolean terminated;

  PageFetch(PageWalk<T, ?> walk, @Nullable Cursor after) {
    this.walk = walk;
    this.after = after;
  }

  /** Where it starts. */
  @Nullable Cursor after() {
    return after;
  }

  /** Where its page is going to end, as far as the source has told; null if it has not. */
  @Nullable Cursor end() {
    return end;
  }

  void endsAt(Cursor cursor) {
    end = cursor;
    walk.drain();
  }

  boolean isTerminated() {
    return terminated;
  }

  boolean isFailed() {
    return terminated && error != null;
  }

  /** What it brought; null if that is nothing, or an error. Once it has terminated. */
  @Nullable Page<T> page() {
    return page;
  }

  /** What it failed with, or null. Once it has terminated. */
  @Nullable Throwable error() {
    return error;
  }

  @Override
  public void onSubscribe(Subscription s) {
    if (Operators.validate(subscription, s)) {
      subscription = s;
      // This side writes the subscription and reads whether it is still wanted, those who cancel
      // the other way round: one of the two sees both.
      if (abandoned || walk.isCancelled()) {
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
    terminate();
  }

  @Override
  public void onError(Throwable e) {
    if (terminated) {
      Operators.onErrorDropped(e, currentContext());
      return;
    }
    error = e;
    terminate();
  }

  @Override
  public void onComplete() {
    if (!terminated) {
      terminate();
    }
  }

  private void terminate() {
    terminated = true;
    if (abandoned) {
      discard();
    } else {
      walk.drain();
    }
  }

  void cancel() {
    Subscription running = subscription;
    if (running != null) {
      running.cancel();
    }
  }

  /** Gives it up: what it has brought, or brings late, is discarded. */
  void abandon() {
    abandoned = true;
    if (!walk.isCancelled()) { // Which cancels all itself, and once.
      cancel();
    }
    if (terminated) {
      discard();
    }
  }

  private void discard() {
    if (!discarded.compareAndSet(false, true)) {
      return;
    }
    if (page != null) {
      walk.discard(page);
    } else if (error != null && walk.isCancelled()) {
      Operators.onErrorDropped(error, currentContext());
    }
    // Else it was begun too early, and its page is fetched anew: should that fail, it is told then.
  }

  @Override
  public Context currentContext() {
    return walk.currentContext();
  }
}
