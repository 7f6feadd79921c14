package io.github.cursorstream.benchmarks;

import io.github.cursorstream.testing.TestDatabase;

/** The table of which one column is copied to another, as new before each pass. */
final class Accounts {

  /** How many rows go into one transaction, in whichever way. */
  static final int BATCH = 1000;

  private final TestDatabase database;
  private final long rows;
  private final Total total;

  Accounts(TestDatabase database, long rows) {
    this.database = database;
    this.rows = rows;
    database.execute(
        "DROP TABLE IF EXISTS accounts_before",
        """
        CREATE TABLE accounts_before AS
        SELECT id, 'user' || id || '@example.com' AS email, NULL::text AS email_new
        FROM generate_series(1, %d::bigint) id"""
            .formatted(rows));
    this.total = total("accounts_before", "email");
  }

  long rows() {
    return rows;
  }

  /** What is to be there when all is copied. */
  Total expected() {
    return total;
  }

  /** Makes it anew. */
  void fill() {
    database.execute(
        "DROP TABLE IF EXISTS accounts",
        "CREATE TABLE accounts AS TABLE accounts_before",
        "ALTER TABLE accounts ADD PRIMARY KEY (id)",
        "VACUUM (FREEZE, ANALYZE) accounts",
        "CHECKPOINT");
  }

  /** What was copied. */
  Total copied() {
    return total("accounts WHERE email_new = email", "email_new");
  }

  private Total total(String from, String column) {
    var row =
        database.query(
            "SELECT count(*), coalesce(sum(hashtext(%s)), 0) FROM %s".formatted(column, from));
    return new Total(
        ((Number) row.get(0).get(0)).longValue(), ((Number) row.get(0).get(1)).longValue());
  }
}
