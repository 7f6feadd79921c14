package io.github.cursorstream.r2dbc.backfill;

import io.github.cursorstream.cursor.Cursor;
import io.github.cursorstream.r2dbc.keyset.CursorBasedRepository;
import io.github.cursorstream.r2dbc.keyset.KeyRange;
import io.github.cursorstream.r2dbc.keyset.KeysetBatches;
import io.github.cursorstream.r2dbc.keyset.KeysetBatches.Lock;
import io.github.cursorstream.r2dbc.store.PostgresRunStore;
import io.github.cursorstream.run.Lease;
import io.github.cursorstream.run.Range;
import io.github.cursorstream.run.RunKind;
import io.github.cursorstream.run.RunParameters;
import io.github.cursorstream.run.RunStore;
import io.r2dbc.spi.Connection;
import java.time.Duration;
import java.util.Objects;
import java.util.function.BiConsumer;
import java.util.function.BiFunction;
import java.util.function.Function;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;
import org.reactivestreams.Publisher;
import reactor.core.publisher.Flux;
import reactor.core.publisher.Mono;

/**
 * Walks a table batch by batch, and resumes where it stopped. What is to be done with a batch comes
 * last, by the verb that says the guarantee: {@link #process}, {@link #processInTransaction} or
 * {@link #execute}. What that returns is given to a {@link io.github.cursorstream.run.Runner}.
 *
 * <p>A batch is a range of keys, of all keys, whether the rows satisfy the repository's filter or
 * not: so the work may make the filter false, or not. Keys that are inserted behind the place, or
 * behind the end that is fixed at the start, are not visited.
 *
 * @param <T> what a row is mapped to
 */
public final class Backfill<T> {

  /** What was said so far. */
  record Settings<T>(
      String name,
      CursorBasedRepository<T> repository,
      KeysetBatches<T> batches,
      RunParameters parameters,
      @Nullable Cursor after,
      @Nullable Cursor upTo,
      Lock lock,
      BiConsumer<Batch<T>, Throwable> onError) {}

  private final Settings<T> settings;

  private Backfill(Settings<T> settings) {
    this.settings = settings;
  }

  /**
   * A backfill over a repository's rows, in its order: columns of one direction that are NOT NULL,
   * such as a primary key.
   *
   * @param name of the kind and of its runs; the same on all nodes
   * @param repository from {@link CursorBasedRepository#create}
   * @param <T> what a row is mapped to
   * @return a backfill with default options
   */
  public static <T> Backfill<T> over(String name, CursorBasedRepository<T> repository) {
    return new Backfill<>(
        new Settings<>(
            Objects.requireNonNull(name, "name"),
            repository,
            KeysetBatches.of(repository),
            RunParameters.DEFAULTS,
            null,
            null,
            Lock.NONE,
            (batch, failure) -> {}));
  }

  private Backfill<T> with(RunParameters parameters) {
    Settings<T> s = settings;
    return new Backfill<>(
        new Settings<>(
            s.name, s.repository, s.batches, parameters, s.after, s.upTo, s.lock, s.onError));
  }

  /**
   * What can be changed while it runs. Defaults to {@link RunParameters#DEFAULTS}.
   *
   * @param change from what was said so far
   * @return a backfill with these
   */
  public Backfill<T> parameters(UnaryOperator<RunParameters> change) {
    return with(change.apply(settings.parameters));
  }

  /**
   * How many keys a batch has. Defaults to 1,000.
   *
   * @param keys at least 1
   * @return a backfill with that
   */
  public Backfill<T> batchSize(int keys) {
    return with(settings.parameters.batchSize(keys));
  }

  /**
   * How many batches are worked on at a time, over all nodes. Defaults to 1.
   *
   * @param count at least 0
   * @return a backfill with that
   */
  public Backfill<T> consumers(int count) {
    return with(settings.parameters.consumers(count));
  }

  /**
   * How long a consumer rests between its batches. Defaults to not at all.
   *
   * @param rest not negative
   * @return a backfill with that
   */
  public Backfill<T> pauseBetween(Duration rest) {
    return with(settings.parameters.pause(rest));
  }

  /**
   * How often a batch is tried before its bad row is looked for. Defaults to 3.
   *
   * @param count at least 1
   * @return a backfill with that
   */
  public Backfill<T> attempts(int count) {
    return with(settings.parameters.attempts(count));
  }

  /**
   * How long a failed batch waits, doubled each time. Defaults to 1 s up to 1 min.
   *
   * @param min the first wait
   * @param max the longest
   * @return a backfill with that
   */
  public Backfill<T> backoff(Duration min, Duration max) {
    return with(settings.parameters.backoff(min, max));
  }

  /**
   * How many rows that keep failing may be put aside before the run fails. Defaults to 0.
   *
   * @param rows at least 0
   * @return a backfill with that
   */
  public Backfill<T> deadLetters(int rows) {
    return with(settings.parameters.deadLetters(rows));
  }

  /**
   * Where it begins. Defaults to the first key.
   *
   * @param cursor exclusive
   * @return a backfill with that
   */
  public Backfill<T> after(Cursor cursor) {
    Settings<T> s = settings;
    return new Backfill<>(
        new Settings<>(
            s.name,
            s.repository,
            s.batches,
            s.parameters,
            Objects.requireNonNull(cursor, "after"),
            s.upTo,
            s.lock,
            s.onError));
  }

  /**
   * Where it ends. Defaults to the last key there is at the start.
   *
   * @param cursor inclusive
   * @return a backfill with that
   */
  public Backfill<T> upTo(Cursor cursor) {
    Settings<T> s = settings;
    return new Backfill<>(
        new Settings<>(
            s.name,
            s.repository,
            s.batches,
            s.parameters,
            s.after,
            Objects.requireNonNull(cursor, "upTo"),
            s.lock,
            s.onError));
  }

  /**
   * How {@link #processInTransaction} locks the rows it reads. Defaults to not at all.
   *
   * @param how one that waits: rows that were skipped would count as done
   * @return a backfill with that
   */
  public Backfill<T> lock(Lock how) {
    if (how == Lock.FOR_UPDATE_SKIP_LOCKED || how == Lock.FOR_NO_KEY_UPDATE_SKIP_LOCKED) {
      throw new IllegalArgumentException(
          "a lock that waits required but it was "
              + how
              + ": rows that somebody holds would be left out of a range that counts as done");
    }
    Settings<T> s = settings;
    return new Backfill<>(
        new Settings<>(
            s.name, s.repository, s.batches, s.parameters, s.after, s.upTo, how, s.onError));
  }

  /**
   * Told of each failed attempt, on the node that made it. Defaults to nothing.
   *
   * @param handler what it throws is logged
   * @return a backfill with that
   */
  public Backfill<T> onError(BiConsumer<Batch<T>, Throwable> handler) {
    Settings<T> s = settings;
    return new Backfill<>(
        new Settings<>(
            s.name, s.repository, s.batches, s.parameters, s.after, s.upTo, s.lock, handler));
  }

  /**
   * Work outside any transaction, such as calls of a service: each batch is done <b>at least
   * once</b>, again after a failure or the loss of a node, and its rows one by one or in halves if
   * one of them keeps failing. {@link Batch#id()} serves as idempotency key.
   *
   * @param work of a batch; done when it completes
   * @return for a runner
   */
  public RunKind process(Function<? super Batch<T>, ? extends Publisher<?>> work) {
    Objects.requireNonNull(work, "work");
    return new TableBackfill<>(settings) {
      @Override
      public Mono<Lease> work(RunStore store, Lease lease, Duration time) {
        return Mono.defer(
                () -> {
                  TableBatch<T> batch = new TableBatch<>(lease, settings.batches, this::pages);
                  return batch.count(work.apply(batch));
                })
            .timeout(lease.run().parameters().timeout())
            .flatMap(rows -> store.complete(lease, rows, time));
      }

      private Flux<T> pages(Range range) {
        String after = range.after();
        KeyRange keys =
            new KeyRange(after == null ? null : Cursor.parse(after), Cursor.parse(range.upTo()));
        return settings.repository.cursorBasedStream(o -> o.within(keys));
      }
    };
  }

  /**
   * Work on the database of the run's {@link PostgresRunStore}, in the transaction that records it
   * as done: each batch takes effect <b>exactly once</b>. The connection refuses to end the
   * transaction.
   *
   * @param work of a batch, on the connection it is given; done when it completes
   * @return for a runner
   */
  public RunKind processInTransaction(
      BiFunction<? super Connection, ? super Batch<T>, ? extends Publisher<?>> work) {
    Objects.requireNonNull(work, "work");
    return new TableBackfill<>(settings) {
      @Override
      public Mono<Lease> work(RunStore store, Lease lease, Duration time) {
        return postgres(store)
            .inTransaction(
                lease,
                connection -> {
                  TableBatch<T> batch =
                      new TableBatch<>(
                          lease,
                          settings.batches,
                          range ->
                              settings
                                  .batches
                                  .rows(connection, range.after(), range.upTo(), settings.lock)
                                  .flatMapIterable(rows -> rows));
                  return batch.count(work.apply(connection, batch));
                },
                time);
      }
    };
  }

  /**
   * Work that is one statement, which records it as done too: <b>exactly once</b>, in one round
   * trip a batch.
   *
   * <pre>
   * .execute(range -&gt; "UPDATE users SET email_new = email WHERE " + range)
   * </pre>
   *
   * @param sql an INSERT, UPDATE or DELETE without RETURNING; given the range as a condition on the
   *     unqualified columns of the key
   * @return for a runner
   */
  public RunKind execute(UnaryOperator<String> sql) {
    Objects.requireNonNull(sql, "sql");
    return new TableBackfill<>(settings) {
      @Override
      public Mono<Lease> work(RunStore store, Lease lease, Duration time) {
        Range range = Objects.requireNonNull(lease.range());
        return settings
            .batches
            .predicate(range.after(), range.upTo(), null, 1)
            .flatMap(
                condition ->
                    postgres(store)
                        .inOneStatement(
                            lease, sql.apply(condition.sql()), condition.binds(), time));
      }
    };
  }
}
