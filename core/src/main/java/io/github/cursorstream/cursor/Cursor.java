package io.github.cursorstream.cursor;

import java.math.BigDecimal;
import java.math.BigInteger;
import java.nio.ByteBuffer;
import java.time.Instant;
import java.time.LocalDate;
import java.time.LocalDateTime;
import java.time.LocalTime;
import java.time.OffsetDateTime;
import java.time.OffsetTime;
import java.time.ZoneOffset;
import java.time.ZonedDateTime;
import java.time.temporal.ChronoField;
import java.time.temporal.TemporalAccessor;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashSet;
import java.util.HexFormat;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.UUID;
import org.jspecify.annotations.Nullable;

/**
 * A position in a sorted source: the key values of one row, each named by its column.
 *
 * <p>Pages carry the cursor of their own last item; {@code Cursor.of("id", 100).and(…)} makes one
 * by hand. A cursor names every column of the order it is used with; {@link #prefix} stands for
 * everything that shares the first columns.
 *
 * <p>Values are held as text: numbers plainly, times in ISO 8601, bytes as {@code \x} and hex
 * digits. That text, not a Java object, is what travels through {@link #token()}, so nothing is
 * rounded on the way. Immutable.
 */
public final class Cursor {

  // A token counts them in one byte.
  private static final int MOST_COLUMNS = 255;
  // A little more than PostgreSQL's numeric has behind the point.
  private static final int MOST_SCALE = 20_000;
  private static final Instant YEAR_1 = Instant.parse("0001-01-01T00:00:00Z");
  private static final Instant YEAR_10000 = Instant.parse("+10000-01-01T00:00:00Z");

  private final List<String> columns;
  private final List<@Nullable String> values;
  private final boolean prefix;
  // How this cursor came to be bound to an order: issued by a codec, or read from a token. Both are
  // null for a cursor made by hand.
  private final @Nullable CursorCodec codec;
  private final @Nullable Token token;

  private Cursor(
      List<String> columns,
      List<@Nullable String> values,
      boolean prefix,
      @Nullable CursorCodec codec,
      @Nullable Token token) {
    this.columns = columns;
    this.values = values;
    this.prefix = prefix;
    this.codec = codec;
    this.token = token;
  }

  /**
   * The position of the row whose {@code column} has this value.
   *
   * @param column the column's name, as the database spells it
   * @param value text, number, boolean, enum, UUID, {@code java.time} value of the years 1 to 9999,
   *     {@code byte[]}, {@link ByteBuffer}, or null for NULL; for any other type pass the text that
   *     the database reads as that type
   * @return a cursor of one column
   * @throws InvalidCursorException if the value has no text form, or its text holds a NUL character
   *     or half of a surrogate pair
   */
  public static Cursor of(String column, @Nullable Object value) {
    return new Cursor(List.of(), List.of(), false, null, null).and(column, value);
  }

  /**
   * The position before, or after, all rows that share this value in the order's first column: as
   * {@code after} it skips them all, as {@code upTo} it includes them all. {@code and} lengthens
   * the prefix.
   *
   * @param column the first column of the order
   * @param value its value, as in {@link #of}
   * @return a prefix of one column
   */
  public static Cursor prefix(String column, @Nullable Object value) {
    return new Cursor(List.of(), List.of(), true, null, null).and(column, value);
  }

  /**
   * The position of one row, its values given as the text a database rendered. For writers of a
   * {@link PageSource}.
   *
   * @param columns the columns of the order
   * @param values as many values, null for NULL
   * @return a cursor of these columns
   * @throws InvalidCursorException if there is no column, or they are more than 255, or not as many
   *     as values, or one occurs twice
   */
  public static Cursor ofText(List<String> columns, List<@Nullable String> values) {
    return checked(columns, values, false);
  }

  /** A cursor made by hand, every part of which a token and a database can hold. */
  static Cursor checked(List<String> columns, List<@Nullable String> values, boolean prefix) {
    if (columns.isEmpty() || columns.size() != values.size()) {
      throw new InvalidCursorException(
          "as many values as columns, at least one, required but they were "
              + columns.size()
              + " columns and "
              + values.size()
              + " values");
    }
    if (columns.size() > MOST_COLUMNS) {
      throw new InvalidCursorException(
          "at most " + MOST_COLUMNS + " columns required but they were " + columns.size());
    }
    Cursor cursor =
        new Cursor(
            List.copyOf(columns),
            Collections.unmodifiableList(new ArrayList<>(values)),
            prefix,
            null,
            null);
    Set<String> names = new HashSet<>();
    for (int i = 0; i < columns.size(); i++) {
      String column = columns.get(i);
      if (!names.add(column)) {
        throw new InvalidCursorException(
            "each column once required but \"" + column + "\" occurs twice in " + cursor);
      }
      requireText(column, "as a column's name");
      String value = values.get(i);
      if (value != null) {
        requireText(value, "for column \"" + column + "\"");
      }
    }
    return cursor;
  }

  private static void requireText(String text, String where) {
    if (text.codePoints().anyMatch(c -> c == 0 || Character.getType(c) == Character.SURROGATE)) {
      throw new InvalidCursorException(
          "text without NUL characters and without halves of surrogate pairs required "
              + where
              + " but it has one; no database holds such text");
    }
  }

  /**
   * Adds the next column, up to 255. The result is a cursor made by hand, whatever this one was: it
   * passes {@link CursorCodec#accept} even if this one came from a token that would not.
   *
   * @param column the column's name; each may occur once
   * @param value its value, as in {@link #of}
   * @return a longer cursor
   */
  public Cursor and(String column, @Nullable Object value) {
    Objects.requireNonNull(column, "column");
    List<String> moreColumns = new ArrayList<>(columns);
    List<@Nullable String> moreValues = new ArrayList<>(values);
    moreColumns.add(column);
    moreValues.add(value == null ? null : text(column, value));
    return checked(moreColumns, moreValues, prefix);
  }

  /**
   * Reads what {@link #token()} wrote. Whether it belongs to the order it is used with, and whether
   * it is forged, is checked there, by {@link CursorCodec#accept}.
   *
   * @param token a token, for example from a URL
   * @return an equal cursor
   * @throws InvalidCursorException if the token is damaged or was written by an unknown format
   */
  public static Cursor parse(String token) {
    return Token.parse(token);
  }

  /**
   * This position as URL-safe text: letters, digits, {@code -} and {@code _}. It holds the key
   * values readably: sign it with a token key if it must not be changed, and do not hand it out if
   * the key values are secret.
   *
   * @return the token; lossless, {@link #parse} gives an equal cursor
   */
  public String token() {
    if (token != null) {
      return token.text;
    }
    return (codec == null ? CursorCodec.ANY_ORDER : codec).encode(this);
  }

  /**
   * The columns this cursor names, in order.
   *
   * @return at least one name
   */
  public List<String> columns() {
    return columns;
  }

  /**
   * The values in their text form.
   *
   * @return one for each of {@link #columns()}, null for NULL
   */
  public List<@Nullable String> values() {
    return values;
  }

  /**
   * The text form of one column's value.
   *
   * @param column one of {@link #columns()}
   * @return the value, null for NULL
   * @throws InvalidCursorException if this cursor does not name the column
   */
  public @Nullable String value(String column) {
    int index = columns.indexOf(column);
    if (index < 0) {
      throw new InvalidCursorException("no column \"" + column + "\" in " + this);
    }
    return values.get(index);
  }

  /**
   * Whether this stands for all rows that share its values, not for one row.
   *
   * @return true if made by {@link #prefix}
   */
  public boolean isPrefix() {
    return prefix;
  }

  Cursor issuedBy(CursorCodec by) {
    return new Cursor(columns, values, prefix, by, null);
  }

  Cursor readFrom(Token source) {
    return new Cursor(columns, values, prefix, null, source);
  }

  @Nullable Token source() {
    return token;
  }

  private static String text(String column, Object value) {
    String text = textOf(value);
    if (text == null) {
      throw new InvalidCursorException(
          "a value with a text form required for column \""
              + column
              + "\" but it was of "
              + value.getClass()
              + "; pass the text that the database reads as the column's type");
    }
    return text;
  }

  private static @Nullable String textOf(Object value) {
    if (value instanceof CharSequence
        || value instanceof Character
        || value instanceof Boolean
        || value instanceof Byte
        || value instanceof Short
        || value instanceof Integer
        || value instanceof Long
        || value instanceof Float
        || value instanceof Double
        || value instanceof BigInteger
        || value instanceof UUID) {
      return value.toString();
    }
    if (value instanceof BigDecimal number) {
      return plainText(number);
    }
    if (value instanceof Enum<?> constant) {
      return constant.name();
    }
    if (value instanceof byte[] bytes) {
      return "\\x" + HexFormat.of().formatHex(bytes);
    }
    if (value instanceof ByteBuffer buffer) {
      byte[] bytes = new byte[buffer.remaining()];
      buffer.duplicate().get(bytes);
      return textOf(bytes);
    }
    return value instanceof TemporalAccessor time ? timeText(time) : null;
  }

  private static String plainText(BigDecimal number) {
    if (Math.abs((long) number.scale()) > MOST_SCALE) {
      throw new InvalidCursorException(
          "a number with a scale from -"
              + MOST_SCALE
              + " to "
              + MOST_SCALE
              + " required but it was "
              + number.scale()
              + "; written plainly it would not fit into memory");
    }
    return number.toPlainString();
  }

  private static @Nullable String timeText(TemporalAccessor time) {
    if (time instanceof LocalTime || time instanceof OffsetTime) {
      return time.toString();
    }
    if (time instanceof Instant instant) {
      // Before it becomes a date: Instant reaches a year further than dates do.
      requireYear(!instant.isBefore(YEAR_1) && instant.isBefore(YEAR_10000), instant);
      return instant.atOffset(ZoneOffset.UTC).toString();
    }
    TemporalAccessor dated = time instanceof ZonedDateTime zoned ? zoned.toOffsetDateTime() : time;
    if (!(dated instanceof LocalDate
        || dated instanceof LocalDateTime
        || dated instanceof OffsetDateTime)) {
      return null;
    }
    int year = dated.get(ChronoField.YEAR);
    requireYear(year >= 1 && year <= 9999, dated);
    return dated.toString();
  }

  private static void requireYear(boolean inRange, TemporalAccessor time) {
    if (!inRange) {
      throw new InvalidCursorException(
          "a year from 1 to 9999 required but it was "
              + time
              + "; pass the text that the database reads as that time");
    }
  }

  /** Equal columns, values and kind; where a cursor came from does not matter. */
  @Override
  public boolean equals(@Nullable Object other) {
    return other instanceof Cursor that
        && prefix == that.prefix
        && columns.equals(that.columns)
        && values.equals(that.values);
  }

  @Override
  public int hashCode() {
    return Objects.hash(columns, values, prefix);
  }

  @Override
  public String toString() {
    StringBuilder text = new StringBuilder(prefix ? "Cursor.prefix[" : "Cursor[");
    for (int i = 0; i < columns.size(); i++) {
      text.append(i == 0 ? "" : ", ").append(columns.get(i)).append('=').append(values.get(i));
    }
    return text.append(']').toString();
  }
}
