package io.github.cursorstream.run;

/** Where a {@link Run} is in its life. */
public enum RunState {
  /** Known, and waiting for somebody to start it. */
  HELD,
  /** To be done; no node has opened it yet. */
  ENQUEUED,
  /** Its consumers take ranges. */
  RUNNING,
  /** No more ranges are handed out; those in flight are being finished. */
  PAUSING,
  /** Nothing is in flight. It keeps its place. */
  PAUSED,
  /** To be ended; batches in flight are being finished. */
  CANCELLING,
  /** Ended by somebody. What was done stays done. */
  CANCELLED,
  /** Stopped by its own failures. It keeps its place, and can be retried. */
  FAILED,
  /** Everything is done, or somebody declared so. */
  SUCCEEDED;

  /**
   * Whether nothing happens any more unless somebody says so.
   *
   * @return true for cancelled, failed and succeeded
   */
  public boolean isEnded() {
    return this == CANCELLED || this == FAILED || this == SUCCEEDED;
  }
}
