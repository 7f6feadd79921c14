package io.github.cursorstream.run;

import java.time.Instant;
import org.jspecify.annotations.Nullable;

/**
 * Long work, as it was when it was read.
 *
 * @param id given by the store
 * @param name how people call it
 * @param kind which {@link RunKind} does it
 * @param arguments whatever the kind makes of it
 * @param state where it is in its life
 * @param parameters what can be changed while it runs
 * @param dependsOn the name whose newest run has to have succeeded before this one is opened; null
 *     for none
 * @param gate what its kind remembers from one {@link Conclusion} to the next; null if it is not
 *     asked for any, and the run succeeds when everything is done
 * @param start where the work begins, exclusive; null for the beginning
 * @param position all work up to here has been handed out; null for none
 * @param tail how far the ends of the next batches are known; null for nowhere yet
 * @param upper where the work ends, fixed when it was opened, or a word of the kind's until that is
 *     found; null before that, and if there is nothing to do
 * @param stop how far batches are cut at present: where something begins that is skipped, or {@code
 *     upper}
 * @param ahead how many batches can be handed out before more ends have to be found
 * @param inFlight how many consumers hold a range
 * @param waiting how many ranges are to be done again
 * @param rows what the work counted, in batches that were completed
 * @param batches how many were completed
 * @param failures how many failed, each attempt counted
 * @param deadLetters how many rows were put aside
 * @param error the last failure; null for none
 * @param createdAt by the store's clock
 * @param startedAt when it was opened; null before
 * @param endedAt when it was cancelled, failed or succeeded; null before
 */
public record Run(
    long id,
    String name,
    String kind,
    String arguments,
    RunState state,
    RunParameters parameters,
    @Nullable String dependsOn,
    @Nullable String gate,
    @Nullable String start,
    @Nullable String position,
    @Nullable String tail,
    @Nullable String upper,
    @Nullable String stop,
    int ahead,
    int inFlight,
    int waiting,
    long rows,
    long batches,
    long failures,
    int deadLetters,
    @Nullable String error,
    Instant createdAt,
    @Nullable Instant startedAt,
    @Nullable Instant endedAt) {

  /**
   * Whether it has been opened: its bounds are known.
   *
   * @return true once a node has begun it
   */
  public boolean isOpened() {
    return startedAt != null;
  }

  /** For messages: {@code 3 is FAILED after 10 rows: why}. */
  String summary() {
    return id + " is " + state + " after " + rows + " rows" + (error == null ? "" : ": " + error);
  }

  /**
   * Whether ends of batches are to be found.
   *
   * @return false once the last one is known, and if there is nothing to do
   */
  public boolean hasMore() {
    return stop != null && !stop.equals(tail);
  }
}
