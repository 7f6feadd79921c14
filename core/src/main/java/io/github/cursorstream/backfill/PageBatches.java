package io.github.cursorstream.backfill;

import io.github.cursorstream.cursor.Cursor;
import io.github.cursorstream.cursor.CursorStream;
import io.github.cursorstream.cursor.Page;
import io.github.cursorstream.cursor.PageRequest;
import io.github.cursorstream.cursor.PageSource;
import io.github.cursorstream.run.Lease;
import io.github.cursorstream.run.Range;
import io.github.cursorstream.run.Run;
import io.github.cursorstream.run.RunParameters;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import reactor.core.publisher.Flux;
import reactor.core.publisher.Mono;
import reactor.util.retry.Retry;

/**
 * Batches of what can be read page by page only: a batch is a page, or a part of one.
 *
 * <p>A page is fetched when the end of its batch is looked for, and held until the batch is done.
 * Whoever does not hold it, as after the end of a process, fetches it again by the same request.
 */
final class PageBatches<T> implements BatchSource<T, Batch<T>> {

  /** No position: where the source ends is found on the way. */
  private static final String OPEN = "?";

  /** More than consumers look ahead for ends. */
  private static final int AHEAD = 16;

  /** How many pages are held at least whose batches wait for another attempt. */
  private static final int WAITING = 32;

  private final PageSource<T> source;
  private final @Nullable Cursor after;
  private final HeldPages<T> held = new HeldPages<>();

  PageBatches(PageSource<T> source, @Nullable Cursor after) {
    this.source = source;
    this.after = after;
  }

  /** What a lease's range is of its page. */
  private record Part(PagePosition end, int from, int to) {

    static Part of(Lease lease) {
      Range range = Objects.requireNonNull(lease.range());
      PagePosition end = PagePosition.parse(range.upTo());
      PagePosition begin = range.after() == null ? null : PagePosition.parse(range.after());
      int from = begin != null && begin.isOnPageOf(end) ? begin.offset() : 0;
      return new Part(end, from, end.offset());
    }

    HeldPages.Key page(Lease lease) {
      return new HeldPages.Key(lease.run().id(), end.start(), end.size());
    }
  }

  private record PageBatch<T>(Lease lease, Flux<T> rows) implements Batch<T> {

    @Override
    public String id() {
      return lease.batchId();
    }

    @Override
    public int attempt() {
      return lease.attempt();
    }
  }

  @Override
  public Mono<Range> bounds(Run run) {
    return Mono.just(new Range(after == null ? null : PagePosition.at(after).text(), OPEN));
  }

  @Override
  public Mono<List<String>> ends(Run run, int count) {
    PagePosition tail = run.tail() == null ? null : PagePosition.parse(run.tail());
    if (tail != null && tail.end() == null) {
      return Mono.just(List.of());
    }
    Cursor start = tail == null ? null : tail.end();
    int size = run.parameters().batchSize();
    return Mono.defer(() -> page(run, start, size))
        .retryWhen(again(run.parameters()))
        .map(page -> List.of(PagePosition.endOf(page, start, size).text()))
        .defaultIfEmpty(List.of());
  }

  private static Retry again(RunParameters parameters) {
    return Retry.from(
        failures ->
            failures.concatMap(
                failed -> {
                  int attempt = (int) failed.totalRetries() + 1;
                  return attempt < parameters.attempts()
                      ? Mono.delay(parameters.backoff(attempt))
                      : Mono.error(failed.failure());
                }));
  }

  /** The first page behind a position that has items; empty if there are no more. */
  private Mono<Page<T>> page(Run run, @Nullable Cursor start, int size) {
    Mono<Page<T>> fetch =
        CursorStream.of(source).pageSize(size).after(start).pages().take(1).singleOrEmpty();
    int limit = run.parameters().consumers() + AHEAD + WAITING;
    return held.get(new HeldPages.Key(run.id(), start, size), fetch, limit);
  }

  @Override
  public Flux<T> rows(Lease lease) {
    return items(lease).flatMapIterable(items -> items);
  }

  private Mono<List<T>> items(Lease lease) {
    return Mono.defer(
        () -> {
          Part part = Part.of(lease);
          PagePosition end = part.end();
          PageRequest request = new PageRequest(end.start(), end.size());
          return page(lease.run(), end.start(), end.size())
              .onErrorMap(e -> new UnreadablePageException(request, e))
              .filter(page -> PagePosition.endOf(page, end.start(), end.size()).isOnPageOf(end))
              .switchIfEmpty(
                  Mono.error(
                      () -> {
                        held.forget(part.page(lease));
                        return new ChangedPageException(request);
                      }))
              .map(page -> page.items().subList(part.from(), part.to()));
        });
  }

  @Override
  public Batch<T> batch(Lease lease, Flux<T> rows) {
    return new PageBatch<>(lease, rows);
  }

  @Override
  public Mono<String> middle(Lease lease) {
    Part part = Part.of(lease);
    return items(lease)
        .filter(items -> items.size() > 1)
        .map(items -> part.end().offset(part.from() + items.size() / 2).text());
  }

  @Override
  public Mono<String> row(Lease lease) {
    return rows(lease).next().map(item -> Json.text(String.valueOf(item)));
  }

  @Override
  public void done(Lease lease) {
    Part part = Part.of(lease);
    held.done(part.page(lease), part.to() - part.from(), part.end().count());
  }

  @Override
  public boolean isOfTheRows(Throwable failure) {
    return !(failure instanceof UnreadablePageException);
  }

  @Override
  public boolean isFatal(Throwable failure) {
    return failure instanceof ChangedPageException;
  }
}
