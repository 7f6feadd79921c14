package io.github.cursorstream.concurrency;

import io.github.cursorstream.concurrency.FluxFlatMapAdjustable.Errors;
import io.github.cursorstream.concurrency.FluxFlatMapAdjustable.Order;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.function.Function;
import java.util.function.LongConsumer;
import org.reactivestreams.Publisher;
import reactor.core.publisher.Flux;

/**
 * A limit on how many elements are worked on at once, which can be changed while the work runs.
 *
 * <pre>{@code
 * Concurrency limit = Concurrency.of(4);
 *
 * orders.transform(limit.flatMap(this::ship)).subscribe();
 *
 * limit.set(8); // four more at once
 * limit.set(0); // a pause: what is being shipped is shipped, nothing new is asked for
 * limit.set(1); // and on
 * }</pre>
 *
 * <p>An element holds a <em>permit</em> from the moment it is requested from the source until its
 * inner publisher is complete <em>and</em> all the values of that have been delivered downstream.
 * So there are never more elements requested and unfinished than the limit, and a slow downstream
 * slows the source. An element that a source was asked for and has not sent yet holds its permit
 * too: an idle source keeps its share.
 *
 * <p><b>Changing it.</b> {@link #set} may be called from any thread, also from within a mapper.
 * Raising requests the difference at once. Lowering asks for nothing new until enough elements have
 * finished; none is interrupted. Zero is a pause: elements already requested are still worked on,
 * their results still arrive, and when the source completes, so does the result.
 *
 * <p><b>Sharing it.</b> One limit holds for all subscriptions of all operators made from it,
 * together. It is divided evenly among those whose source has not ended, the remainder going to
 * those that subscribed first, and divided anew when one comes or goes. What a newcomer is entitled
 * to reaches it as the elements of the others finish. With more subscriptions than the limit, the
 * last to come wait until earlier ones end. Therefore do not nest a limit in itself: with {@code
 * limit.flatMap(a -> b.transform(limit.flatMap(c)))} the outer elements can hold every permit that
 * the inner ones wait for, for ever. Give the inner operator a limit of its own.
 *
 * <p><b>Threads.</b> Sources are requested on the thread that finished an element or changed the
 * limit, which with a shared limit may be a thread of another subscription. Where that matters, put
 * {@link Flux#subscribeOn(reactor.core.scheduler.Scheduler) subscribeOn} between the source and the
 * operator: it moves requests to its own thread.
 */
public final class Concurrency {

  private final Object lock = new Object();

  /** In the order of subscription; guarded by the lock, like every write of the fields below. */
  private final List<Share> shares = new ArrayList<>();

  private volatile int limit;
  private volatile int inUse;

  private Concurrency(int limit) {
    this.limit = limit;
  }

  /**
   * Makes a limit.
   *
   * @param limit how many elements may be worked on at once; 0 starts paused
   * @return a limit that no one uses yet
   * @throws IllegalArgumentException if the limit is negative
   */
  public static Concurrency of(int limit) {
    return new Concurrency(validated(limit));
  }

  /**
   * Changes the limit, of what runs now and of what is subscribed later.
   *
   * @param limit how many elements may be worked on at once; 0 pauses
   * @throws IllegalArgumentException if the limit is negative; it then stays as it was
   */
  public void set(int limit) {
    validated(limit);
    synchronized (lock) {
      this.limit = limit;
      divide();
    }
    handOut();
  }

  /**
   * Tells the limit.
   *
   * @return the limit as it was last set
   */
  public int get() {
    return limit;
  }

  /**
   * Tells how many permits are held: elements that were requested from a source and are not
   * finished, over all subscriptions. It exceeds the limit only while a lowered one drains, and is
   * 0 when nothing is subscribed.
   *
   * @return the permits held at this moment
   */
  public int inUse() {
    return inUse;
  }

  /**
   * Maps each element to a publisher and merges the values of those as they come, for {@link
   * Flux#transform}.
   *
   * <pre>
   *  source    --1---2---3------|
   *            flatMap(n -&gt; n'---n''|), two at once
   *  result    --1'--2'--1''-2''-3'---3''|
   * </pre>
   *
   * <p>The first error, be it the source's, a mapper's or an inner publisher's, ends the result at
   * once: the source and the inner publishers are cancelled, values not yet delivered are discarded
   * (see {@link Flux#doOnDiscard}), and later errors are dropped (see {@link
   * reactor.core.publisher.Hooks#onErrorDropped}). From each inner publisher up to {@link
   * reactor.util.concurrent.Queues#XS_BUFFER_SIZE} values are requested ahead.
   *
   * @param mapper makes the publisher of an element; its values may be none, one or many
   * @param <T> the type of the elements
   * @param <R> the type of the values
   * @return an operator, usable any number of times
   */
  public <T, R> Function<Flux<T>, Flux<R>> flatMap(
      Function<? super T, ? extends Publisher<? extends R>> mapper) {
    return operator(mapper, Order.OF_ARRIVAL, Errors.AT_ONCE);
  }

  /**
   * Like {@link #flatMap}, but an error waits until everything else is done: the other elements,
   * those to come included, are worked on to their end. A source that failed sends no more. Several
   * errors arrive as one (see {@link reactor.core.Exceptions#unwrapMultiple}).
   *
   * <pre>
   *  source    --1---2---3------|
   *            flatMapDelayError(2 -&gt; X, n -&gt; n'---n''|), two at once
   *  result    --1'------1''3'---3''X
   * </pre>
   *
   * @param mapper makes the publisher of an element; its values may be none, one or many
   * @param <T> the type of the elements
   * @param <R> the type of the values
   * @return an operator, usable any number of times
   */
  public <T, R> Function<Flux<T>, Flux<R>> flatMapDelayError(
      Function<? super T, ? extends Publisher<? extends R>> mapper) {
    return operator(mapper, Order.OF_ARRIVAL, Errors.AT_THE_END);
  }

  /**
   * Like {@link #flatMap}, but the values come in the order of the source: several elements are
   * worked on at once, and those that are ahead of their turn wait with up to {@link
   * reactor.util.concurrent.Queues#XS_BUFFER_SIZE} values each. An error does not wait for its
   * turn.
   *
   * <pre>
   *  source    --1---2---3------|
   *            flatMapSequential(n -&gt; n'---n''|), two at once
   *  result    --1'------1''2'2''3'---3''|
   * </pre>
   *
   * @param mapper makes the publisher of an element; its values may be none, one or many
   * @param <T> the type of the elements
   * @param <R> the type of the values
   * @return an operator, usable any number of times
   */
  public <T, R> Function<Flux<T>, Flux<R>> flatMapSequential(
      Function<? super T, ? extends Publisher<? extends R>> mapper) {
    return operator(mapper, Order.OF_SOURCE, Errors.AT_ONCE);
  }

  /**
   * Like {@link #flatMapSequential} in its order and like {@link #flatMapDelayError} in its errors.
   *
   * <pre>
   *  source    --1---2---3------|
   *            flatMapSequentialDelayError(1 -&gt; 1'---X, n -&gt; n'---n''|), two at once
   *  result    --1'------2'2''3'---3''X
   * </pre>
   *
   * @param mapper makes the publisher of an element; its values may be none, one or many
   * @param <T> the type of the elements
   * @param <R> the type of the values
   * @return an operator, usable any number of times
   */
  public <T, R> Function<Flux<T>, Flux<R>> flatMapSequentialDelayError(
      Function<? super T, ? extends Publisher<? extends R>> mapper) {
    return operator(mapper, Order.OF_SOURCE, Errors.AT_THE_END);
  }

  private <T, R> Function<Flux<T>, Flux<R>> operator(
      Function<? super T, ? extends Publisher<? extends R>> mapper, Order order, Errors errors) {
    Objects.requireNonNull(mapper, "mapper");
    return source ->
        new FluxFlatMapAdjustable<T, R>(source, this, mapper, order, errors).assembled();
  }

  private static int validated(int limit) {
    if (limit < 0) {
      throw new IllegalArgumentException("concurrency >= 0 required but it was " + limit);
    }
    return limit;
  }

  /** Gives each share its quota; the lock must be held. */
  private void divide() {
    int each = shares.isEmpty() ? 0 : limit / shares.size();
    int remainder = shares.isEmpty() ? 0 : limit % shares.size();
    for (Share share : shares) {
      share.quota = remainder-- > 0 ? each + 1 : each;
    }
  }

  /**
   * Hands free permits to the shares below their quota. The quotas add up to the limit, so if a
   * permit is free, someone is below.
   */
  void handOut() {
    if (inUse >= limit) {
      return;
    }
    List<Grant> grants = new ArrayList<>();
    synchronized (lock) {
      for (Share share : shares) {
        int permits = Math.min(share.quota - share.held, limit - inUse);
        if (permits > 0) {
          share.held += permits;
          inUse += permits;
          grants.add(new Grant(share, permits));
        }
      }
    }
    // Outside the lock: a source may send elements, and call anything, before request returns.
    for (Grant grant : grants) {
      grant.share.ask.accept(grant.permits);
    }
  }

  private record Grant(Share share, int permits) {}

  /** What one subscription has of the limit. Its methods are called by one thread at a time. */
  final class Share {

    private final LongConsumer ask;
    private boolean left;
    private volatile int quota;
    private volatile int held;

    /**
     * Makes a share that has nothing until it joins.
     *
     * @param ask requests so many elements from the source
     */
    Share(LongConsumer ask) {
      this.ask = ask;
    }

    /** Takes part in the division from now on, unless it has left already. */
    void join() {
      synchronized (lock) {
        if (left) {
          return;
        }
        shares.add(this);
        divide();
      }
      handOut();
    }

    /**
     * Takes note that elements are finished. Their permits may be used again at once, for other
     * elements, but for those that are above the quota: these are given back, to be handed out.
     *
     * @return how many are given back
     */
    int finished(int elements) {
      // The usual case takes no lock. If the quota sinks just now, permits are used once more and
      // given back the next time.
      if (held <= quota) {
        return 0;
      }
      synchronized (lock) {
        int back = Math.max(0, Math.min(elements, held - quota));
        held -= back;
        inUse -= back;
        return back;
      }
    }

    /**
     * Asks for nothing any more: keeps the permits of the unfinished elements, the others are given
     * back, to be handed out.
     *
     * @return how many are given back
     */
    int leave(int unfinished) {
      if (left && held == unfinished) {
        return 0;
      }
      synchronized (lock) {
        int back = held - unfinished;
        held = unfinished;
        inUse -= back;
        quota = 0;
        left = true;
        if (shares.remove(this)) {
          divide();
        }
        return back;
      }
    }
  }
}
