package io.github.cursorstream.cursor;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.math.BigDecimal;
import java.math.BigInteger;
import java.nio.ByteBuffer;
import java.nio.CharBuffer;
import java.time.Instant;
import java.time.LocalDate;
import java.time.LocalDateTime;
import java.time.LocalTime;
import java.time.Month;
import java.time.OffsetDateTime;
import java.time.OffsetTime;
import java.time.Year;
import java.time.ZonedDateTime;
import java.time.chrono.ThaiBuddhistDate;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.UUID;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

class CursorTest {

  static Stream<Arguments> values() { // S22
    UUID uuid = UUID.fromString("00000000-0000-0001-0000-000000000002");
    return Stream.of(
        Arguments.of("text", "text"),
        Arguments.of("", ""),
        Arguments.of(CharBuffer.wrap("built"), "built"),
        Arguments.of('c', "c"),
        Arguments.of("zażółć 日本 🐘 ' \" \\ \n", "zażółć 日本 🐘 ' \" \\ \n"),
        Arguments.of(true, "true"),
        Arguments.of((byte) -1, "-1"),
        Arguments.of((short) 2, "2"),
        Arguments.of(3, "3"),
        Arguments.of(Long.MIN_VALUE, "-9223372036854775808"),
        Arguments.of(1.5f, "1.5"),
        Arguments.of(0.1, "0.1"),
        Arguments.of(-0.0, "-0.0"),
        Arguments.of(Double.NaN, "NaN"),
        Arguments.of(Double.NEGATIVE_INFINITY, "-Infinity"),
        Arguments.of(BigInteger.TEN.pow(40), "1" + "0".repeat(40)),
        Arguments.of(new BigDecimal("1.50"), "1.50"),
        Arguments.of(new BigDecimal("1E+3"), "1000"),
        Arguments.of(new BigDecimal("1E-7"), "0.0000001"),
        Arguments.of(uuid, "00000000-0000-0001-0000-000000000002"),
        Arguments.of(Month.MAY, "MAY"),
        Arguments.of(new byte[] {0, 127, -1}, "\\x007fff"),
        Arguments.of(new byte[0], "\\x"),
        Arguments.of(ByteBuffer.wrap(new byte[] {1, 2, 3}, 1, 2), "\\x0203"),
        Arguments.of(LocalDate.of(2024, 2, 29), "2024-02-29"),
        Arguments.of(LocalDate.of(9999, 12, 31), "9999-12-31"),
        Arguments.of(LocalDate.of(1, 1, 1), "0001-01-01"),
        Arguments.of(LocalTime.of(23, 59), "23:59"),
        Arguments.of(OffsetTime.parse("10:15+01:00"), "10:15+01:00"),
        Arguments.of(
            LocalDateTime.parse("2024-01-01T00:00:00.000001"), "2024-01-01T00:00:00.000001"),
        Arguments.of(Instant.parse("2024-01-01T00:00:00.123456Z"), "2024-01-01T00:00:00.123456Z"),
        Arguments.of(
            OffsetDateTime.parse("2024-01-01T00:00:00.123456+05:30"),
            "2024-01-01T00:00:00.123456+05:30"),
        Arguments.of(
            ZonedDateTime.parse("2024-07-01T00:00+02:00[Europe/Warsaw]"), "2024-07-01T00:00+02:00"),
        Arguments.of(null, null));
  }

  @ParameterizedTest
  @MethodSource("values")
  void everySupportedTypeSurvivesItsToken(Object value, String text) {
    Cursor cursor = Cursor.of("key", value).and("id", 7L);
    assertThat(cursor.value("key")).isEqualTo(text);
    Cursor read = Cursor.parse(cursor.token());
    assertThat(read).isEqualTo(cursor).hasSameHashCodeAs(cursor);
    assertThat(read.values()).containsExactly(text, "7");
    assertThat(read.columns()).containsExactly("key", "id");
    assertThat(read.token()).isEqualTo(cursor.token()).matches("[A-Za-z0-9_-]+");
  }

  @Test
  void aBufferIsReadAndNotMoved() {
    ByteBuffer buffer = ByteBuffer.wrap(new byte[] {1, 2});
    assertThat(Cursor.of("b", buffer)).isEqualTo(Cursor.of("b", buffer));
    assertThat(buffer.remaining()).isEqualTo(2);
  }

  @Test
  void prefixesSurviveTheirToken() {
    Cursor prefix = Cursor.prefix("country", "PL").and("born", null);
    assertThat(prefix.isPrefix()).isTrue();
    assertThat(Cursor.parse(prefix.token())).isEqualTo(prefix);
    assertThat(Cursor.parse(prefix.token()).isPrefix()).isTrue();
    assertThat(prefix).isNotEqualTo(Cursor.of("country", "PL").and("born", null));
  }

  @Test
  void tenThousandCharactersSurvive() {
    String text = "ż".repeat(10_000);
    assertThat(Cursor.parse(Cursor.of("t", text).token()).value("t")).isEqualTo(text);
  }

  @Test
  void upTo255ColumnsSurvive() {
    List<String> columns = IntStream.range(0, 255).mapToObj(i -> "c" + i).toList();
    Cursor cursor = Cursor.ofText(columns, columns);
    assertThat(Cursor.parse(cursor.token())).isEqualTo(cursor);
    assertThatThrownBy(() -> cursor.and("one more", 1))
        .isInstanceOf(InvalidCursorException.class)
        .hasMessageContaining("255")
        .hasMessageContaining("256");
    List<String> tooMany = IntStream.range(0, 256).mapToObj(i -> "c" + i).toList();
    assertThatThrownBy(() -> Cursor.ofText(tooMany, tooMany))
        .isInstanceOf(InvalidCursorException.class);
  }

  @Test
  void textCursorsAreCheckedLikeAnyOther() {
    assertThat(Cursor.ofText(List.of("a", "b"), Arrays.asList("1", null)))
        .isEqualTo(Cursor.of("a", 1).and("b", null));
    assertThatThrownBy(() -> Cursor.ofText(List.of(), List.of()))
        .isInstanceOf(InvalidCursorException.class)
        .hasMessageContaining("0 columns and 0 values");
    assertThatThrownBy(() -> Cursor.ofText(List.of("a"), List.of("1", "2")))
        .isInstanceOf(InvalidCursorException.class)
        .hasMessageContaining("1 columns and 2 values");
    assertThatThrownBy(() -> Cursor.ofText(List.of("a", "a"), List.of("1", "2")))
        .isInstanceOf(InvalidCursorException.class)
        .hasMessageContaining("\"a\"");
    assertThatThrownBy(() -> Cursor.ofText(List.of("a"), List.of("x\0y")))
        .isInstanceOf(InvalidCursorException.class);
    assertThatThrownBy(() -> Cursor.ofText(List.of("a"), List.of("x\ud800")))
        .isInstanceOf(InvalidCursorException.class);
  }

  @ParameterizedTest
  @ValueSource(strings = {"\ud800", "a\udc00", "\udc00\ud800", "\ud83dx", "nul\0"})
  void textThatNoDatabaseHoldsIsRefused(String text) {
    assertThatThrownBy(() -> Cursor.of("name", text))
        .isInstanceOf(InvalidCursorException.class)
        .hasMessageContaining("required for column \"name\"");
    assertThatThrownBy(() -> Cursor.of(text, 1)).isInstanceOf(InvalidCursorException.class);
    assertThatThrownBy(() -> Cursor.prefix("name", text))
        .isInstanceOf(InvalidCursorException.class);
  }

  static Stream<Object> unsupported() {
    return Stream.of(new Object(), List.of(1), Year.of(2024), ThaiBuddhistDate.of(2567, 1, 1));
  }

  @ParameterizedTest
  @MethodSource("unsupported")
  void aTypeWithoutATextFormIsRefusedWithTheCure(Object value) {
    assertThatThrownBy(() -> Cursor.of("key", value))
        .isInstanceOf(InvalidCursorException.class)
        .hasMessageContaining("required for column \"key\"")
        .hasMessageContaining(value.getClass().getName())
        .hasMessageContaining("pass the text");
  }

  static Stream<Object> outOfRange() {
    return Stream.of(
        LocalDate.of(0, 1, 1),
        LocalDate.of(10_000, 1, 1),
        LocalDate.MAX,
        LocalDateTime.MIN,
        Instant.MAX,
        Instant.MIN,
        OffsetDateTime.MAX,
        new BigDecimal("1E+999999999"),
        new BigDecimal("1E-999999999"));
  }

  @ParameterizedTest
  @MethodSource("outOfRange")
  void aValueWithoutAnUnambiguousTextIsRefused(Object value) {
    assertThatThrownBy(() -> Cursor.of("key", value))
        .isInstanceOf(InvalidCursorException.class)
        .hasMessageContaining("required");
  }

  @Test
  void aColumnOccursOnceAndIsNamed() {
    assertThatThrownBy(() -> Cursor.of("id", 1).and("id", 2))
        .isInstanceOf(InvalidCursorException.class)
        .hasMessageContaining("\"id\" occurs twice");
    assertThatThrownBy(() -> Cursor.of(null, 1)).hasMessage("column");
    assertThatThrownBy(() -> Cursor.of("id", 1).value("name"))
        .isInstanceOf(InvalidCursorException.class)
        .hasMessage("no column \"name\" in Cursor[id=1]");
  }

  @Test
  void cursorsAreEqualByWhatTheySay() {
    Cursor cursor = Cursor.of("id", 1);
    assertThat(cursor)
        .isEqualTo(Cursor.of("id", "1"))
        .isEqualTo(CursorCodec.forOrder("x").issue(cursor))
        .isNotEqualTo(Cursor.of("id", 2))
        .isNotEqualTo(Cursor.of("ID", 1))
        .isNotEqualTo(Cursor.of("id", null))
        .isNotEqualTo(Cursor.prefix("id", 1))
        .isNotEqualTo("Cursor[id=1]")
        .hasSameHashCodeAs(Cursor.of("id", "1"))
        .hasToString("Cursor[id=1]");
    assertThat(Cursor.prefix("a", null).and("b", 2)).hasToString("Cursor.prefix[a=null, b=2]");
  }

  @Test
  void cursorsDoNotChange() {
    Cursor cursor = Cursor.of("id", 1);
    assertThat(cursor.and("b", 2)).isNotEqualTo(cursor);
    assertThat(cursor).hasToString("Cursor[id=1]");
    assertThatThrownBy(() -> cursor.columns().add("x"))
        .isInstanceOf(UnsupportedOperationException.class);
    assertThatThrownBy(() -> Collections.reverse(cursor.and("x", 1).values()))
        .isInstanceOf(UnsupportedOperationException.class);
  }
}
