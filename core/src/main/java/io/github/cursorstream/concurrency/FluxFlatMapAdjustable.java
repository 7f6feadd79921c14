package io.github.cursorstream.concurrency;

import java.util.Objects;
import java.util.Queue;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicLongFieldUpdater;
import java.util.concurrent.atomic.AtomicReferenceFieldUpdater;
import java.util.function.Function;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.reactivestreams.Publisher;
import org.reactivestreams.Subscription;
import reactor.core.CoreSubscriber;
import reactor.core.Exceptions;
import reactor.core.Scannable;
import reactor.core.publisher.Flux;
import reactor.core.publisher.FluxOperator;
import reactor.core.publisher.Operators;
import reactor.util.concurrent.Queues;
import reactor.util.context.Context;

/**
 * The flatMap whose concurrency is a {@link Concurrency}.
 *
 * <p>Elements with something to deliver stand in one queue: in the order of the source each of them
 * in its turn, in the order of arrival those that have signalled. One thread at a time, the one
 * that moved {@code wip} from zero, takes them off, delivers, counts the finished ones, and ends.
 */
final class FluxFlatMapAdjustable<T, R> extends FluxOperator<T, R> {

  enum Order {
    /** Values are delivered as they come; no element waits for another. */
    OF_ARRIVAL,
    /** The values of an element are delivered after all those of the elements before it. */
    OF_SOURCE
  }

  enum Errors {
    /** The first error cancels everything else and overtakes the values that wait. */
    AT_ONCE,
    /** Errors are collected and delivered when everything else is done. */
    AT_THE_END
  }

  private final Concurrency limit;
  private final Function<? super T, ? extends Publisher<? extends R>> mapper;
  private final Order order;
  private final Errors errors;

  FluxFlatMapAdjustable(
      Flux<T> source,
      Concurrency limit,
      Function<? super T, ? extends Publisher<? extends R>> mapper,
      Order order,
      Errors errors) {
    super(source);
    this.limit = limit;
    this.mapper = mapper;
    this.order = order;
    this.errors = errors;
  }

  Flux<R> assembled() {
    return onAssembly(this);
  }

  @Override
  public void subscribe(CoreSubscriber<? super R> actual) {
    source.subscribe(new Main<>(this, actual));
  }

  @Override
  public @Nullable Object scanUnsafe(@SuppressWarnings("rawtypes") Attr key) {
    return key == Attr.RUN_STYLE ? Attr.RunStyle.SYNC : super.scanUnsafe(key);
  }

  private static final class Main<T, R> implements CoreSubscriber<T>, Subscription, Scannable {

    /** In the queue: a complete element without a value. */
    private static final Object NOTHING = new Object();

    /** After so many steps finished elements are replaced, even if there is more to deliver. */
    private static final int STEPS = 64;

    @SuppressWarnings("rawtypes")
    private static final AtomicLongFieldUpdater<Main> REQUESTED =
        AtomicLongFieldUpdater.newUpdater(Main.class, "requested");

    @SuppressWarnings("rawtypes")
    private static final AtomicReferenceFieldUpdater<Main, @Nullable Throwable> ERROR =
        AtomicReferenceFieldUpdater.newUpdater(Main.class, Throwable.class, "error");

    private final FluxFlatMapAdjustable<T, R> flux;
    private final CoreSubscriber<? super R> actual;
    private final Concurrency.Share share;
    private final boolean inOrder;

    /** Each is an {@link Inner}, the value of a single-valued element, or nothing. */
    private final Queue<Object> queue = Queues.unboundedMultiproducer().get();

    private final Set<Inner<R>> inners = ConcurrentHashMap.newKeySet();
    private final AtomicInteger wip = new AtomicInteger();
    private final AtomicLong asked = new AtomicLong();

    @SuppressWarnings("NullAway.Init") // onSubscribe comes first
    private Subscription source;

    private volatile long requested;
    private volatile @Nullable Throwable error;
    private volatile boolean sourceDone;
    private volatile boolean cancelled;
    private volatile boolean ended;

    /** Elements that came; written by the source, final when that is done. */
    private int received;

    // Used only by who holds wip.
    private @Nullable Object head;
    private int finished;

    Main(FluxFlatMapAdjustable<T, R> flux, CoreSubscriber<? super R> actual) {
      this.flux = flux;
      this.actual = actual;
      this.share = flux.limit.new Share(this::ask);
      this.inOrder = flux.order == Order.OF_SOURCE;
    }

    // ---- signals of the source

    @Override
    public void onSubscribe(Subscription subscription) {
      if (Operators.validate(source, subscription)) {
        source = subscription;
        actual.onSubscribe(this);
        share.join();
      }
    }

    @Override
    public void onNext(T element) {
      if (sourceDone) {
        Operators.onNextDropped(element, currentContext());
        return;
      }
      if (isOver()) {
        Operators.onDiscard(element, currentContext());
        return;
      }
      received++;
      Publisher<? extends R> publisher = null;
      Object single = NOTHING;
      try {
        publisher =
            Objects.requireNonNull(
                flux.mapper.apply(element), "The mapper returned a null Publisher");
        if (publisher instanceof Callable<?> callable) {
          single = Objects.requireNonNullElse(callable.call(), NOTHING);
        }
      } catch (Throwable e) {
        publisher = null;
        Throwable failure = Operators.onNextError(element, e, currentContext());
        Operators.onDiscard(element, currentContext());
        if (failure != null) {
          addError(failure);
        }
      }
      if (publisher == null || publisher instanceof Callable<?>) {
        single(single);
      } else {
        subscribe(element, publisher);
      }
    }

    /** A publisher known to have one value or none needs no subscriber. */
    private void single(Object value) {
      boolean draining = wip.get() == 0 && wip.compareAndSet(0, 1);
      if (draining && head() == null) {
        head = value;
      } else {
        queue.offer(value);
      }
      if (draining) {
        drainLoop();
      } else {
        drain();
      }
    }

    private void subscribe(T element, Publisher<? extends R> publisher) {
      Inner<R> inner = new Inner<>(this);
      inners.add(inner);
      if (isOver()) { // the others may have been cancelled before this one was added
        Operators.onDiscard(element, currentContext());
        return;
      }
      if (inOrder) {
        inner.enqueue();
      }
      Operators.toFluxOrMono(publisher).subscribe(inner);
    }

    @Override
    public void onError(Throwable failure) {
      if (sourceDone) {
        Operators.onErrorDropped(failure, currentContext());
      } else {
        addError(failure);
        onComplete();
      }
    }

    @Override
    public void onComplete() {
      sourceDone = true;
      drain();
    }

    // ---- signals of the downstream

    @Override
    public void request(long n) {
      if (Operators.validate(n)) {
        Operators.addCap(REQUESTED, this, n);
        drain();
      }
    }

    @Override
    public void cancel() {
      cancelled = true;
      drain();
    }

    // ---- signals of an inner publisher

    void innerNext(Inner<R> inner, R value) {
      if (wip.get() != 0 || !wip.compareAndSet(0, 1)) {
        inner.offer(value);
        drain();
        return;
      }
      boolean itsTurn = inOrder ? head() == inner : true;
      if (itsTurn && inner.isEmpty() && requested != 0 && !isOver()) {
        deliver(value);
        inner.delivered();
      } else {
        inner.offer(value);
      }
      drainLoop();
    }

    void addError(Throwable failure) {
      boolean added =
          flux.errors == Errors.AT_ONCE
              ? ERROR.compareAndSet(this, null, failure)
              : Exceptions.addThrowable(ERROR, this, failure);
      if (!added) {
        Operators.onErrorDropped(failure, currentContext());
      }
    }

    // ---- delivering

    void drain() {
      if (wip.getAndIncrement() == 0) {
        drainLoop();
      }
    }

    private void drainLoop() {
      int missed = 1;
      do {
        int before = finished;
        boolean pausing = deliverSome();
        int freed = finished - before;
        int givenBack = 0;
        boolean noneToCome = sourceDone; // read before received
        if (isOver() || (noneToCome && finished == received)) {
          freed = 0;
          end();
        } else if (noneToCome) {
          freed = 0;
          givenBack = share.leave(received - finished);
        } else if (freed != 0) {
          givenBack = share.finished(freed);
          freed -= givenBack;
        }
        if (!pausing) {
          missed = wip.addAndGet(-missed);
        }
        // Only now, so that others can deliver while the source sends elements from within request.
        ask(freed);
        if (givenBack != 0) {
          flux.limit.handOut();
        }
      } while (missed != 0);
    }

    /** Delivers what may be delivered; true if it pauses before the end of that. */
    private boolean deliverSome() {
      int steps = 0;
      while (steps < STEPS && !isOver() && deliverHead()) {
        steps++;
      }
      if (!inOrder && steps != 0 && head instanceof Inner<?>) { // now it is another's turn
        queue.offer(head);
        head = null;
      }
      return steps == STEPS;
    }

    /** Takes one step with the first of the queue; false if there is none or it has to wait. */
    @SuppressWarnings("unchecked")
    private boolean deliverHead() {
      Object first = head();
      if (first instanceof Inner<?>) {
        return deliverInner((Inner<R>) first);
      }
      if (first == null || (first != NOTHING && requested == 0)) {
        return false;
      }
      head = null;
      if (first != NOTHING) {
        deliver((R) first);
      }
      finished++;
      return true;
    }

    private boolean deliverInner(Inner<R> inner) {
      boolean complete = inner.done; // read before its queue
      if (!inner.isEmpty()) {
        if (requested == 0) {
          return false;
        }
        deliver(inner.poll());
        inner.delivered();
      } else if (complete) {
        head = null;
        inners.remove(inner);
        finished++;
      } else if (inOrder) {
        return false;
      } else {
        head = null;
        inner.leaveQueue();
      }
      return true;
    }

    private void deliver(R value) {
      actual.onNext(value);
      Operators.produced(REQUESTED, this, 1);
    }

    private @Nullable Object head() {
      if (head == null) {
        head = queue.poll();
      }
      return head;
    }

    /** Requests elements; one thread at a time, and never from within a request. */
    private void ask(long elements) {
      if (elements != 0 && asked.getAndAdd(elements) == 0) {
        do {
          source.request(elements);
          elements = asked.addAndGet(-elements);
        } while (elements != 0);
      }
    }

    // ---- the end

    private boolean isOver() {
      return cancelled || ended || (error != null && flux.errors == Errors.AT_ONCE);
    }

    /** Ends; called again, discards what has come since. */
    private void end() {
      boolean first = !ended;
      ended = true;
      discard();
      if (!first) {
        return;
      }
      if (!sourceDone) {
        source.cancel();
      }
      inners.forEach(Inner::cancel);
      inners.clear();
      share.leave(0);
      Throwable failure = Exceptions.terminate(ERROR, this);
      if (!cancelled) {
        if (failure == null) {
          actual.onComplete();
        } else {
          actual.onError(failure);
        }
      } else if (failure != null) {
        Operators.onErrorDropped(failure, currentContext());
      }
      flux.limit.handOut();
    }

    private void discard() {
      for (; head() != null; head = null) {
        if (head instanceof Inner<?> inner) {
          inner.discard();
        } else if (head != NOTHING) {
          Operators.onDiscard(head, currentContext());
        }
      }
    }

    @Override
    public Context currentContext() {
      return actual.currentContext();
    }

    @Override
    public Stream<? extends Scannable> inners() {
      return inners.stream();
    }

    @Override
    public @Nullable Object scanUnsafe(@SuppressWarnings("rawtypes") Attr key) {
      if (key == Attr.PARENT) return source;
      if (key == Attr.ACTUAL) return actual;
      if (key == Attr.CANCELLED) return cancelled;
      if (key == Attr.TERMINATED) return ended;
      if (key == Attr.ERROR) return error;
      if (key == Attr.DELAY_ERROR) return flux.errors == Errors.AT_THE_END;
      if (key == Attr.PREFETCH) return flux.limit.get();
      if (key == Attr.REQUESTED_FROM_DOWNSTREAM) return requested;
      if (key == Attr.BUFFERED) return received - finished;
      if (key == Attr.RUN_STYLE) return Attr.RunStyle.SYNC;
      return null;
    }
  }

  /** Subscribes to the publisher of one element and keeps the values that have to wait. */
  private static final class Inner<R> implements CoreSubscriber<R>, Scannable {

    private static final int PREFETCH = Queues.XS_BUFFER_SIZE;

    /** Delivered values are replaced when a quarter is left. */
    private static final int BATCH = PREFETCH - (PREFETCH >> 2);

    @SuppressWarnings("rawtypes")
    private static final AtomicReferenceFieldUpdater<Inner, @Nullable Subscription> SUBSCRIPTION =
        AtomicReferenceFieldUpdater.newUpdater(Inner.class, Subscription.class, "subscription");

    private final Main<?, R> main;

    /** Whether it stands in the queue or at its head, where it must not stand twice. */
    private final AtomicBoolean enqueued = new AtomicBoolean();

    private volatile @Nullable Subscription subscription;
    private volatile @Nullable Queue<R> values;
    private volatile boolean done;
    private int delivered;

    Inner(Main<?, R> main) {
      this.main = main;
    }

    @Override
    public void onSubscribe(Subscription s) {
      if (Operators.setOnce(SUBSCRIPTION, this, s)) {
        s.request(PREFETCH);
      }
    }

    @Override
    public void onNext(R value) {
      if (done) {
        Operators.onNextDropped(value, currentContext());
      } else if (subscription == Operators.cancelledSubscription()) {
        Operators.onDiscard(value, currentContext());
      } else {
        main.innerNext(this, value);
      }
    }

    @Override
    public void onError(Throwable failure) {
      if (done) {
        Operators.onErrorDropped(failure, currentContext());
        return;
      }
      Throwable unhandled = Operators.onNextInnerError(failure, currentContext(), null);
      if (unhandled != null) {
        main.addError(unhandled);
      }
      onComplete();
    }

    @Override
    public void onComplete() {
      done = true;
      enqueue();
      main.drain();
    }

    void enqueue() {
      if (enqueued.compareAndSet(false, true)) {
        main.queue.offer(this);
      }
    }

    void leaveQueue() {
      enqueued.set(false);
      if (done || !isEmpty()) { // signalled just before
        enqueue();
      }
    }

    void offer(R value) {
      Queue<R> q = values;
      if (q == null) {
        q = Queues.<R>get(PREFETCH).get();
        values = q;
      }
      if (q.offer(value)) {
        enqueue();
      } else {
        Throwable tooMany = Exceptions.failWithOverflow(Exceptions.BACKPRESSURE_ERROR_QUEUE_FULL);
        onError(Operators.onOperatorError(subscription, tooMany, value, currentContext()));
        Operators.onDiscard(value, currentContext());
      }
    }

    boolean isEmpty() {
      Queue<R> q = values;
      return q == null || q.isEmpty();
    }

    R poll() {
      return Objects.requireNonNull(Objects.requireNonNull(values).poll());
    }

    void delivered() {
      if (++delivered == BATCH) {
        delivered = 0;
        Objects.requireNonNull(subscription).request(BATCH);
      }
    }

    /** Also what is signalled later enters the queue again, and so is discarded. */
    void discard() {
      enqueued.set(false);
      Operators.onDiscardQueueWithClear(values, currentContext(), null);
    }

    void cancel() {
      Operators.terminate(SUBSCRIPTION, this);
    }

    @Override
    public Context currentContext() {
      return main.currentContext();
    }

    @Override
    public @Nullable Object scanUnsafe(@SuppressWarnings("rawtypes") Attr key) {
      Queue<R> q = values;
      if (key == Attr.PARENT) return subscription;
      if (key == Attr.ACTUAL) return main;
      if (key == Attr.CANCELLED) return subscription == Operators.cancelledSubscription();
      if (key == Attr.TERMINATED) return done && isEmpty();
      if (key == Attr.BUFFERED) return q == null ? 0 : q.size();
      if (key == Attr.PREFETCH) return PREFETCH;
      if (key == Attr.RUN_STYLE) return Attr.RunStyle.SYNC;
      return null;
    }
  }
}
