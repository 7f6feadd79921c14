package io.github.cursorstream.examples;

import io.github.cursorstream.examples.Example.Stopwatch;
import io.github.cursorstream.testing.TestDatabase;
import io.r2dbc.spi.Connection;
import io.r2dbc.spi.Result;
import io.r2dbc.spi.Statement;
import java.util.List;
import reactor.core.publisher.Flux;

/** The tables that the examples read, made by the server itself, and statements that write. */
final class Tables {

  private Tables() {}

  /** Makes the table of {@link User}s. */
  static void createUsers(TestDatabase database, int rows) {
    Stopwatch time = Stopwatch.start();
    database.execute(
        """
        CREATE TABLE users AS
        SELECT id,
               lower(first) || '.' || lower(last) || id || '@example.com' AS email,
               first || ' ' || last AS name,
               (ARRAY['PL', 'DE', 'FR', 'ES', 'IT', 'NL', 'SE'])[1 + id %% 7] AS country,
               (id * 7919 %% 500)::int AS logins,
               timestamptz '2020-01-01 00:00Z' + id * interval '97.000001 s' AS created_at,
               (id * 104729 %% 1000000 / 100.0)::numeric(12, 2) AS balance,
               id %% 5 <> 0 AS active
        FROM generate_series(1, %d::bigint) id,
             LATERAL (SELECT (ARRAY['Ada', 'Alan', 'Barbara', 'Edsger', 'Grace', 'Tony'])[1 + id %% 6] AS first,
                             (ARRAY['Kowalska', 'Lamport', 'Liskov', 'Nowak', 'Hopper'])[1 + id %% 5] AS last) names
        """
            .formatted(rows),
        "ALTER TABLE users ADD PRIMARY KEY (id)",
        "VACUUM ANALYZE users");
    System.out.printf("The server made a table of %,d users in %s.%n%n", rows, time);
  }

  /**
   * Makes a table of items with eight columns of mixed types.
   *
   * @return a checksum over them
   */
  static long createItems(TestDatabase database, int rows) {
    database.execute(
        """
        CREATE TABLE items AS
        SELECT id,
               (id * 7919 %% 1000)::int AS quantity,
               'Item number ' || id AS name,
               repeat('note ', (id %% 8)::int) AS note,
               timestamptz '2024-01-01 00:00Z' + id * interval '11.003 s' AS updated_at,
               (id * 104729 %% 1000000)::numeric(12, 2) AS price,
               id %% 3 = 0 AS sold,
               md5(id::text)::uuid AS reference
        FROM generate_series(1, %d::bigint) id
        """
            .formatted(rows),
        "ALTER TABLE items ADD PRIMARY KEY (id)",
        "VACUUM ANALYZE items");
    return database.count(
        """
            SELECT sum(quantity + length(name) + length(note) + sold::int + (price * 100)::bigint
                       + floor(extract(epoch FROM updated_at))::bigint
                       + ('x' || left(reference::text, 8))::bit(32)::bigint)
            FROM items
            """);
  }

  /** Sends a statement, and tells how many rows it met. */
  static Flux<Long> execute(Connection connection, String sql, List<?> binds) {
    return Flux.defer(
            () -> {
              Statement statement = connection.createStatement(sql);
              for (int i = 0; i < binds.size(); i++) {
                statement.bind(i, binds.get(i));
              }
              return statement.execute();
            })
        .concatMap(Result::getRowsUpdated);
  }
}
