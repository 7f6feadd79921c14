package io.github.cursorstream.r2dbc.internal;

import io.r2dbc.spi.R2dbcException;
import io.r2dbc.spi.R2dbcNonTransientResourceException;
import io.r2dbc.spi.R2dbcTimeoutException;
import io.r2dbc.spi.R2dbcTransientException;
import java.io.IOException;
import java.util.concurrent.TimeoutException;
import org.jspecify.annotations.Nullable;

/** What a failure means for whoever may try again. Not API. */
public final class Failures {

  /** A statement was ended by a cancel request or a time-out. */
  public static final String QUERY_CANCELED = "57014";

  private Failures() {}

  /**
   * Whether the same statement, on a new connection, may well succeed: the connection broke or
   * could not be had, the server restarts or is out of memory, a time-out, a serialization failure
   * or a deadlock.
   *
   * @param failure what happened
   * @return true if a new attempt makes sense
   */
  public static boolean isTransient(Throwable failure) {
    String state = sqlState(failure);
    if (state == null) {
      return failure instanceof R2dbcTransientException
          || failure instanceof R2dbcNonTransientResourceException
          || failure instanceof TimeoutException
          || failure instanceof IOException;
    }
    // Not the type: the driver makes a non-transient resource exception of a broken connection, and
    // of every error of the server that it does not know, a RAISE among them.
    return switch (state) {
      case "53200", "53300" -> true; // out of memory, too many connections
      case "55P03" -> true; // lock_timeout
      case QUERY_CANCELED -> true; // statement_timeout
      case "57P01", "57P02", "57P03", "57P05" -> true; // shutdown, crash, starting, idle
      default -> state.startsWith("08") || state.startsWith("40"); // connection, rollback
    };
  }

  /**
   * Whether a pool had no connection to give in time, which says nothing of the statement that was
   * to be sent. It is told by its cause: r2dbc-pool's own time-outs have one, those of whoever
   * waits for an answer have none.
   *
   * @param failure what happened
   * @return true for a time-out of the pool
   */
  public static boolean isOfThePool(Throwable failure) {
    return failure instanceof R2dbcTimeoutException
        && failure.getCause() instanceof TimeoutException;
  }

  /**
   * Whether a pool found that the connections it was about to give are dead. Those of r2dbc-pool
   * say no more than that; what a driver fails with is of a class of its own.
   *
   * @param failure what happened
   * @return true if the pool may have others
   */
  static boolean isDeadInPool(Throwable failure) {
    return failure.getClass() == R2dbcNonTransientResourceException.class
        && failure.getCause() == null
        && sqlState(failure) == null;
  }

  /**
   * Whether what was known about a table no longer holds: a column, a type or the table changed.
   *
   * @param failure what happened
   * @return true if the catalog should be read anew
   */
  public static boolean isSchemaChange(Throwable failure) {
    String state = sqlState(failure);
    return state != null
        && switch (state) {
          case "0A000" -> true; // cached plan must not change result type
          case "22003", "22P02" -> true; // a key no longer fits the type it was cast to
          default -> state.startsWith("42"); // undefined column, table, operator…
        };
  }

  /**
   * Whether a value could not be read as one of its type, or is none of it.
   *
   * @param failure what happened
   * @return true for the server's data exceptions
   */
  public static boolean isUnreadable(Throwable failure) {
    String state = sqlState(failure);
    return state != null && state.startsWith("22");
  }

  /**
   * The SQLSTATE of a failure.
   *
   * @param failure what happened
   * @return five characters, or null if it was not the server that failed it
   */
  public static @Nullable String sqlState(Throwable failure) {
    return failure instanceof R2dbcException e ? e.getSqlState() : null;
  }
}
