package io.github.cursorstream.cursor;

import java.util.List;
import java.util.Objects;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Consumer;
import org.reactivestreams.Publisher;
import org.reactivestreams.Subscription;
import reactor.core.CoreSubscriber;
import reactor.core.publisher.Mono;

/** A source whose fetches stay open until the test answers them: also late, twice, or wrongly. */
final class ManualPages implements PageSource<Integer> {

  final List<Fetch> fetches = new CopyOnWriteArrayList<>();
  final boolean subscribes;

  ManualPages() {
    this(true);
  }

  /** With false, a fetch calls {@code onSubscribe} only when it is told to. */
  ManualPages(boolean subscribes) {
    this.subscribes = subscribes;
  }

  @Override
  public Publisher<Page<Integer>> fetch(PageRequest request) {
    return new Fetch(request, null);
  }

  @Override
  public Publisher<Page<Integer>> fetch(PageRequest request, Consumer<Cursor> end) {
    return new Fetch(request, end);
  }

  Fetch only() {
    if (fetches.size() != 1) {
      throw new AssertionError("one fetch expected but there were " + fetches.size());
    }
    return fetches.get(0);
  }

  final class Fetch extends Mono<Page<Integer>> implements Subscription {

    final PageRequest request;
    private final Consumer<Cursor> end;
    final AtomicInteger cancels = new AtomicInteger();
    private volatile CoreSubscriber<? super Page<Integer>> subscriber;

    Fetch(PageRequest request, Consumer<Cursor> end) {
      this.request = request;
      this.end = end;
    }

    boolean maySayWhereItEnds() {
      return end != null;
    }

    /** Where the page is going to end, before it arrives. */
    void endsAt(int n) {
      end.accept(Numbers.at(n));
    }

    @Override
    public void subscribe(CoreSubscriber<? super Page<Integer>> actual) {
      subscriber = actual;
      fetches.add(this);
      if (subscribes) {
        actual.onSubscribe(this);
      }
    }

    CoreSubscriber<? super Page<Integer>> subscriber() {
      return Objects.requireNonNull(subscriber, "not subscribed");
    }

    /** A page of these numbers, and more behind it. */
    void arrives(Integer... items) {
      subscriber().onNext(Page.of(List.of(items), Numbers.at(items[items.length - 1])));
    }

    void isLast(Integer... items) {
      subscriber().onNext(Page.last(List.of(items), Numbers.at(items[items.length - 1])));
    }

    boolean isCancelled() {
      return cancels.get() > 0;
    }

    @Override
    public void request(long n) {}

    @Override
    public void cancel() {
      cancels.incrementAndGet();
    }
  }
}
