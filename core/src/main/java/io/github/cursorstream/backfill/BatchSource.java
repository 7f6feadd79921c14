package io.github.cursorstream.backfill;

import io.github.cursorstream.run.Conclusion;
import io.github.cursorstream.run.Lease;
import io.github.cursorstream.run.Range;
import io.github.cursorstream.run.Run;
import io.github.cursorstream.run.RunStore;
import java.util.List;
import reactor.core.publisher.Flux;
import reactor.core.publisher.Mono;

/**
 * What a backfill walks: something with an order, which can be cut into ranges. It alone can read
 * the positions where they are cut. Everything returned is cold. Not API.
 *
 * @param <T> the type of a row
 * @param <B> what the work is given
 */
public interface BatchSource<T, B extends Batch<T>> {

  /**
   * Where the work begins and ends, asked once for each run.
   *
   * @param run to be opened
   * @return the bounds; empty if there is nothing to do
   */
  Mono<Range> bounds(Run run);

  /**
   * Ends of the next batches, of {@code run.parameters().batchSize()} rows each.
   *
   * @param run with {@code tail}, behind which they are looked for, and {@code stop}, which is the
   *     last of them if it is reached
   * @param count at most so many
   * @return none if there is nothing behind the tail: the work ends there, whatever its upper bound
   */
  Mono<List<String>> ends(Run run, int count);

  /**
   * How much of the way from {@code run.start()} to {@code run.upper()} lies before {@code
   * run.position()}, which is between them.
   *
   * @param run opened
   * @return 0 to 1; empty, which is the default, if it is not known
   */
  default Mono<Double> share(Run run) {
    return Mono.empty();
  }

  /**
   * Reads a range, outside of any transaction.
   *
   * @param lease with a range
   * @return its rows in order, perhaps none
   */
  Flux<T> rows(Lease lease);

  /**
   * A range, as the work sees it.
   *
   * @param lease with a range
   * @param rows what it reads if it asks for the rows
   * @return nothing is read yet
   */
  B batch(Lease lease, Flux<T> rows);

  /**
   * Cuts a range in two.
   *
   * @param lease with a range
   * @return the end of the first half; empty if it has but one row
   */
  Mono<String> middle(Lease lease);

  /**
   * What the one row of a range holds, for the dead letters.
   *
   * @param lease with a range
   * @return as JSON; empty if it is not there any more
   */
  Mono<String> row(Lease lease);

  /**
   * Looks whether a gated run has come to its end. As {@link
   * io.github.cursorstream.run.RunKind#conclude}.
   *
   * @param store whose run it is
   * @param run of which everything was done
   * @return what becomes of it; by default it has succeeded
   */
  default Mono<Conclusion> conclude(RunStore store, Run run) {
    return Mono.just(Conclusion.succeeded());
  }

  /**
   * Told of each range that is completed, so that what is held for it can go.
   *
   * @param lease with that range
   */
  default void done(Lease lease) {}

  /**
   * Whether a failure is worth looking for a bad row: not if the source went away. One of {@link
   * #bounds} or {@link #ends} that is fails the run.
   *
   * @param failure of this source, or of the work
   * @return false if the same batch may well succeed as it is
   */
  boolean isOfTheRows(Throwable failure);

  /**
   * Whether a failure says that the batch took too long, so that smaller ones may pass; besides the
   * run's own time limit.
   *
   * @param failure of this source, or of the work
   * @return true to cut the range at once
   */
  default boolean isTimeout(Throwable failure) {
    return false;
  }

  /**
   * Whether a failure must not be followed by another attempt.
   *
   * @param failure of this source, or of the work
   * @return true to fail the run at once; it keeps the batch for a retry
   */
  boolean isFatal(Throwable failure);
}
