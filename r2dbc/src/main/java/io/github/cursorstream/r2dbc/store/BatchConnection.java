package io.github.cursorstream.r2dbc.store;

import io.r2dbc.spi.Batch;
import io.r2dbc.spi.Connection;
import io.r2dbc.spi.ConnectionMetadata;
import io.r2dbc.spi.IsolationLevel;
import io.r2dbc.spi.Result;
import io.r2dbc.spi.Statement;
import io.r2dbc.spi.TransactionDefinition;
import io.r2dbc.spi.ValidationDepth;
import java.time.Duration;
import org.reactivestreams.Publisher;
import reactor.core.publisher.Mono;

/**
 * What a batch's work is given: everything but the end of the transaction it lives in. What it
 * sends waits until that has begun, and is refused once it is over, or it would be committed by
 * itself.
 */
final class BatchConnection implements Connection {

  private final Connection connection;
  private final Mono<Void> open;
  private volatile boolean over;

  BatchConnection(Connection connection, Mono<Void> begun) {
    this.connection = connection;
    this.open = begun.then(Mono.defer(() -> over ? late() : Mono.empty()));
  }

  /** The work has ended: nothing more of it belongs to the transaction. */
  void end() {
    over = true;
  }

  private static Mono<Void> late() {
    return Mono.error(
        new IllegalStateException(
            "a batch's connection must be used before the work ends but a statement came after;"
                + " make it part of the Publisher that the work returns"));
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
    return new OpenBatch(connection.createBatch(), open);
  }

  @Override
  public Publisher<Void> createSavepoint(String name) {
    return open.then(Mono.defer(() -> Mono.from(connection.createSavepoint(name))));
  }

  @Override
  public Statement createStatement(String sql) {
    return new OpenStatement(connection.createStatement(sql), open);
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
    return open.then(Mono.defer(() -> Mono.from(connection.releaseSavepoint(name))));
  }

  @Override
  public Publisher<Void> rollbackTransactionToSavepoint(String name) {
    return open.then(Mono.defer(() -> Mono.from(connection.rollbackTransactionToSavepoint(name))));
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
    return open.then(
        Transaction.sent(connection, "SET LOCAL " + name + " = " + timeout.toMillis()));
  }

  @Override
  public Publisher<Boolean> validate(ValidationDepth depth) {
    return connection.validate(depth);
  }

  private record OpenBatch(Batch batch, Mono<Void> open) implements Batch {

    @Override
    public Batch add(String sql) {
      batch.add(sql);
      return this;
    }

    @Override
    public Publisher<? extends Result> execute() {
      return open.thenMany(batch.execute());
    }
  }

  private record OpenStatement(Statement statement, Mono<Void> open) implements Statement {

    @Override
    public Statement add() {
      statement.add();
      return this;
    }

    @Override
    public Statement bind(int index, Object value) {
      statement.bind(index, value);
      return this;
    }

    @Override
    public Statement bind(String name, Object value) {
      statement.bind(name, value);
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
      return open.thenMany(statement.execute());
    }
  }
}
