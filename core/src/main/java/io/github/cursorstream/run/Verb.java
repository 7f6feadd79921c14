package io.github.cursorstream.run;

/** What can be said to a {@link Run}. Each verb is total: see {@link VerbResult}. */
public enum Verb {
  /** Lets a held run begin. */
  START,
  /** Hands out no more work; what is in flight is finished first. */
  PAUSE,
  /** Goes on after a pause. */
  RESUME,
  /** Ends the run once what is in flight is finished. */
  CANCEL,
  /** Goes on after a failure, from where it stopped. */
  RETRY,
  /** Pauses at once: takes away the leases, so that batches in flight are undone or done again. */
  FORCE_PAUSE,
  /** Cancels at once, in the same way. */
  FORCE_CANCEL,
  /** Declares the run done, whatever is left. */
  MARK_SUCCEEDED
}
