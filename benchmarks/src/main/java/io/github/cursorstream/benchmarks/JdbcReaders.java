package io.github.cursorstream.benchmarks;

import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import javax.sql.DataSource;

/** PostgreSQL's JDBC driver, used by hand. */
final class JdbcReaders {

  private static final int PAGE = 1000;

  /** A pass over a connection. */
  private interface Pass {
    Total read(Connection connection) throws SQLException;
  }

  private JdbcReaders() {}

  /** A cursor of the server, read 1,000 rows at a time in one transaction. */
  static Contender cursor(String name, Dataset data, String parameters) {
    return contender(
        name,
        data,
        parameters,
        connection -> {
          connection.setAutoCommit(false);
          Total.Tally tally = new Total.Tally();
          try (PreparedStatement statement = connection.prepareStatement(data.select())) {
            statement.setFetchSize(PAGE);
            add(data, statement, tally);
          }
          connection.commit();
          return tally.total();
        });
  }

  /** Pages by the last key, each its own transaction. */
  static Contender keyset(String name, Dataset data, String parameters) {
    return contender(
        name,
        data,
        parameters,
        connection -> {
          connection.setAutoCommit(true);
          Total.Tally tally = new Total.Tally();
          try (PreparedStatement statement = connection.prepareStatement(data.page("?", PAGE))) {
            long after = Long.MIN_VALUE;
            long read;
            do {
              read = tally.rows();
              statement.setLong(1, after);
              after = add(data, statement, tally);
            } while (tally.rows() - read == PAGE);
          }
          return tally.total();
        });
  }

  private static long add(Dataset data, PreparedStatement statement, Total.Tally tally)
      throws SQLException {
    long last = Long.MIN_VALUE;
    try (ResultSet rows = statement.executeQuery()) {
      while (rows.next()) {
        Item item = data.shape().map(rows);
        tally.add(item);
        last = item.id();
      }
    }
    return last;
  }

  private static Contender contender(String name, Dataset data, String parameters, Pass pass) {
    return new Contender(
        name,
        data.total(),
        target -> {
          DataSource source = target.jdbc(parameters);
          return () -> {
            try (Connection connection = source.getConnection()) {
              return pass.read(connection);
            }
          };
        });
  }
}
