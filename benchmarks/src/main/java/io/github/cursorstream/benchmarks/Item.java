package io.github.cursorstream.benchmarks;

import io.r2dbc.spi.Row;
import java.math.BigDecimal;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Instant;
import java.util.UUID;
import org.springframework.data.annotation.Id;

/** What all contenders map a row to, each in the way of its library. */
record Item(
    @Id long id,
    int quantity,
    String name,
    String note,
    Instant updatedAt,
    BigDecimal price,
    boolean sold,
    UUID reference) {

  static final String COLUMNS = "id, quantity, name, note, updated_at, price, sold, reference";
  static final String NARROW_COLUMNS = "id, quantity";

  /** What {@link #checksum} adds up, in SQL. */
  static final String CHECKSUM =
      "id + quantity + length(name) + length(note) + sold::int + (price * 100)::bigint"
          + " + floor(extract(epoch FROM updated_at))::bigint"
          + " + ('x' || left(reference::text, 8))::bit(32)::bigint";

  static final String NARROW_CHECKSUM = "id + quantity";

  private static final UUID NO_REFERENCE = new UUID(0, 0);

  static Item of(Row row) {
    return new Item(
        row.get(0, Long.class),
        row.get(1, Integer.class),
        row.get(2, String.class),
        row.get(3, String.class),
        row.get(4, Instant.class),
        row.get(5, BigDecimal.class),
        row.get(6, Boolean.class),
        row.get(7, UUID.class));
  }

  static Item of(ResultSet row) throws SQLException {
    return new Item(
        row.getLong(1),
        row.getInt(2),
        row.getString(3),
        row.getString(4),
        row.getTimestamp(5).toInstant(),
        row.getBigDecimal(6),
        row.getBoolean(7),
        row.getObject(8, UUID.class));
  }

  static Item narrow(Row row) {
    return narrow(row.get(0, Long.class), row.get(1, Integer.class));
  }

  static Item narrow(ResultSet row) throws SQLException {
    return narrow(row.getLong(1), row.getInt(2));
  }

  private static Item narrow(long id, int quantity) {
    return new Item(id, quantity, "", "", Instant.EPOCH, BigDecimal.ZERO, false, NO_REFERENCE);
  }

  long checksum() {
    return id
        + quantity
        + name.length()
        + note.length()
        + (sold ? 1 : 0)
        + price.unscaledValue().longValue()
        + updatedAt.getEpochSecond()
        + (reference.getMostSignificantBits() >>> 32);
  }
}
