package io.github.cursorstream.benchmarks;

import io.r2dbc.pool.ConnectionPool;
import io.r2dbc.spi.Connection;
import io.r2dbc.spi.ConnectionFactory;
import java.util.List;
import java.util.function.Function;
import reactor.core.publisher.Flux;
import reactor.core.publisher.Mono;

/** The driver that this library uses, used by hand, and Spring Data over it. */
final class R2dbcReaders {

  private static final int PAGE = 1000;
  private static final int OFFSET_PAGE = 10_000;

  private R2dbcReaders() {}

  /**
   * One SELECT of everything. It has a value to bind, because without one the driver would use the
   * protocol for simple queries, and have all values as text.
   */
  static Contender select(String name, Dataset data, boolean binary, int fetchSize) {
    return contender(
        name,
        data,
        binary,
        pool ->
            query(
                pool,
                data,
                data.select().replace(" ORDER BY", " WHERE $1 ORDER BY"),
                fetchSize,
                true));
  }

  /** Pages by the operator that comes to mind first. */
  static Contender expand(String name, Dataset data) {
    return contender(
        name,
        data,
        true,
        pool ->
            page(pool, data, Long.MIN_VALUE)
                .expand(
                    page ->
                        page.size() < PAGE
                            ? Mono.empty()
                            : page(pool, data, page.get(page.size() - 1).id()))
                .concatMapIterable(page -> page));
  }

  private static Mono<List<Item>> page(ConnectionPool pool, Dataset data, long after) {
    return query(pool, data, data.page("$1", PAGE), 0, after).collectList();
  }

  /** Pages by number, in a loop that does not ask for the next one too early. */
  static Contender offset(String name, Dataset data) {
    return contender(
        name,
        data,
        true,
        pool ->
            Flux.range(0, Math.toIntExact(data.total().rows() / OFFSET_PAGE + 1))
                .concatMap(
                    page ->
                        query(
                            pool,
                            data,
                            data.select() + " LIMIT " + OFFSET_PAGE + " OFFSET $1",
                            0,
                            (long) page * OFFSET_PAGE),
                    0));
  }

  private static Contender contender(
      String name, Dataset data, boolean binary, Function<ConnectionPool, Flux<Item>> items) {
    return new Contender(
        name,
        data.total(),
        target -> {
          Flux<Item> all = items.apply(target.pool(2, binary));
          return () -> Total.of(all);
        });
  }

  private static Flux<Item> query(
      ConnectionFactory pool, Dataset data, String sql, int fetchSize, Object value) {
    return Flux.usingWhen(
        pool.create(),
        connection ->
            Flux.from(connection.createStatement(sql).bind(0, value).fetchSize(fetchSize).execute())
                .concatMap(result -> result.map((row, metadata) -> data.shape().map(row))),
        Connection::close);
  }
}
