package io.github.cursorstream.r2dbc.keyset;

import io.github.cursorstream.cursor.Cursor;
import io.github.cursorstream.cursor.CursorStream;
import io.github.cursorstream.r2dbc.internal.Failures;
import io.github.cursorstream.r2dbc.internal.Identifiers;
import io.micrometer.observation.ObservationRegistry;
import java.time.Duration;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import reactor.util.retry.Retry;

/**
 * How one call reads: {@code users.cursorBasedStream(o -> o.pageSize(500).prefetch(1))}. Defaults
 * of a repository are set with {@link CursorBasedRepository#defaults}. Immutable.
 */
public final class StreamOptions implements Cloneable {

  /** All defaults. */
  static final StreamOptions DEFAULTS = new StreamOptions();

  // Written only to a fresh copy, before anyone sees it.
  private int pageSize = CursorStream.DEFAULT_PAGE_SIZE;
  private int prefetch;
  private int readAhead;
  private @Nullable Cursor after;
  private @Nullable Cursor before;
  private @Nullable Cursor upTo;
  private @Nullable Duration timeout;
  private @Nullable Retry retry;
  private @Nullable String schema;
  private byte @Nullable [] tokenKey;
  private KeysetCheck check = KeysetCheck.WARN;
  private @Nullable ObservationRegistry observations;

  private StreamOptions() {}

  private StreamOptions copy() {
    try {
      return (StreamOptions) super.clone();
    } catch (CloneNotSupportedException e) {
      throw new AssertionError(e);
    }
  }

  /**
   * How many rows a page has. Defaults to 1000. Use few different values: each makes its own
   * prepared statement.
   *
   * @param rows 1 or more, less than {@code Integer.MAX_VALUE}
   * @return options with this page size
   */
  public StreamOptions pageSize(int rows) {
    if (rows < 1) {
      throw new IllegalArgumentException("pageSize >= 1 required but it was " + rows);
    }
    // One row more is read where the end has to be known.
    if (rows == Integer.MAX_VALUE) {
      throw new IllegalArgumentException(
          "pageSize < " + Integer.MAX_VALUE + " required but it was " + rows);
    }
    StreamOptions copy = copy();
    copy.pageSize = rows;
    return copy;
  }

  /**
   * How many pages are fetched ahead of demand. Defaults to 0. The first row of a page tells where
   * the page will end, and the next one is asked for while the rest arrives: up to {@code pages +
   * 1} connections are in use, if the pool has them, and the mapper is called for several pages at
   * a time. That is so for tables without a filter, in an order of one direction and without NULLs
   * that an index covers; other pages are fetched one after the other. At most {@code pages + 1}
   * pages are fetched or held in memory. Replaces {@link #readAhead}. Does not apply to the
   * caller's own connection.
   *
   * @param pages 0 or more
   * @return options with this look-ahead
   */
  public StreamOptions prefetch(int pages) {
    if (pages < 0) {
      throw new IllegalArgumentException("prefetch >= 0 required but it was " + pages);
    }
    StreamOptions copy = copy();
    copy.prefetch = pages;
    copy.readAhead = 0;
    return copy;
  }

  /**
   * How many pages are fetched at the same time, each over a connection of its own, and still
   * delivered in order. Defaults to 0: one after the other. For that the keys at which pages end
   * are read beforehand, by a query over the index for every 32 pages, so that at most {@code pages
   * + 1} connections are in use. At most {@code pages + 1} pages are held in memory; those that are
   * not delivered are discarded as pages. Replaces {@link #prefetch}. Does not apply to the
   * caller's own connection.
   *
   * @param pages 0 or more
   * @return options with this read-ahead
   */
  public StreamOptions readAhead(int pages) {
    if (pages < 0) {
      throw new IllegalArgumentException("readAhead >= 0 required but it was " + pages);
    }
    StreamOptions copy = copy();
    copy.readAhead = pages;
    copy.prefetch = 0;
    return copy;
  }

  /**
   * Start behind this position. Defaults to the beginning.
   *
   * @param cursor exclusive; it names every column of the order, or is a {@link Cursor#prefix};
   *     null for the beginning, so that a stream can be resumed and begun by the same line
   * @return options with this start
   */
  public StreamOptions after(@Nullable Cursor cursor) {
    StreamOptions copy = copy();
    copy.after = cursor;
    return copy.checked();
  }

  /**
   * Go back: the rows just before this position, still in the order of the keyset. For {@link
   * CursorBasedRepository#cursorBasedPage} only; pass the {@code start()} of the page at hand.
   *
   * @param cursor exclusive
   * @return options that go back
   */
  public StreamOptions before(Cursor cursor) {
    StreamOptions copy = copy();
    copy.before = Objects.requireNonNull(cursor, "cursor");
    return copy.checked();
  }

  /**
   * Stop at this position. Defaults to the end.
   *
   * @param cursor inclusive; it names every column of the order, or is a {@link Cursor#prefix};
   *     null for the end
   * @return options with this end
   */
  public StreamOptions upTo(@Nullable Cursor cursor) {
    StreamOptions copy = copy();
    copy.upTo = cursor;
    return copy.checked();
  }

  /**
   * Read one range only: its bounds replace {@code after} and {@code upTo}.
   *
   * @param range one of {@link CursorBasedRepository#ranges}
   * @return options with these bounds
   */
  public StreamOptions within(KeyRange range) {
    StreamOptions copy = copy();
    copy.after = range.after();
    copy.upTo = range.upTo();
    return copy.checked();
  }

  /**
   * How long a page query may take once it has a connection. Then it fails with an {@code
   * R2dbcTimeoutException}, the server is told to stop, and the physical connection is closed.
   * Defaults to no limit. Waiting for a connection is limited by the pool ({@code maxAcquireTime}).
   * On the caller's own connection it only fails: nothing is cancelled or closed, the driver drains
   * the query.
   *
   * @param limit more than zero
   * @return options with this limit
   */
  public StreamOptions timeout(Duration limit) {
    if (limit.isNegative() || limit.isZero()) {
      throw new IllegalArgumentException("timeout > 0 required but it was " + limit);
    }
    StreamOptions copy = copy();
    copy.timeout = limit;
    return copy;
  }

  /**
   * What to do when a page query fails: only that page is fetched again, so no row is lost or
   * repeated. Defaults to failing. {@link #isTransient} makes a good filter:
   *
   * <pre>{@code
   * o.retry(Retry.backoff(5, Duration.ofMillis(100)).filter(StreamOptions::isTransient))
   * }</pre>
   *
   * <p>Does not apply to the caller's own connection.
   *
   * @param policy Reactor's own type
   * @return options that retry
   */
  public StreamOptions retry(Retry policy) {
    StreamOptions copy = copy();
    copy.retry = Objects.requireNonNull(policy, "policy");
    return copy;
  }

  /**
   * Whether a failed page may well succeed when fetched again: the connection broke, timed out or
   * could not be had, the server restarts, a serialization failure or a deadlock.
   *
   * @param failure what the stream failed with
   * @return true if a new attempt makes sense
   */
  public static boolean isTransient(Throwable failure) {
    return Failures.isTransient(failure);
  }

  /**
   * Read the table in this schema, whatever the keyset says. For a tenant per schema. Not for a
   * {@link Keyset#query}.
   *
   * @param name the schema, as the catalog spells it
   * @return options with this schema
   */
  public StreamOptions schema(String name) {
    StreamOptions copy = copy();
    copy.schema = Identifiers.check(name, "schema");
    return copy;
  }

  /**
   * Sign the tokens of cursors, and refuse tokens that were not signed with this secret. Defaults
   * to no signature: a token can be made up by whoever knows the format.
   *
   * @param secret at least 16 bytes
   * @return options with this secret
   */
  public StreamOptions tokenKey(byte[] secret) {
    Objects.requireNonNull(secret, "secret");
    if (secret.length < 16) {
      throw new IllegalArgumentException(
          "tokenKey of at least 16 bytes required but it had " + secret.length);
    }
    StreamOptions copy = copy();
    copy.tokenKey = secret.clone();
    return copy;
  }

  /**
   * What happens where no index covers the order. Defaults to {@link KeysetCheck#WARN}.
   *
   * @param mode warn, fail, or nothing
   * @return options with this check
   */
  public StreamOptions check(KeysetCheck mode) {
    StreamOptions copy = copy();
    copy.check = Objects.requireNonNull(mode, "mode");
    return copy;
  }

  /**
   * Make each page query a Micrometer Observation named {@code cursorstream.page}, with the table
   * as {@code table} ({@code query} for a query). Those for ranges and plans are named {@code
   * cursorstream.ranges} and {@code cursorstream.explain}. Needs {@code
   * io.projectreactor:reactor-core-micrometer} on the class path. Defaults to none.
   *
   * @param registry where observations are reported
   * @return options with this registry
   */
  public StreamOptions observe(ObservationRegistry registry) {
    StreamOptions copy = copy();
    copy.observations = Objects.requireNonNull(registry, "registry");
    return copy;
  }

  private StreamOptions checked() {
    if (before != null && (after != null || upTo != null)) {
      throw new IllegalArgumentException(
          "either before, or after and upTo, required but both were given");
    }
    return this;
  }

  int pageSize() {
    return pageSize;
  }

  int prefetch() {
    return prefetch;
  }

  int readAhead() {
    return readAhead;
  }

  @Nullable Cursor after() {
    return after;
  }

  @Nullable Cursor before() {
    return before;
  }

  @Nullable Cursor upTo() {
    return upTo;
  }

  @Nullable Duration timeout() {
    return timeout;
  }

  @Nullable Retry retry() {
    return retry;
  }

  @Nullable String schema() {
    return schema;
  }

  byte @Nullable [] tokenKey() {
    return tokenKey;
  }

  KeysetCheck check() {
    return check;
  }

  @Nullable ObservationRegistry observations() {
    return observations;
  }
}
