package io.github.cursorstream.r2dbc.keyset;

import io.github.cursorstream.testing.TestDatabase;
import io.r2dbc.pool.ConnectionPool;
import io.r2dbc.postgresql.PostgresqlConnectionConfiguration;
import io.r2dbc.postgresql.PostgresqlConnectionFactory;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import java.util.stream.Stream;

/**
 * A table with two columns for each type: {@code k_…} with NULLs, {@code n_…} NOT NULL; few rows,
 * many ties.
 */
final class SweepTable {

  static final String NAME = "sweep";

  private static final int ROWS = 9;

  private SweepTable() {}

  static void create(TestDatabase database, List<SweepType> types) {
    database.execute(SweepType.DDL.toArray(String[]::new));
    List<String> columns = new ArrayList<>();
    for (SweepType type : types) {
      columns.add("k_" + type.name() + " " + type.sql());
      columns.add("n_" + type.name() + " " + type.sql() + " NOT NULL");
    }
    database.execute(
        "CREATE TABLE %s (id int PRIMARY KEY, alive boolean NOT NULL, %s)"
            .formatted(NAME, String.join(", ", columns)));
    for (int row = 0; row < ROWS; row++) {
      List<String> values = new ArrayList<>();
      values.add(String.valueOf((row * 7) % ROWS - 3));
      values.add(String.valueOf(row % 5 != 2));
      for (int t = 0; t < types.size(); t++) {
        List<String> literals = types.get(t).values();
        String value = literals.get((row * (1 + t % 3) + t) % literals.size());
        values.add((row + t) % 4 == 1 ? "NULL" : value);
        values.add(value);
      }
      database.execute("INSERT INTO " + NAME + " VALUES (" + String.join(", ", values) + ")");
    }
  }

  /** Few connections, without prepared statements: there are too many different ones. */
  static ConnectionPool pool(
      TestDatabase database, Consumer<PostgresqlConnectionConfiguration.Builder> settings) {
    PostgresqlConnectionConfiguration.Builder builder =
        database.configuration().preparedStatementCacheQueries(0);
    settings.accept(builder);
    return database.pool(new PostgresqlConnectionFactory(builder.build()), 2);
  }

  static List<String> columns(List<SweepType> types) {
    return types.stream().flatMap(t -> Stream.of("k_" + t.name(), "n_" + t.name())).toList();
  }
}
