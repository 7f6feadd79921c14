package io.github.cursorstream.run;

import java.time.Instant;
import org.jspecify.annotations.Nullable;

/**
 * A line of a run's log. Completed batches are counted, not logged.
 *
 * @param id grows
 * @param run whose
 * @param at by the store's clock
 * @param type what happened
 * @param who a person or a node
 * @param detail why, or with what; begins with the verb that somebody said; null for nothing more
 *     to say
 */
public record RunEvent(
    long id, long run, Instant at, Type type, String who, @Nullable String detail) {

  /** What can happen. */
  public enum Type {
    /** It was created. */
    CREATED,
    /** Somebody started what was held. */
    ENQUEUED,
    /** Its bounds were fixed, and its consumers can work. */
    OPENED,
    /** Parameters were changed. */
    CHANGED,
    /** Ranges were skipped, or are done again. */
    MOVED,
    /** A slot was taken from an owner whose lease had run out. */
    TAKEN_OVER,
    /** A batch failed. */
    BATCH_FAILED,
    /** A row was put aside. */
    DEAD_LETTER,
    /** A hook was not done with an event, and will not be called again for it. */
    HOOK_FAILED,
    /** Everything was done, and it begins again where it started. */
    BEGUN_AGAIN,
    /** Somebody paused it; batches are in flight. */
    PAUSING,
    /** Nothing is in flight any more, and it is paused. */
    PAUSED,
    /** Somebody resumed it. */
    RESUMED,
    /** Somebody cancelled it; batches are in flight. */
    CANCELLING,
    /** Nothing is in flight any more, and it is cancelled. */
    CANCELLED,
    /** It failed. */
    FAILED,
    /** Somebody retried it. */
    RETRIED,
    /** Everything is done, or somebody declared so. */
    SUCCEEDED;

    /**
     * Whether hooks are told of it.
     *
     * @return false for failed attempts, of which there may be many, and for failures of hooks
     */
    public boolean isTold() {
      return this != BATCH_FAILED && this != HOOK_FAILED;
    }
  }
}
