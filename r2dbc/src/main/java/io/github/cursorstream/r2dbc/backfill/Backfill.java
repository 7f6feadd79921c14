package io.github.cursorstream.r2dbc.backfill;

import io.github.cursorstream.backfill.AbstractBackfill;
import io.github.cursorstream.backfill.BackfillOptions;
import io.github.cursorstream.backfill.BatchSource;
import io.github.cursorstream.cursor.Cursor;
import io.github.cursorstream.r2dbc.backfill.TableSource.Ending;
import io.github.cursorstream.r2dbc.keyset.CursorBasedRepository;
import io.github.cursorstream.r2dbc.keyset.InvalidKeysetException;
import io.github.cursorstream.r2dbc.keyset.KeysetBatches;
import io.github.cursorstream.r2dbc.keyset.KeysetBatches.Lock;
import io.github.cursorstream.r2dbc.store.PostgresRunStore;
import io.github.cursorstream.run.BatchDone;
import io.github.cursorstream.run.RunHandle;
import io.github.cursorstream.run.RunKind;
import io.r2dbc.spi.Connection;
import io.r2dbc.spi.Result;
import java.util.Objects;
import java.util.function.BiFunction;
import java.util.function.Function;
import java.util.function.UnaryOperator;
import org.reactivestreams.Publisher;
import reactor.core.publisher.Flux;
import reactor.core.publisher.Mono;

/**
 * Walks a table batch by batch, and resumes where it stopped; for other sources see {@link
 * io.github.cursorstream.backfill.Backfill}. What is to be done with a batch comes last, by the
 * verb that says the guarantee: {@link #process}, {@link #processInTransaction} or {@link
 * #execute}. What that returns is given to a {@link io.github.cursorstream.run.Runner}.
 *
 * <p>A batch is a range of keys, of all keys, whether the rows satisfy the repository's filter or
 * not: so the work may make the filter false, or not. Keys that are inserted behind the place, or
 * behind the end that is fixed at the start, are not visited.
 *
 * @param <T> what a row is mapped to
 */
public final class Backfill<T> extends AbstractBackfill<T, TableBatch<T>, Backfill<T>> {

  private final TableSource<T> source;

  private Backfill(BackfillOptions<TableBatch<T>> options, TableSource<T> source) {
    super(options);
    this.source = source;
  }

  /**
   * A backfill over a repository's rows, in its order: columns of one direction that are NOT NULL,
   * such as a primary key. A run over another order fails when it is opened. Over a {@link
   * io.github.cursorstream.r2dbc.keyset.Keyset#query} there is {@link #process} alone, without
   * {@link TableBatch#range}.
   *
   * @param name of the kind and of its runs; the same on all nodes
   * @param repository from {@link CursorBasedRepository#create}
   * @param <T> what a row is mapped to
   * @return a backfill with default options
   * @throws IllegalArgumentException if it is another implementation, or if the repository's
   *     defaults say where to begin or to end: {@link #after} and {@link #upTo} do
   */
  public static <T> Backfill<T> over(String name, CursorBasedRepository<T> repository) {
    return new Backfill<>(
        BackfillOptions.of(name),
        new TableSource<>(
            repository, KeysetBatches.of(repository), null, null, Lock.NONE, Ending.DONE));
  }

  @Override
  protected Backfill<T> with(BackfillOptions<TableBatch<T>> other) {
    return new Backfill<>(other, source);
  }

  @Override
  protected BatchSource<T, TableBatch<T>> source() {
    return source;
  }

  private Backfill<T> over(TableSource<T> other) {
    return new Backfill<>(options(), other);
  }

  /**
   * Where it begins. Defaults to the first key.
   *
   * @param cursor exclusive
   * @return a backfill with that
   */
  public Backfill<T> after(Cursor cursor) {
    return over(source.after(cursor));
  }

  /**
   * Where it ends. Defaults to the last key there is at the start.
   *
   * @param cursor inclusive
   * @return a backfill with that
   */
  public Backfill<T> upTo(Cursor cursor) {
    return over(source.upTo(cursor));
  }

  /**
   * How {@link #processInTransaction} locks the rows it reads; the other verbs refuse it, as they
   * read none in a transaction of ours. Defaults to not at all. Rows that are skipped because
   * somebody holds them are done later, before the run succeeds: they are asked for again after the
   * first {@link #backoff}, for as long as it takes. Of their batch, only they are.
   *
   * @param how with one that skips, the work must ask for the rows, and do no others
   * @return a backfill with that
   */
  public Backfill<T> lock(Lock how) {
    return over(source.lock(how));
  }

  /**
   * Makes sure, when everything was done, that no row between the run's beginning and its end
   * satisfies the repository's filter any more, but for those that were put aside. If one does, the
   * run fails and says how many there are; a retry begins again at the beginning. Defaults to not
   * looking.
   *
   * @return a backfill with that
   * @throws InvalidKeysetException if the repository has no filter, for the work to make false
   */
  public Backfill<T> verify() {
    return ending(Ending.VERIFIED, "verify()");
  }

  /**
   * Begins again, when everything was done, if rows satisfy the repository's filter then, up to the
   * table's present last key, or {@link #upTo}: each pass starts at the beginning, as keys may
   * arrive anywhere. The run succeeds when there are none but those that were put aside. It fails
   * if the work leaves a row as it was, or there would be no end. Defaults to one pass, up to the
   * last key at the start.
   *
   * @return a backfill with that
   * @throws InvalidKeysetException if the repository has no filter, for the work to make false
   */
  public Backfill<T> untilCaughtUp() {
    return ending(Ending.CAUGHT_UP, "untilCaughtUp()");
  }

  /**
   * A run of this backfill in hand, to steer it by its keys.
   *
   * @param run from a runner of any node
   * @return a handle
   */
  public BackfillHandle handle(RunHandle run) {
    return new BackfillHandle(options().run().kind(), source, Objects.requireNonNull(run, "run"));
  }

  private Backfill<T> ending(Ending how, String option) {
    return new Backfill<>(options().gated(), source.ending(how, option));
  }

  /**
   * {@inheritDoc}
   *
   * @throws IllegalStateException if rows are to be {@linkplain #lock locked}
   */
  @Override
  public RunKind process(Function<? super TableBatch<T>, ? extends Publisher<?>> work) {
    refuseLock("process", "which reads outside of any transaction");
    return super.process(work);
  }

  private void refuseLock(String verb, String why) {
    if (source.lock() != Lock.NONE) {
      throw new IllegalStateException(
          "processInTransaction required where rows are locked but it was %s, %s, with lock(%s); say processInTransaction, or leave the lock out"
              .formatted(verb, why, source.lock()));
    }
  }

  /**
   * Work on the database of the run's {@link PostgresRunStore}, in the transaction that records it
   * as done: each batch takes effect <b>exactly once</b>. The connection refuses to end the
   * transaction. Of a range that has grown to more than two to four times the batch size since it
   * was cut, the batch reads and does the beginning; the rest is done next. What the work sends
   * after it has completed, as by a {@code subscribe()} of its own, is refused. Rows are counted,
   * and work runs, as {@link #process} says; a {@link Result} of the connection that it emits, and
   * has not looked at, is asked for the rows that were updated.
   *
   * <pre>
   * .processInTransaction(
   *     (connection, batch) -&gt;
   *         batch
   *             .range("u", 1)
   *             .flatMapMany(
   *                 range -&gt; {
   *                   Statement update =
   *                       connection.createStatement("UPDATE users AS u SET … WHERE " + range.sql());
   *                   for (int i = 0; i &lt; range.binds().size(); i++) {
   *                     update.bind(i, range.binds().get(i));
   *                   }
   *                   return update.execute();
   *                 }))
   * </pre>
   *
   * @param work of a batch, on the connection it is given; done when it completes
   * @return for a runner
   */
  public RunKind processInTransaction(
      BiFunction<? super Connection, ? super TableBatch<T>, ? extends Publisher<?>> work) {
    Objects.requireNonNull(work, "work");
    return kind(
        PostgresRunStore.class,
        source,
        (store, lease, time) ->
            ((PostgresRunStore) store)
                .inTransaction(
                    lease,
                    (beginning, connection) -> {
                      BatchReading<T> reading = new BatchReading<>(source, lease, beginning);
                      return counted(
                              reading.rows(),
                              rows ->
                                  looked(
                                      work.apply(
                                          connection,
                                          new KeyBatch<>(lease, rows.cache(), reading::condition))))
                          .map(done -> new BatchDone(done, reading.rest()));
                    },
                    time),
        RunKind.Means.STORE);
  }

  /** And the results that nobody has looked at: their statements would never be sent. */
  private static Flux<?> looked(Publisher<?> work) {
    return Flux.from(work)
        .concatMap(
            item -> item instanceof Result result ? result.getRowsUpdated() : Mono.just(item), 0);
  }

  /**
   * Work that is one statement, which records it as done too: <b>exactly once</b>, in one round
   * trip a batch.
   *
   * <pre>
   * .execute(range -&gt; "UPDATE users SET email_new = email WHERE " + range)
   * </pre>
   *
   * @param sql an INSERT, UPDATE, DELETE or MERGE; given the range as a condition on the
   *     unqualified columns of the key, without the repository's filter, which it has to repeat
   * @return for a runner
   * @throws IllegalStateException if rows are to be {@linkplain #lock locked}
   */
  public RunKind execute(UnaryOperator<String> sql) {
    Objects.requireNonNull(sql, "sql");
    refuseLock("execute", "whose statement locks what it writes");
    return kind(
        PostgresRunStore.class,
        source,
        (store, lease, time) ->
            source
                .condition(lease, null, 1)
                .flatMap(
                    range ->
                        ((PostgresRunStore) store)
                            .inOneStatement(
                                lease,
                                sql.apply(range.sql()),
                                range.binds().stream().map(String::valueOf).toList(),
                                time)),
        RunKind.Means.MESSAGE);
  }
}
