package io.github.cursorstream.backfill;

import io.github.cursorstream.cursor.PageRequest;

/** A page could not be fetched: none of its items is to blame. */
final class UnreadablePageException extends RuntimeException {

  private static final long serialVersionUID = 1L;

  UnreadablePageException(PageRequest request, Throwable cause) {
    super(
        "the page of "
            + request.size()
            + " items after "
            + request.after()
            + " could not be fetched again: "
            + cause,
        cause);
  }
}
