package io.github.cursorstream.benchmarks;

import io.github.cursorstream.testing.TestDatabase;
import io.r2dbc.spi.Row;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.Locale;

/**
 * A table, and what is in it.
 *
 * @param total rows and checksum, as the server adds them up
 */
record Dataset(Shape shape, String table, Total total) {

  /** What rows look like, and which key they have. */
  enum Shape {
    /** Eight columns of mixed types, about 110 bytes. */
    MIXED("id"),
    /** Two numbers. */
    NARROW("id"),
    /** The eight, with a text of 2 kB. */
    WIDE("id"),
    /** The eight, by a key of two columns, of which the first has 1,000 values. */
    COMPOSITE("quantity, id"),
    /** The eight, by a random UUID: neighbours in the key are strangers in the table. */
    RANDOM("reference");

    /** The columns of the primary key. */
    final String key;

    Shape(String key) {
      this.key = key;
    }

    String columns() {
      return this == NARROW ? Item.NARROW_COLUMNS : Item.COLUMNS;
    }

    Item map(Row row) {
      return this == NARROW ? Item.narrow(row) : Item.of(row);
    }

    Item map(ResultSet row) throws SQLException {
      return this == NARROW ? Item.narrow(row) : Item.of(row);
    }
  }

  static Dataset create(TestDatabase database, Shape shape, long rows) {
    String table = shape.name().toLowerCase(Locale.ROOT) + "_" + rows;
    String note =
        shape == Shape.WIDE ? "repeat(md5(id::text), 64)" : "repeat('note ', (id % 8)::int)";
    database.execute(
        """
        CREATE TABLE %s AS SELECT %s FROM (
          SELECT id,
                 (id * 7919 %% 1000)::int AS quantity,
                 'Item number ' || id AS name,
                 %s AS note,
                 timestamptz '2024-01-01 00:00Z' + id * interval '11.003 s' AS updated_at,
                 (id * 104729 %% 1000000)::numeric(12, 2) AS price,
                 id %% 3 = 0 AS sold,
                 md5(id::text)::uuid AS reference
          FROM generate_series(1, %d::bigint) id) AS items"""
            .formatted(table, shape.columns(), note, rows),
        "ALTER TABLE %s ADD PRIMARY KEY (%s)".formatted(table, shape.key),
        "VACUUM (FREEZE, ANALYZE) " + table);
    return new Dataset(shape, table, total(database, shape, table));
  }

  /** Of a part of a table, given as what stands behind FROM. */
  static Total total(TestDatabase database, Shape shape, String from) {
    String checksum = shape == Shape.NARROW ? Item.NARROW_CHECKSUM : Item.CHECKSUM;
    var row =
        database.query(
            "SELECT count(*), coalesce(sum(%s), 0)::bigint FROM %s".formatted(checksum, from));
    return new Total((Long) row.get(0).get(0), (Long) row.get(0).get(1));
  }

  /** All rows in the order of the key. */
  String select() {
    return "SELECT " + shape.columns() + " FROM " + table + " ORDER BY " + shape.key;
  }

  /** The first page, or the one behind a key whose one column is bound to this placeholder. */
  String page(String placeholder, int size) {
    return "SELECT %s FROM %s WHERE %s > %s ORDER BY %3$s LIMIT %d"
        .formatted(shape.columns(), table, shape.key, placeholder, size);
  }
}
