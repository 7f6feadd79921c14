package io.github.cursorstream.cursor;

import java.util.List;
import java.util.Objects;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.UnaryOperator;
import java.util.stream.IntStream;
import org.reactivestreams.Publisher;
import reactor.core.publisher.Mono;

/** The numbers 1 to {@code rows}, in order, with a count of the fetches that were subscribed to. */
final class Numbers implements PageSource<Integer> {

  final AtomicInteger fetches = new AtomicInteger();
  private final int rows;
  private final UnaryOperator<Mono<Page<Integer>>> how;

  Numbers(int rows) {
    this(rows, UnaryOperator.identity());
  }

  Numbers(int rows, UnaryOperator<Mono<Page<Integer>>> how) {
    this.rows = rows;
    this.how = how;
  }

  @Override
  public Publisher<Page<Integer>> fetch(PageRequest request) {
    return how.apply(
        Mono.fromCallable(
            () -> {
              fetches.incrementAndGet();
              return page(request);
            }));
  }

  /** A page that is shorter than asked for is the last. */
  Page<Integer> page(PageRequest request) {
    Cursor after = request.after();
    int start = after == null ? 0 : Integer.parseInt(Objects.requireNonNull(after.value("n")));
    int end = (int) Math.min(rows, (long) start + request.size());
    List<Integer> items = list(start + 1, end);
    Cursor cursor = items.isEmpty() ? null : at(end);
    return new Page<>(items, null, cursor, items.size() < request.size());
  }

  static Cursor at(int n) {
    return Cursor.of("n", n);
  }

  static List<Integer> list(int first, int last) {
    return IntStream.rangeClosed(first, last).boxed().toList();
  }
}
