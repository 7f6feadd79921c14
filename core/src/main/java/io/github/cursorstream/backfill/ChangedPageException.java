package io.github.cursorstream.backfill;

import io.github.cursorstream.cursor.PageRequest;

/** A page that had to be fetched again is not what it was: its batch cannot be told any more. */
final class ChangedPageException extends RuntimeException {

  private static final long serialVersionUID = 1L;

  ChangedPageException(PageRequest request) {
    super(
        "the same page required when it is fetched again but the one of "
            + request.size()
            + " items after "
            + request.after()
            + " has changed; start another run after that cursor, or over a source that does not"
            + " change");
  }
}
