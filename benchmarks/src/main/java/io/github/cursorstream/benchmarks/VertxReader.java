package io.github.cursorstream.benchmarks;

import io.vertx.core.Future;
import io.vertx.core.Vertx;
import io.vertx.pgclient.PgConnectOptions;
import io.vertx.pgclient.PgConnection;
import io.vertx.sqlclient.Row;
import io.vertx.sqlclient.RowStream;
import java.util.concurrent.CompletableFuture;

/** Vert.x's own driver, with a stream over a cursor of the server. */
final class VertxReader {

  private static final int FETCH = 1000;

  private VertxReader() {}

  static Contender stream(String name, Dataset data) {
    return new Contender(
        name,
        data.total(),
        target -> {
          Vertx vertx = Vertx.vertx();
          PgConnection connection =
              get(
                  PgConnection.connect(
                      vertx,
                      new PgConnectOptions()
                          .setHost(target.host())
                          .setPort(target.port())
                          .setDatabase(target.database().name())
                          .setUser(target.database().user())
                          .setPassword(target.database().password())));
          target.onClose(
              () -> {
                get(connection.close());
                get(vertx.close());
              });
          return () -> read(connection, data);
        });
  }

  private static Total read(PgConnection connection, Dataset data) {
    return get(
        connection
            .begin()
            .compose(
                transaction ->
                    connection
                        .prepare(data.select())
                        .compose(
                            statement ->
                                total(statement.createStream(FETCH)).eventually(statement::close))
                        .eventually(transaction::commit)));
  }

  private static Future<Total> total(RowStream<Row> rows) {
    Total.Tally tally = new Total.Tally();
    CompletableFuture<Total> done = new CompletableFuture<>();
    rows.exceptionHandler(done::completeExceptionally)
        .endHandler(end -> done.complete(tally.total()))
        .handler(row -> tally.add(item(row)));
    return Future.fromCompletionStage(done);
  }

  private static Item item(Row row) {
    return new Item(
        row.getLong(0),
        row.getInteger(1),
        row.getString(2),
        row.getString(3),
        row.getOffsetDateTime(4).toInstant(),
        row.getBigDecimal(5),
        row.getBoolean(6),
        row.getUUID(7));
  }

  private static <T> T get(Future<T> future) {
    return future.toCompletionStage().toCompletableFuture().join();
  }
}
