package io.github.cursorstream.r2dbc.store;

import io.r2dbc.spi.Batch;
import io.r2dbc.spi.Blob;
import io.r2dbc.spi.Clob;
import io.r2dbc.spi.Connection;
import io.r2dbc.spi.ConnectionMetadata;
import io.r2dbc.spi.IsolationLevel;
import io.r2dbc.spi.Readable;
import io.r2dbc.spi.Result;
import io.r2dbc.spi.Row;
import io.r2dbc.spi.RowMetadata;
import io.r2dbc.spi.Statement;
import io.r2dbc.spi.TransactionDefinition;
import io.r2dbc.spi.ValidationDepth;
import java.time.Duration;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.BiFunction;
import java.util.function.Function;
import java.util.function.Predicate;
import org.reactivestreams.Publisher;
import reactor.core.publisher.Flux;
import reactor.core.publisher.Mono;

/**
 * What a batch's work is given: everything but the end of the transaction it lives in. What it
 * sends waits until that has begun, and is refused once it is over, or it would be committed by
 * itself.
 */
final class BatchConnection implements Connection {

  private final Connection connection;
  private final Mono<Void> begun;
  private final SendingGate gate;

  BatchConnection(Connection connection, Mono<Void> begun, SendingGate gate) {
    this.connection = connection;
    this.begun = begun;
    this.gate = gate;
  }

  private static Mono<Void> refused(String what) {
    return Mono.error(
        () ->
            new IllegalStateException(
                "a batch's connection must be left in its transaction but the work called "
                    + what
                    + "; it is committed together with the run's place when the work completes,"
                    + " and rolled back when it fails"));
  }

  @Override
  public Publisher<Void> beginTransaction() {
    return refused("beginTransaction()");
  }

  @Override
  public Publisher<Void> beginTransaction(TransactionDefinition definition) {
    return refused("beginTransaction(definition)");
  }

  @Override
  public Publisher<Void> close() {
    return refused("close()");
  }

  @Override
  public Publisher<Void> commitTransaction() {
    return refused("commitTransaction()");
  }

  @Override
  public Publisher<Void> rollbackTransaction() {
    return refused("rollbackTransaction()");
  }

  @Override
  public Publisher<Void> setAutoCommit(boolean autoCommit) {
    return refused("setAutoCommit(" + autoCommit + ")");
  }

  @Override
  public Publisher<Void> setTransactionIsolationLevel(IsolationLevel isolationLevel) {
    return refused("setTransactionIsolationLevel(" + isolationLevel.asSql() + ")");
  }

  @Override
  public Batch createBatch() {
    return new OpenBatch(connection.createBatch());
  }

  @Override
  public Publisher<Void> createSavepoint(String name) {
    return sent(Mono.defer(() -> Mono.from(connection.createSavepoint(name)))).then();
  }

  @Override
  public Statement createStatement(String sql) {
    return new OpenStatement(connection.createStatement(sql));
  }

  @Override
  public boolean isAutoCommit() {
    return false;
  }

  @Override
  public ConnectionMetadata getMetadata() {
    return connection.getMetadata();
  }

  @Override
  public IsolationLevel getTransactionIsolationLevel() {
    return IsolationLevel.READ_COMMITTED;
  }

  @Override
  public Publisher<Void> releaseSavepoint(String name) {
    return sent(Mono.defer(() -> Mono.from(connection.releaseSavepoint(name)))).then();
  }

  @Override
  public Publisher<Void> rollbackTransactionToSavepoint(String name) {
    return sent(Mono.defer(() -> Mono.from(connection.rollbackTransactionToSavepoint(name))))
        .then();
  }

  @Override
  public Publisher<Void> setLockWaitTimeout(Duration timeout) {
    return setLocal("lock_timeout", timeout);
  }

  @Override
  public Publisher<Void> setStatementTimeout(Duration timeout) {
    return setLocal("statement_timeout", timeout);
  }

  /** The driver would set it for the session, and so for whoever borrows the connection next. */
  private Mono<Void> setLocal(String name, Duration timeout) {
    return sent(Transaction.sent(connection, "SET LOCAL " + name + " = " + timeout.toMillis()))
        .then();
  }

  @Override
  public Publisher<Boolean> validate(ValidationDepth depth) {
    return sent(connection.validate(depth)).next();
  }

  private <T> Flux<T> sent(Publisher<T> statement) {
    return begun.thenMany(gate.through(statement));
  }

  private Flux<Result> results(Publisher<? extends Result> results) {
    return sent(results).map(OpenResult::new);
  }

  private final class OpenBatch implements Batch {

    private final Batch batch;

    OpenBatch(Batch batch) {
      this.batch = batch;
    }

    @Override
    public Batch add(String sql) {
      batch.add(sql);
      return this;
    }

    @Override
    public Publisher<? extends Result> execute() {
      return results(batch.execute());
    }
  }

  /** The driver sends a statement when all of its values are there, perhaps after the end. */
  private static Object present(Object value) {
    if (value instanceof Blob || value instanceof Clob) {
      throw new IllegalArgumentException(
          "a value that is there required in a batch's transaction but it was a "
              + (value instanceof Blob ? "Blob" : "Clob")
              + ", which arrives later; collect it first");
    }
    return value;
  }

  private final class OpenStatement implements Statement {

    private final Statement statement;

    OpenStatement(Statement statement) {
      this.statement = statement;
    }

    @Override
    public Statement add() {
      statement.add();
      return this;
    }

    @Override
    public Statement bind(int index, Object value) {
      statement.bind(index, present(value));
      return this;
    }

    @Override
    public Statement bind(String name, Object value) {
      statement.bind(name, present(value));
      return this;
    }

    @Override
    public Statement bindNull(int index, Class<?> type) {
      statement.bindNull(index, type);
      return this;
    }

    @Override
    public Statement bindNull(String name, Class<?> type) {
      statement.bindNull(name, type);
      return this;
    }

    @Override
    public Statement returnGeneratedValues(String... columns) {
      statement.returnGeneratedValues(columns);
      return this;
    }

    @Override
    public Statement fetchSize(int rows) {
      statement.fetchSize(rows);
      return this;
    }

    @Override
    public Publisher<? extends Result> execute() {
      return results(statement.execute());
    }
  }

  /**
   * A statement with values is sent when its result is asked for what it is; each time anew, so
   * that a result that was looked at has nothing more to tell.
   */
  private final class OpenResult implements Result {

    private final Result result;
    private final AtomicBoolean looked;

    OpenResult(Result result) {
      this(result, new AtomicBoolean());
    }

    private OpenResult(Result result, AtomicBoolean looked) {
      this.result = result;
      this.looked = looked;
    }

    private <T> Publisher<T> once(Publisher<T> look) {
      return looked.getAndSet(true) ? Mono.empty() : gate.through(look);
    }

    @Override
    public Publisher<Long> getRowsUpdated() {
      return once(result.getRowsUpdated());
    }

    @Override
    public <T> Publisher<T> map(BiFunction<Row, RowMetadata, ? extends T> mapping) {
      return once(result.map(mapping));
    }

    @Override
    public <T> Publisher<T> map(Function<? super Readable, ? extends T> mapping) {
      return once(result.map(mapping));
    }

    @Override
    public Result filter(Predicate<Segment> filter) {
      return new OpenResult(result.filter(filter), looked);
    }

    @Override
    public <T> Publisher<T> flatMap(Function<Segment, ? extends Publisher<? extends T>> mapping) {
      return once(result.flatMap(mapping));
    }
  }
}
