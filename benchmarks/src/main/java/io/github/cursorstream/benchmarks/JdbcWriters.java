package io.github.cursorstream.benchmarks;

import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import javax.sql.DataSource;

/** Copying a column by SQL alone, or by a loop over JDBC. */
final class JdbcWriters {

  private static final String PROCEDURE =
      """
      CREATE OR REPLACE PROCEDURE copy_email() LANGUAGE plpgsql AS $$
      DECLARE
        last bigint := 0;
        next bigint;
      BEGIN
        LOOP
          SELECT id INTO next FROM accounts WHERE id > last ORDER BY id OFFSET %d LIMIT 1;
          UPDATE accounts SET email_new = email
            WHERE id > last AND id <= coalesce(next, 9223372036854775807);
          COMMIT;
          EXIT WHEN next IS NULL;
          last := next;
        END LOOP;
      END $$"""
          .formatted(Accounts.BATCH - 1);

  /** What is done over a connection in autocommit mode. */
  private interface Work {
    void with(Connection connection) throws SQLException;
  }

  private JdbcWriters() {}

  /** Everything in one transaction, whose rows stay locked until the end. */
  static Contender oneUpdate(String name, Accounts accounts) {
    return contender(
        name, accounts, connection -> execute(connection, "UPDATE accounts SET email_new = email"));
  }

  /** The loop inside the server: no round trip, nothing to steer it by. */
  static Contender procedure(String name, Accounts accounts) {
    return contender(
        name,
        accounts,
        connection -> {
          execute(connection, PROCEDURE);
          execute(connection, "CALL copy_email()");
        });
  }

  /** The same two statements, sent from here. */
  static Contender ranges(String name, Accounts accounts) {
    return contender(
        name,
        accounts,
        connection -> {
          try (PreparedStatement ends =
                  connection.prepareStatement(
                      "SELECT id FROM accounts WHERE id > ? ORDER BY id OFFSET ? LIMIT 1");
              PreparedStatement update =
                  connection.prepareStatement(
                      "UPDATE accounts SET email_new = email WHERE id > ? AND id <= ?")) {
            long last = 0;
            while (last < Long.MAX_VALUE) {
              ends.setLong(1, last);
              ends.setInt(2, Accounts.BATCH - 1);
              long next = Long.MAX_VALUE;
              try (ResultSet end = ends.executeQuery()) {
                if (end.next()) {
                  next = end.getLong(1);
                }
              }
              update.setLong(1, last);
              update.setLong(2, next);
              update.executeUpdate();
              last = next;
            }
          }
        });
  }

  /** Rows that are read, looked at here, and written one by one in a batch of statements. */
  static Contender rows(String name, Accounts accounts) {
    return contender(
        name,
        accounts,
        connection -> {
          connection.setAutoCommit(false);
          try (PreparedStatement select =
                  connection.prepareStatement(
                      "SELECT id, email FROM accounts WHERE id > ? ORDER BY id LIMIT "
                          + Accounts.BATCH);
              PreparedStatement update =
                  connection.prepareStatement("UPDATE accounts SET email_new = ? WHERE id = ?")) {
            long last = 0;
            int read;
            do {
              read = 0;
              select.setLong(1, last);
              try (ResultSet page = select.executeQuery()) {
                while (page.next()) {
                  read++;
                  last = page.getLong(1);
                  update.setString(1, page.getString(2));
                  update.setLong(2, last);
                  update.addBatch();
                }
              }
              update.executeBatch();
              connection.commit();
            } while (read == Accounts.BATCH);
          } finally {
            connection.setAutoCommit(true);
          }
        });
  }

  private static void execute(Connection connection, String sql) throws SQLException {
    try (Statement statement = connection.createStatement()) {
      statement.execute(sql);
    }
  }

  private static Contender contender(String name, Accounts accounts, Work work) {
    return new Contender(
        name,
        accounts.expected(),
        target -> {
          DataSource source = target.jdbc("");
          return () -> {
            try (Connection connection = source.getConnection()) {
              work.with(connection);
            }
            return accounts.expected();
          };
        });
  }
}
