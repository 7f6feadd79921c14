package io.github.cursorstream.r2dbc.keyset;

import io.github.cursorstream.cursor.InvalidCursorException;
import io.github.cursorstream.r2dbc.internal.Catalog;
import io.r2dbc.spi.Row;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.nio.ByteBuffer;
import java.util.HexFormat;
import java.util.UUID;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * How values of a key column become text and come back: the same text whatever TimeZone, DateStyle,
 * bytea_output or extra_float_digits say, and the very value that the database compares.
 *
 * @param form how its text is made
 * @param sql its name in a cast
 */
record KeyType(Form form, String sql) {

  enum Form {
    /** The driver's Long, as it stands in the row. */
    INTEGER,
    /** The driver's UUID. */
    UUID,
    /** The driver's String. */
    TEXT,
    /** ISO 8601, as JSON writes it; the text form would follow DateStyle. */
    ISO,
    /** Hex; the text form would follow bytea_output. */
    BYTES,
    /** The bits of a double, in hex; the text form would follow extra_float_digits. */
    FLOAT,
    /** A number; the text form would follow lc_monetary. */
    MONEY,
    /** Its three parts, each with its sign; sql_standard writes one sign for several. */
    INTERVAL,
    /** PostgreSQL's text form, for every other type. */
    OTHER
  }

  private static final long MICROS_PER_HOUR = 3_600_000_000L;

  private static final Pattern UUID_TEXT =
      Pattern.compile("\\{?[0-9a-fA-F]{4}(-?[0-9a-fA-F]{4}){7}}?");

  static KeyType of(String column, Catalog.Type type) {
    if (!type.scalar()) {
      throw new InvalidKeysetException(
          "a scalar type required for key column \""
              + column
              + "\" but it is "
              + type.sql()
              + ", whose text form follows the session's settings; order by scalar columns, for"
              + " example lower(range) in a Keyset.query");
    }
    if (!type.comparable()) {
      throw new InvalidKeysetException(
          "a type with the operators < and > on the search path required for key column \""
              + column
              + "\" but it is "
              + type.sql()
              + "; without them rows would be compared otherwise than they are sorted");
    }
    Form form =
        !type.builtIn()
            ? Form.OTHER
            : switch (type.name()) {
              case "int2", "int4", "int8" -> Form.INTEGER;
              case "uuid" -> Form.UUID;
              case "text", "varchar", "name" -> Form.TEXT; // A cast of bpchar strips it.
              case "date", "timestamp", "timestamptz" -> Form.ISO;
              case "bytea" -> Form.BYTES;
              case "float4", "float8" -> Form.FLOAT;
              case "money" -> Form.MONEY;
              case "interval" -> Form.INTERVAL;
              default -> Form.OTHER;
            };
    return new KeyType(form, form == Form.MONEY ? "numeric::money" : type.sql());
  }

  /** Whether the driver's own decoding of the plain column is the text; else it is rendered. */
  boolean readsPlainColumn() {
    return form == Form.INTEGER || form == Form.UUID || form == Form.TEXT;
  }

  /** What a token has to agree in. A key that was widened from int to bigint keeps its tokens. */
  String family() {
    return form == Form.INTEGER ? "integer" : sql;
  }

  /** SQL that renders a column for {@link #text}. */
  String rendered(String column) {
    return switch (form) {
      case INTEGER, UUID, TEXT, OTHER -> column + "::text";
      case ISO -> "to_jsonb(" + column + ") #>> '{}'";
      case BYTES -> "'\\x' || encode(" + column + ", 'hex')";
      case FLOAT -> "encode(float8send(" + column + "::float8), 'hex')";
      case INTERVAL -> "encode(interval_send(" + column + "), 'hex')";
      case MONEY -> column + "::numeric::text";
    };
  }

  /** The value in a row of what {@link #readsPlainColumn} says; cheap, one for each row. */
  @Nullable Object read(Row row, int index) {
    return switch (form) {
      case INTEGER -> row.get(index, Long.class);
      case UUID -> row.get(index, UUID.class);
      default -> row.get(index, String.class);
    };
  }

  /** The cursor's text of what was read. */
  @Nullable String text(@Nullable Object read) {
    if (read == null) {
      return null;
    }
    String text = read.toString();
    return switch (form) {
      case FLOAT -> Double.toString(Double.longBitsToDouble(Long.parseUnsignedLong(text, 16)));
      case INTERVAL -> intervalText(ByteBuffer.wrap(HexFormat.of().parseHex(text)));
      default -> text;
    };
  }

  /** ISO 8601, as PostgreSQL reads it, from microseconds, days and months. */
  private static String intervalText(ByteBuffer sent) {
    long micros = sent.getLong();
    int days = sent.getInt();
    int months = sent.getInt();
    // All three at their limit: fewer are a long time, and 14 to 16 know no other.
    if (micros == Long.MAX_VALUE && days == Integer.MAX_VALUE && months == Integer.MAX_VALUE) {
      return "infinity";
    }
    if (micros == Long.MIN_VALUE && days == Integer.MIN_VALUE && months == Integer.MIN_VALUE) {
      return "-infinity";
    }
    // Hours apart: PostgreSQL reads each number as a double.
    long hours = micros / MICROS_PER_HOUR;
    BigDecimal seconds = BigDecimal.valueOf(micros % MICROS_PER_HOUR, 6);
    return "P" + months + "M" + days + "DT" + hours + "H" + seconds.toPlainString() + "S";
  }

  /** Refuses text that the database could not read as this type, where that is easily told. */
  void check(String column, String text) {
    boolean fits =
        switch (form) {
          case INTEGER -> isInteger(text);
          case UUID -> UUID_TEXT.matcher(text).matches();
          default -> true;
        };
    if (!fits) {
      throw new InvalidCursorException(
          "a value of type " + sql + " required for \"" + column + "\" but it was " + shown(text));
    }
  }

  private boolean isInteger(String text) {
    try {
      // Of whatever width: a key that was widened has to reach the server, which tells of it.
      return text.length() <= 20 && new BigInteger(text).bitLength() < Long.SIZE;
    } catch (NumberFormatException e) {
      return false;
    }
  }

  private static String shown(String text) {
    return text.length() <= 100 ? text : text.substring(0, 100) + "…";
  }
}
