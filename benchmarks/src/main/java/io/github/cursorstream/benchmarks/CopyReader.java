package io.github.cursorstream.benchmarks;

import java.nio.ByteBuffer;
import java.sql.Connection;
import java.sql.SQLException;
import javax.sql.DataSource;
import org.postgresql.PGConnection;
import org.postgresql.copy.CopyOut;

/**
 * The limit: COPY … TO STDOUT (binary) of a table of eight columns, unordered, whose rows are added
 * up from the bytes as they come. No object is made for them but the array that a row comes in.
 */
final class CopyReader {

  private static final int HEADER = 19;
  private static final int END = -1;

  /** From 1970 to where PostgreSQL's clock begins. */
  private static final long EPOCH_SECONDS = 946_684_800;

  private static final int MICROS = 1_000_000;

  private CopyReader() {}

  static Contender copy(String name, Dataset data) {
    String sql =
        "COPY %s (%s) TO STDOUT (FORMAT binary)".formatted(data.table(), data.shape().columns());
    return new Contender(
        name,
        data.total(),
        target -> {
          DataSource source = target.jdbc("");
          return () -> {
            try (Connection connection = source.getConnection()) {
              return read(connection.unwrap(PGConnection.class).getCopyAPI().copyOut(sql));
            }
          };
        });
  }

  private static Total read(CopyOut copy) throws SQLException {
    long rows = 0;
    long checksum = 0;
    byte[] bytes;
    while ((bytes = copy.readFromCopy()) != null) {
      ByteBuffer row = ByteBuffer.wrap(bytes);
      if (rows == 0) {
        row.position(HEADER);
      }
      if (row.getShort() != END) {
        rows++;
        checksum += checksum(row);
      }
    }
    return new Total(rows, checksum);
  }

  /** Of the columns in their order, each behind its length. */
  private static long checksum(ByteBuffer row) {
    row.getInt();
    long sum = row.getLong(); // id
    row.getInt();
    sum += row.getInt(); // quantity
    sum += skip(row); // name
    sum += skip(row); // note
    row.getInt();
    sum += EPOCH_SECONDS + Math.floorDiv(row.getLong(), MICROS); // updated_at
    row.getInt();
    sum += cents(row); // price
    row.getInt();
    sum += row.get(); // sold
    row.getInt();
    return sum + (row.getLong() >>> 32); // reference
  }

  /** The length of a text, whose letters have a byte each. */
  private static int skip(ByteBuffer row) {
    int length = row.getInt();
    row.position(row.position() + length);
    return length;
  }

  /** A numeric, as digits of 10,000 and the power of the first. */
  private static long cents(ByteBuffer row) {
    int digits = row.getShort();
    int power = row.getShort();
    row.getInt(); // Sign and scale.
    long tenThousandths = 0;
    for (int i = 0; i < digits; i++) {
      tenThousandths = tenThousandths * 10_000 + row.getShort();
    }
    for (int missing = power + 2 - digits; missing > 0; missing--) {
      tenThousandths *= 10_000;
    }
    return tenThousandths / 100;
  }
}
