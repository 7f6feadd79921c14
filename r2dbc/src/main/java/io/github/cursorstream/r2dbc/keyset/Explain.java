package io.github.cursorstream.r2dbc.keyset;

import io.r2dbc.spi.Connection;
import io.r2dbc.spi.Statement;
import java.util.List;
import reactor.core.Exceptions;
import reactor.core.publisher.Flux;
import reactor.core.publisher.Mono;
import reactor.util.concurrent.Queues;

/** Asks PostgreSQL for the plan of a page query. */
final class Explain {

  private static final String SAVEPOINT = "cursorstream_explain";

  private static final String SETTINGS =
      "SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off;"
          + " SET LOCAL enable_sort = off; SET LOCAL enable_incremental_sort = off";

  private Explain() {}

  static Mono<KeysetPlan> plan(
      Connection connection, ResolvedKeyset keyset, PageSql sql, boolean hasStart) {
    // The settings are undone with a transaction, or in the caller's with a savepoint.
    boolean own = connection.isAutoCommit();
    // Sent all at once: what undoes them is on its way whoever cancels, and whatever fails.
    return Flux.mergeSequentialDelayError(
            Queues.XS_BUFFER_SIZE,
            run(connection, (own ? "BEGIN; " : "SAVEPOINT " + SAVEPOINT + "; ") + SETTINGS),
            explained(connection, sql),
            run(
                connection,
                own
                    ? "ROLLBACK"
                    : "ROLLBACK TO SAVEPOINT " + SAVEPOINT + "; RELEASE SAVEPOINT " + SAVEPOINT))
        .onErrorMap(e -> Exceptions.unwrapMultiple(e).get(0))
        .collectList()
        .map(
            plan ->
                new KeysetPlan(
                    sql.text(),
                    String.join("\n", plan),
                    seeks(plan, hasStart),
                    keyset.createIndex()));
  }

  /** Brings nothing. */
  private static Flux<String> run(Connection connection, String sql) {
    return Flux.from(connection.createStatement(sql).execute())
        .concatMap(result -> result.getRowsUpdated())
        .handle((rows, sink) -> {});
  }

  private static Flux<String> explained(Connection connection, PageSql sql) {
    Statement statement = connection.createStatement("EXPLAIN " + sql.text());
    for (int i = 0; i < sql.binds().size(); i++) {
      statement.bind(i, sql.binds().get(i));
    }
    return Flux.from(statement.execute())
        .concatMap(
            result -> result.map((row, metadata) -> String.valueOf(row.get(0, String.class))));
  }

  /**
   * No table is sorted, and each scan is one of an index, with a condition to start at. The parts
   * of a page may be sorted when they are put together.
   */
  static boolean seeks(List<String> plan, boolean hasStart) {
    int scans = 0;
    int conditions = 0;
    for (int i = 0; i < plan.size(); i++) {
      String line = plan.get(i);
      if (line.contains("Seq Scan on")
          || line.contains("Bitmap ")
          || (line.contains("Sort  (") && !sortsParts(plan, i))) {
        return false;
      }
      if (line.contains("Index Scan ") || line.contains("Index Only Scan ")) {
        scans++;
      } else if (line.strip().startsWith("Index Cond:")) {
        conditions++;
      }
    }
    return scans > 0 && (!hasStart || conditions == scans);
  }

  /** Whether what is sorted there is no more than a page: parts of it, or nothing at all. */
  private static boolean sortsParts(List<String> plan, int sort) {
    List<String> inputs =
        plan.subList(sort + 1, plan.size()).stream()
            .map(String::strip)
            .filter(line -> line.startsWith("->"))
            .map(line -> line.substring(2).strip())
            .limit(2)
            .toList();
    String input = inputs.isEmpty() ? "" : inputs.get(0);
    if (input.startsWith("Append ")) {
      input = inputs.get(1);
    }
    return input.startsWith("CTE Scan on cursorstream_part_")
        || input.startsWith("Limit ")
        || input.startsWith("Result ");
  }
}
