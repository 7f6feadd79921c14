package io.github.cursorstream.backfill;

import io.github.cursorstream.cursor.Cursor;
import io.github.cursorstream.cursor.PageSource;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * Walks anything that can be read page by page, batch by batch, and resumes where it stopped; for
 * tables see {@code Backfill} in package {@code io.github.cursorstream.r2dbc.backfill}. What is to
 * be done with a batch comes last, by {@link #process}; what that returns is given to a {@link
 * io.github.cursorstream.run.Runner}.
 *
 * <pre>{@code
 * Backfill.over("transcode", songs)
 *     .batchSize(50)
 *     .consumers(4)
 *     .process(batch -> batch.rows().flatMap(this::transcode));
 * }</pre>
 *
 * <p>A batch is a page. Pages are fetched one after the other, each as soon as a consumer runs
 * short of batches, and held in memory until they are done: about two for each consumer, and at
 * most 32 whose batches wait for another attempt. A page that cannot be fetched is tried again as
 * often as a batch, then the run fails and keeps its place.
 *
 * <p>A node that does not hold a page, as after a restart, fetches it by the same request. If that
 * gives another page, as of a source from which the work takes away what is done, the run fails
 * rather than lose an item. With an {@link io.github.cursorstream.run.InMemoryRunStore} and a
 * single node that does not happen while fewer than 32 batches wait.
 *
 * @param <T> the type of an item
 */
public final class Backfill<T> extends AbstractBackfill<T, Batch<T>, Backfill<T>> {

  private final PageSource<T> source;
  private final @Nullable Cursor after;

  private Backfill(
      BackfillOptions<Batch<T>> options, PageSource<T> source, @Nullable Cursor after) {
    super(options);
    this.source = source;
    this.after = after;
  }

  /**
   * A backfill over a source's items, in its order.
   *
   * @param name of the kind and of its runs; the same on all nodes
   * @param source what to read; asked for pages of the batch size
   * @param <T> the type of an item
   * @return a backfill with default options
   */
  public static <T> Backfill<T> over(String name, PageSource<T> source) {
    return new Backfill<>(BackfillOptions.of(name), Objects.requireNonNull(source, "source"), null);
  }

  @Override
  protected Backfill<T> with(BackfillOptions<Batch<T>> other) {
    return new Backfill<>(other, source, after);
  }

  @Override
  protected BatchSource<T, Batch<T>> source() {
    return new PageBatches<>(source, after);
  }

  /**
   * Where it begins. Defaults to the first item.
   *
   * @param cursor exclusive
   * @return a backfill with that
   */
  public Backfill<T> after(Cursor cursor) {
    return new Backfill<>(options(), source, Objects.requireNonNull(cursor, "after"));
  }
}
