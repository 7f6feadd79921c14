package io.github.cursorstream.run;

import org.jspecify.annotations.Nullable;

/**
 * A consumer's slot, as its present owner knows it. It is the owner's as long as {@code epoch} is
 * the slot's, and what it holds is still to be done as long as {@code serial} is.
 *
 * @param run as it was when the slot was taken, or as it was told since: whatever people have said
 *     to it by then is known, what consumers have done need not be
 * @param number of the slot, from 1
 * @param epoch grows with each owner
 * @param serial grows with each batch. Two guards, because one owner can meet its own past: a batch
 *     whose connection broke may be committed while the owner does it again.
 * @param range what is held; null if there is nothing to do now
 * @param attempt how often this range has been begun, this time included
 * @param next what is held when this is completed, unless something comes in between; null if the
 *     store does not know yet
 */
public record Lease(
    Run run,
    int number,
    long epoch,
    long serial,
    @Nullable Range range,
    int attempt,
    @Nullable Range next) {

  /**
   * A name of this batch that no other has, the same at each of its attempts: for idempotency keys.
   *
   * @return run and range, never null
   */
  public String batchId() {
    Range held = range;
    return held == null
        ? run.id() + ":" + number + ":" + serial
        : run.id() + ":" + (held.after() == null ? "" : held.after()) + ":" + held.upTo();
  }

  /**
   * What is held when this is completed, unless something comes in between; then its serial is none
   * that the slot has.
   *
   * @return null if it is not known
   */
  @Nullable Lease following() {
    return next == null ? null : new Lease(run, number, epoch, serial + 1, next, 1, null);
  }

  Lease withRun(Run known) {
    return new Lease(known, number, epoch, serial, range, attempt, next);
  }

  /**
   * Whether the run is to be concluded, instead of something to be done.
   *
   * @return true if an empty range is held
   */
  public boolean concludes() {
    Range held = range;
    return held != null && held.isEmpty();
  }
}
