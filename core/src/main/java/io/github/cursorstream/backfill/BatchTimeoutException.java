package io.github.cursorstream.backfill;

import java.time.Duration;
import java.util.concurrent.TimeoutException;

/** The work took longer than the run allows; a time-out of the work's own is none. */
final class BatchTimeoutException extends TimeoutException {

  private static final long serialVersionUID = 1L;

  BatchTimeoutException(Duration timeout) {
    super(
        "a batch that is done within the run's timeout required but after "
            + timeout
            + " it was not; make batches smaller, or give them longer:"
            + " change(p -> p.timeout(…))");
  }
}
