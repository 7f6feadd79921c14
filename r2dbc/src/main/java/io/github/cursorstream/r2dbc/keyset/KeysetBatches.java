package io.github.cursorstream.r2dbc.keyset;

import io.github.cursorstream.cursor.Cursor;
import io.r2dbc.spi.Connection;
import java.time.Duration;
import java.util.Collection;
import java.util.Comparator;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import reactor.core.publisher.Flux;
import reactor.core.publisher.Mono;

/**
 * What a backfill needs of a table: where it ends, where its batches end, and what is in one. Not
 * API, but for {@link Lock}.
 *
 * <p>A position is a cursor's token, bound to the order and not signed; only this type can read it.
 * A batch is a range of keys, behind {@code after} up to and including {@code upTo}. The order must
 * be one that a row comparison tells: columns that are NOT NULL, all in one direction. Every other
 * is an {@link InvalidKeysetException}.
 *
 * <p>Everything returned is cold: each subscription asks anew, over a connection of the
 * repository's unless one is given, with the repository's defaults for schema, timeout, retry and
 * observations ({@code cursorstream.batches}). A position that is damaged, or belongs to another
 * order, ends it with an {@link io.github.cursorstream.cursor.InvalidCursorException}.
 *
 * <p>Of a {@link Keyset#query} there are positions, ends and rows, but nothing that takes a table:
 * locks, conditions, writers and statistics.
 *
 * @param <T> what a row is mapped to
 */
public interface KeysetBatches<T> {

  /** How rows are locked when they are read. */
  enum Lock {
    /** Not at all. */
    NONE(""),
    /** Against every writer; waits for those who hold a row. */
    FOR_UPDATE("FOR UPDATE"),
    /** Against every writer but those who only refer to the row by a foreign key; waits. */
    FOR_NO_KEY_UPDATE("FOR NO KEY UPDATE"),
    /** As {@link #FOR_UPDATE}, without the rows that somebody holds. */
    FOR_UPDATE_SKIP_LOCKED("FOR UPDATE", " SKIP LOCKED"),
    /** As {@link #FOR_NO_KEY_UPDATE}, without the rows that somebody holds. */
    FOR_NO_KEY_UPDATE_SKIP_LOCKED("FOR NO KEY UPDATE", " SKIP LOCKED");

    private final String strength;
    private final String wait;

    Lock(String strength) {
      this(strength, "");
    }

    Lock(String strength, String wait) {
      this.strength = strength;
      this.wait = wait;
    }

    /**
     * Whether it leaves out rows that somebody holds, instead of waiting.
     *
     * @return true for those that skip
     */
    public boolean skips() {
      return !wait.isEmpty();
    }

    /** {@code FOR UPDATE OF "users" SKIP LOCKED} behind a line break, or nothing. */
    String clause(String alias) {
      return this == NONE ? "" : "\n" + strength + " OF " + alias + wait;
    }
  }

  /**
   * The batches of a repository's table or query.
   *
   * @param repository from {@link CursorBasedRepository#create}
   * @param <T> what a row is mapped to
   * @return its batches; nothing is asked yet
   * @throws IllegalArgumentException if it is another implementation, or a wrapper, or if its
   *     defaults say where to begin or to end
   */
  static <T> KeysetBatches<T> of(CursorBasedRepository<T> repository) {
    Objects.requireNonNull(repository, "repository");
    if (repository instanceof KeysetRepository<T> ours) {
      return ours.batches();
    }
    throw new IllegalArgumentException(
        "a repository from CursorBasedRepository.create required but it was of "
            + repository.getClass()
            + "; pass the one that it stands for");
  }

  /**
   * Where the keys end, whatever the keyset's filter says:
   *
   * <pre>
   * SELECT "users"."id" FROM "public"."users" WHERE $1 ORDER BY "users"."id" DESC LIMIT 1
   * </pre>
   *
   * @return the position of the last key in the order; empty for an empty table
   */
  Mono<String> last();

  /**
   * Makes a user's cursor a position. It must name the columns of the order, all or as a {@link
   * Cursor#prefix}. The database reads its values and writes them as it does those of rows, so that
   * a value it cannot read is found here:
   *
   * <pre>
   * SELECT $1::bigint::text AS key_1
   * </pre>
   *
   * @param cursor made by hand, or from a token, signed if the repository has a token key
   * @return its position
   */
  Mono<String> position(Cursor cursor);

  /**
   * Where the next batches end, counted in keys whether they satisfy the keyset's filter or not:
   *
   * <pre>
   * SELECT s.key_1::text AS key_1 FROM (
   *   SELECT p."id" AS key_1, row_number() OVER (ORDER BY p."id") AS n FROM (
   *     SELECT * FROM (
   *       SELECT "users"."id" FROM "public"."users"
   *       WHERE "users"."id" &gt; $1::bigint AND "users"."id" &lt;= $2::bigint
   *       ORDER BY "users"."id" LIMIT 32768
   *     ) AS r ORDER BY r."id" LIMIT $3) AS p) AS s
   * WHERE n % $4 = 0 ORDER BY n
   * </pre>
   *
   * <p>The inner LIMIT tells the planner about how much is read; it is a power of two, so that an
   * adaptive batch size makes few different statements.
   *
   * @param after behind which they are looked for; null for the beginning
   * @param upTo where the keys end
   * @param size how many keys a batch has, 1 or more
   * @param count how many ends at most, 1 or more
   * @return 1 to {@code count} positions, each {@code size} keys behind the one before; if the keys
   *     end before that, the last one is {@code upTo} itself
   */
  Mono<List<String>> ends(@Nullable String after, String upTo, int size, int count);

  /**
   * The range as a condition, for work that is one statement: {@code "id" > $1::bigint AND "id" <=
   * $2::bigint}, of several columns {@code ("a", "b") > ($1::bigint, $2::date) AND ("a", "b") <=
   * ($3::bigint, $4::date)}, in a descending order with {@code <} and {@code >=}. Its text does not
   * depend on the positions but in whether there is an {@code after}, and how many columns a prefix
   * has. Takes the catalog only, which is asked once.
   *
   * @param after exclusive; null for the beginning
   * @param upTo inclusive
   * @param alias what the columns are qualified with, unquoted; null for nothing
   * @param firstBind the number of the first placeholder, 1 or more
   * @return the condition and its values; without the keyset's filter
   */
  Mono<RangeCondition> predicate(
      @Nullable String after, String upTo, @Nullable String alias, int firstBind);

  /**
   * The rows of the range that satisfy the keyset's filter, in order.
   *
   * <pre>
   * SELECT "users"."id", … FROM "public"."users" WHERE (active) AND "users"."id" &gt; $1::bigint
   *   AND "users"."id" &lt;= $2::bigint
   * ORDER BY "users"."id" LIMIT 2049 FOR UPDATE OF "users" SKIP LOCKED
   * </pre>
   *
   * <p>A range may have grown since its end was chosen. If it holds more rows than {@code most}, it
   * is read up to its key of that number: a position, because the last row read may have been moved
   * while it was waited for. A query's range is always read whole: equal keys cannot be cut.
   *
   * <p>With a lock that skips rows, it is then asked which keys there are. Where no row was read,
   * but one satisfies the filter, somebody holds it, or it came meanwhile.
   *
   * <pre>
   * SELECT "users"."id"::text AS key_1, (active) IS TRUE AS matches FROM "public"."users"
   * WHERE "users"."id" &gt; $1::bigint AND "users"."id" &lt;= $2::bigint ORDER BY "users"."id"
   * </pre>
   *
   * @param connection where they are read, and the catalog if it is not yet known; perhaps in a
   *     transaction, whose time limits hold, not the repository's. It is neither closed nor sent a
   *     cancel request
   * @param after exclusive; null for the beginning
   * @param upTo inclusive
   * @param lock how they are locked; of a table only
   * @param most about how many rows, 1 or more
   * @return perhaps none
   */
  Mono<BatchRows<T>> rows(
      Connection connection, @Nullable String after, String upTo, Lock lock, int most);

  /**
   * Whether the keyset has a filter.
   *
   * @return false if every row satisfies it
   */
  boolean isFiltered();

  /**
   * Rows of a range that satisfy the keyset's filter.
   *
   * @param rows how many there are, at least 1
   * @param first the positions of the first ones
   */
  record Matches(long rows, List<String> first) {

    /**
     * Copies the list.
     *
     * @param rows how many there are, at least 1
     * @param first the positions of the first ones
     */
    public Matches {
      first = List.copyOf(first);
    }
  }

  /**
   * How many rows of the range satisfy the keyset's filter:
   *
   * <pre>
   * SELECT s.key_1::text AS key_1, s.total FROM (
   *   SELECT p."id" AS key_1, row_number() OVER (ORDER BY p."id") AS n, count(*) OVER () AS total
   *   FROM (SELECT "users"."id" … WHERE (active) AND … LIMIT 2147483646) AS p) AS s
   * WHERE n &lt;= 10 ORDER BY n
   * </pre>
   *
   * @param after exclusive; null for the beginning
   * @param upTo inclusive
   * @param some how many positions are told
   * @return empty if there is none
   */
  Mono<Matches> matches(@Nullable String after, String upTo, int some);

  /**
   * Those rows of some keys that are there and satisfy the keyset's filter. Of a table only.
   *
   * <pre>
   * SELECT "users"."id"::text AS key_1 FROM "public"."users" WHERE (active)
   *   AND "users"."id" IN (SELECT k.key_1::bigint FROM unnest($1::text[]) AS k(key_1))
   * ORDER BY "users"."id"
   * </pre>
   *
   * @param keys positions of rows
   * @return the positions of those that do, in order
   */
  Flux<String> matches(Collection<String> keys);

  /**
   * Compares positions as the database compares keys. One that is behind all rows of a prefix comes
   * behind each of them. Of a table only.
   *
   * <pre>
   * SELECT dense_rank() OVER (ORDER BY s."id" NULLS LAST) AS rank FROM (
   *   SELECT "users"."id", 0::bigint AS cursorstream_n FROM "public"."users" WHERE false
   *   UNION ALL SELECT k.key_1::bigint, k.n FROM unnest($1) WITH ORDINALITY AS k(key_1, n)) AS s
   * ORDER BY cursorstream_n
   * </pre>
   *
   * @param positions that it is going to compare
   * @return a comparator of these, and no others
   */
  Mono<Comparator<String>> order(Collection<String> positions);

  /**
   * Cuts a range in two halves of as many keys, whether they satisfy the keyset's filter or not:
   *
   * <pre>
   * SELECT s.key_1::text AS key_1 FROM (
   *   SELECT p."id" AS key_1, row_number() OVER (ORDER BY p."id") AS n, count(*) OVER () AS total
   *   FROM (SELECT "users"."id" … LIMIT 2147483646) AS p) AS s
   * WHERE n = total / 2
   * </pre>
   *
   * @param after exclusive; null for the beginning
   * @param upTo inclusive
   * @return the end of the first half, with the odd key in the second; empty if the range has at
   *     most one key
   */
  Mono<String> middle(@Nullable String after, String upTo);

  /**
   * What the first row of the range holds, whether it satisfies the keyset's filter or not:
   *
   * <pre>
   * SELECT to_jsonb("users".*)::text AS item FROM "public"."users"
   * WHERE "users"."id" &gt; $1::bigint AND "users"."id" &lt;= $2::bigint
   * ORDER BY "users"."id" LIMIT 1
   * </pre>
   *
   * @param after exclusive; null for the beginning
   * @param upTo inclusive
   * @return all its columns as JSON; empty if it is not there any more
   */
  Mono<String> json(@Nullable String after, String upTo);

  /**
   * Waits until nobody is left who was writing to the table, or to a partition of it, when this
   * began: what they inserted below a {@link #last} asked before is then visible. As CREATE INDEX
   * CONCURRENTLY does, it looks at who holds a lock that a writer takes, and waits for the end of
   * these transactions, prepared ones among them; readers and later writers are not waited for. Nor
   * is a transaction that has taken a number of a sequence and has not yet begun to write.
   *
   * <pre>
   * SELECT DISTINCT l.virtualtransaction AS writer FROM pg_locks l
   * WHERE l.relation = $1::regclass AND l.mode IN ('RowExclusiveLock', …)
   *
   * SELECT DISTINCT l.virtualtransaction AS writer FROM pg_locks l
   * WHERE l.virtualtransaction = ANY ($1::text[])
   * </pre>
   *
   * <p>Between these questions it holds nothing.
   *
   * @param poll how long between two questions, more than zero
   * @return completes when they are gone
   */
  Mono<Void> writersGone(Duration poll);

  /**
   * How far a position is on the way, by the planner's statistics of the order's first column: what
   * it expects up to {@code at} of what it expects up to {@code upper}, both without what it
   * expects up to {@code start}. Each is an estimate of
   *
   * <pre>
   * EXPLAIN SELECT FROM "public"."users" WHERE "users"."id" &lt;= $1::bigint
   * </pre>
   *
   * @param start where the way begins; null for the beginning of the keys
   * @param at between the others
   * @param upper where it ends
   * @return 0 to 1; empty if the column was never analyzed, or all of the way is one value
   */
  Mono<Double> fraction(@Nullable String start, String at, String upper);
}
