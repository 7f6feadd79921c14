package io.github.cursorstream.run;

import java.time.Duration;
import java.util.List;
import org.jspecify.annotations.Nullable;
import reactor.core.publisher.Mono;

/**
 * The code of a kind of run, which a backfill makes for a {@link Runner}. It alone can read
 * positions. Its methods are not API.
 */
public interface RunKind {

  /**
   * How runs refer to it.
   *
   * @return the same on all nodes
   */
  String name();

  /**
   * Where the work begins and ends, asked once for each run.
   *
   * @param run to be opened
   * @return the bounds; empty if there is nothing to do
   */
  Mono<Range> bounds(Run run);

  /**
   * Ends of the next batches, of {@code run.parameters().batchSize()} keys each.
   *
   * @param run with {@code tail}, behind which they are looked for, and {@code stop}, which is the
   *     last of them if it is reached
   * @param count at most so many
   * @return none if there is nothing behind the tail: the work ends there, whatever its upper bound
   */
  Mono<List<String>> ends(Run run, int count);

  /** By what the work of a batch is done. */
  enum Means {
    /** Whatever it likes. It must not keep a connection from those it waits for. */
    ANY,
    /** Nothing but the store it is given: batches that follow each other may share a connection. */
    STORE,
    /**
     * One message to the store, sent when the work is subscribed to: the next batch's may be sent
     * behind it before the answer is there.
     */
    MESSAGE
  }

  /**
   * By what the work is done.
   *
   * @return any means unless said otherwise
   */
  default Means means() {
    return Means.ANY;
  }

  /**
   * Makes sure that this kind can work with a store, when it is registered.
   *
   * @param store the runner's
   * @throws IllegalArgumentException if its work needs another one
   */
  default void check(RunStore store) {}

  /**
   * Does what is held, and completes it: both or neither where the work is transactional.
   *
   * @param store where it is completed; a {@linkplain RunStore#session session} of it, unless the
   *     work is done by {@linkplain Means#ANY any means}
   * @param lease held, with a range
   * @param time for {@link RunStore#complete}
   * @return the lease with its next range
   */
  Mono<Lease> work(RunStore store, Lease lease, Duration time);

  /**
   * A position that cuts a range in two.
   *
   * @param lease held, with a range
   * @return the end of the first half; empty if it has but one row
   */
  Mono<String> middle(Lease lease);

  /**
   * What the one row of a range holds.
   *
   * @param lease held, with a range
   * @return as JSON; empty if it is not there any more
   */
  Mono<String> row(Lease lease);

  /**
   * How much of the way from {@code run.start()} to {@code run.upper()} lies before {@code
   * run.position()}, which is between them. Asked while somebody watches the progress.
   *
   * @param run opened
   * @return 0 to 1; empty, which is the default, if it is not known
   */
  default Mono<Double> share(Run run) {
    return Mono.empty();
  }

  /**
   * How long a consumer rests between two of its batches. Asked again and again while it rests, so
   * that a change is felt at once.
   *
   * @param run as it is now
   * @param took how long the batch before took
   * @return zero for no rest
   */
  default Duration rest(Run run, Duration took) {
    return Duration.ZERO;
  }

  /**
   * Whether a failure is worth looking for a bad row: not if the database went away. One of {@link
   * #bounds} or {@link #ends} that is fails the run.
   *
   * @param failure of the work
   * @return false if the same batch may well succeed as it is
   */
  default boolean isOfTheRows(Throwable failure) {
    return true;
  }

  /**
   * Whether a failure says that the batch took too long, so that smaller ones may pass.
   *
   * @param failure of the work
   * @return true to cut the range at once
   */
  default boolean isTimeout(Throwable failure) {
    return false;
  }

  /**
   * Whether a failure must not be followed by another attempt, because the work broke its contract:
   * the run fails, and keeps the batch for a retry.
   *
   * @param failure of the work
   * @return true to fail the run at once
   */
  default boolean isFatal(Throwable failure) {
    return false;
  }

  /**
   * Looks whether a run has come to its end, of which everything was done. Asked if it was created
   * as {@link NewRun#gated}, by one consumer at a time, which gives it up when the run is paused.
   *
   * @param store whose run it is
   * @param run with {@code start}, {@code upper}, and the {@code gate} of the last conclusion,
   *     which is empty at first
   * @return what becomes of it
   */
  default Mono<Conclusion> conclude(RunStore store, Run run) {
    return Mono.just(Conclusion.succeeded());
  }

  /**
   * What is created when this kind is started without more words.
   *
   * @return a run of its name
   */
  default NewRun newRun() {
    return new NewRun(name(), name(), "", RunParameters.DEFAULTS, false).hooked(onEvent() != null);
  }

  /**
   * Who is told each event of its runs that {@link RunEvent.Type#isTold}: in order, one after the
   * other, on one of the nodes that have the kind registered, and at least once.
   *
   * @return the hook; null, which is the default, if nobody is told
   */
  default @Nullable RunHook onEvent() {
    return null;
  }

  /**
   * Told of each batch that was completed, on the node that did so. What it throws is logged.
   *
   * @param lease of the batch
   * @param took how long
   */
  default void completed(Lease lease, Duration took) {}

  /**
   * Told of each failure, before anything becomes of it. What it throws is logged.
   *
   * @param lease of the batch
   * @param failure what happened
   */
  default void failed(Lease lease, Throwable failure) {}
}
