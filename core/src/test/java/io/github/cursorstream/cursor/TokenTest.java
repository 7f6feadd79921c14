package io.github.cursorstream.cursor;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.List;
import java.util.zip.CRC32;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.Combinators;
import net.jqwik.api.Example;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import net.jqwik.api.constraints.IntRange;
import net.jqwik.api.constraints.Size;

class TokenTest {

  private static final CursorCodec SIGNING =
      CursorCodec.forOrder("users: id").tokenKey(new byte[16]);

  private static byte[] bytes(String token) {
    return Base64.getUrlDecoder().decode(token);
  }

  private static String token(byte[] bytes) {
    return Base64.getUrlEncoder().withoutPadding().encodeToString(bytes);
  }

  /** The same bytes with a checksum that fits, so that what is behind the checksum is reached. */
  private static String sealed(byte[] bytes) {
    CRC32 crc = new CRC32();
    crc.update(bytes);
    return token(
        ByteBuffer.allocate(bytes.length + 4).put(bytes).putInt((int) crc.getValue()).array());
  }

  private static byte[] unsealed(String token) {
    byte[] bytes = bytes(token);
    return Arrays.copyOf(bytes, bytes.length - 4);
  }

  private static void refused(String token) {
    assertThatThrownBy(() -> Cursor.parse(token))
        .as(token)
        .isExactlyInstanceOf(InvalidCursorException.class)
        .hasMessageContaining("required");
  }

  @Provide
  Arbitrary<Cursor> cursors() {
    // Any text without NUL and without half of a surrogate pair.
    Arbitrary<String> text =
        Arbitraries.integers()
            .between(1, Character.MAX_CODE_POINT)
            .filter(c -> c < Character.MIN_SURROGATE || c > Character.MAX_SURROGATE)
            .list()
            .ofMaxSize(12)
            .map(
                points ->
                    points.stream()
                        .collect(
                            StringBuilder::new,
                            StringBuilder::appendCodePoint,
                            StringBuilder::append)
                        .toString());
    Arbitrary<List<String>> columns = text.list().uniqueElements().ofMinSize(1).ofMaxSize(6);
    return Combinators.combine(
            columns, text.injectNull(0.2).list().ofSize(6), Arbitraries.of(1, 2, 3))
        .as(
            (names, values, kind) -> {
              Cursor cursor = null;
              for (int i = 0; i < names.size(); i++) {
                String name = names.get(i);
                String value = values.get(i);
                cursor =
                    cursor != null
                        ? cursor.and(name, value)
                        : kind == 2 ? Cursor.prefix(name, value) : Cursor.of(name, value);
              }
              return kind == 3 ? SIGNING.issue(cursor) : cursor;
            });
  }

  @Property
  void parsingATokenGivesAnEqualCursor(@ForAll("cursors") Cursor cursor) {
    Cursor read = Cursor.parse(cursor.token());
    assertThat(read).isEqualTo(cursor).hasSameHashCodeAs(cursor);
    assertThat(read.token()).isEqualTo(cursor.token()).matches("[A-Za-z0-9_-]+");
  }

  @Property(tries = 50)
  void everyFlippedBitIsRefused(@ForAll("cursors") Cursor cursor) {
    byte[] bytes = bytes(cursor.token());
    for (int bit = 0; bit < bytes.length * 8; bit++) {
      byte[] flipped = bytes.clone();
      flipped[bit / 8] ^= (byte) (1 << bit % 8);
      refused(token(flipped));
    }
  }

  @Property(tries = 50)
  void everyChangedCharacterIsRefused(@ForAll("cursors") Cursor cursor) {
    String token = cursor.token();
    for (int i = 0; i < token.length(); i++) {
      for (int bit = 0; bit < 16; bit++) {
        char changed = (char) (token.charAt(i) ^ (1 << bit));
        refused(token.substring(0, i) + changed + token.substring(i + 1));
      }
    }
  }

  @Property(tries = 50)
  void everyCutAndEveryAdditionIsRefused(
      @ForAll("cursors") Cursor cursor, @ForAll @Size(min = 1, max = 9) byte[] more) {
    String token = cursor.token();
    for (int length = 0; length < token.length(); length++) {
      refused(token.substring(0, length));
      refused(token.substring(length + 1));
    }
    byte[] bytes = bytes(token);
    byte[] longer = Arrays.copyOf(bytes, bytes.length + more.length);
    System.arraycopy(more, 0, longer, bytes.length, more.length);
    refused(token(longer));
    refused(token + "=");
    refused(token + "==");
    refused(token + "A");
    refused(" " + token);
    refused(token + "\n");
  }

  @Property
  void anyTextIsRefused(@ForAll String text) {
    refused(text);
  }

  @Property
  void anyBytesAreRefused(@ForAll byte[] bytes) {
    refused(token(bytes));
  }

  /** Whatever the parser accepts it writes again as the same text; it throws nothing else. */
  private static void refusedOrRead(String token) {
    try {
      Cursor cursor = Cursor.parse(token);
      assertThat(cursor.token()).isEqualTo(token);
      assertThat(Cursor.parse(token)).isEqualTo(cursor);
      assertThat(cursor.columns()).isNotEmpty().doesNotHaveDuplicates();
    } catch (InvalidCursorException e) {
      assertThat(e).hasMessageContaining("required");
    }
  }

  @Property
  void anyBytesWithAFittingChecksumAreRefusedOrRead(@ForAll byte[] bytes) {
    refusedOrRead(sealed(bytes));
  }

  @Property(tries = 3000)
  void aHostileBodyWithAFittingChecksumIsRefusedOrRead(
      @ForAll @IntRange(max = 4) int flags,
      @ForAll @IntRange(max = 4) int columns,
      @ForAll byte[] body) {
    byte[] head = new byte[11];
    head[0] = 1;
    head[1] = (byte) flags;
    head[10] = (byte) columns;
    byte[] all = Arrays.copyOf(head, 11 + body.length);
    System.arraycopy(body, 0, all, 11, body.length);
    refusedOrRead(sealed(all));
  }

  @Property(tries = 3000)
  void aChangedBodyWithAFittingChecksumIsRefusedOrRead(
      @ForAll("cursors") Cursor cursor, @ForAll int where, @ForAll byte what, @ForAll boolean cut) {
    byte[] bytes = unsealed(cursor.token());
    int at = Math.floorMod(where, bytes.length);
    bytes[at] = what;
    refusedOrRead(sealed(cut ? Arrays.copyOf(bytes, at) : bytes));
  }

  @Property(tries = 200)
  void aCutBodyWithAFittingChecksumIsRefused(@ForAll("cursors") Cursor cursor) {
    byte[] bytes = unsealed(cursor.token());
    for (int length = 0; length < bytes.length; length++) {
      refused(sealed(Arrays.copyOf(bytes, length)));
    }
    refused(sealed(Arrays.copyOf(bytes, bytes.length + 1)));
  }

  @Example
  void aHostileLengthAllocatesNothing() {
    for (int length : new int[] {Integer.MAX_VALUE, Integer.MIN_VALUE, -2, 1 << 30, 2}) {
      refused(
          sealed(
              ByteBuffer.allocate(16)
                  .put(0, (byte) 1)
                  .put(10, (byte) 1)
                  .putInt(11, length)
                  .array()));
    }
  }

  @Example
  void aHugeTokenIsRefused() {
    refused("A".repeat(4_000_000));
    refused(sealed(new byte[3_000_000]));
    byte[] many = new byte[11 + 255 * 8];
    many[0] = 1;
    many[10] = (byte) 255;
    refused(sealed(many));
  }

  @Example
  void textThatIsNotUtf8OrHoldsNulIsRefused() {
    for (byte[] text :
        List.of(
            new byte[] {(byte) 0xff},
            new byte[] {0},
            new byte[] {(byte) 0xed, (byte) 0xa0, (byte) 0x80})) {
      for (boolean column : new boolean[] {true, false}) {
        byte[] name = column ? text : new byte[] {'a'};
        byte[] value = column ? new byte[] {'a'} : text;
        refused(
            sealed(
                ByteBuffer.allocate(19 + name.length + value.length)
                    .put(new byte[] {1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1})
                    .putInt(name.length)
                    .put(name)
                    .putInt(value.length)
                    .put(value)
                    .array()));
      }
    }
  }

  @Example
  void anotherFormatIsNamed() {
    byte[] bytes = unsealed(Cursor.of("id", 1).token());
    bytes[0] = 2;
    assertThatThrownBy(() -> Cursor.parse(sealed(bytes)))
        .isInstanceOf(InvalidCursorException.class)
        .hasMessageContaining("format 1 required but it was 2");
    assertThatThrownBy(() -> Cursor.parse(null)).hasMessage("token");
  }

  @Example
  void unknownFlagsAreRefused() {
    byte[] bytes = unsealed(Cursor.of("id", 1).token());
    for (int flags = 4; flags < 256; flags++) {
      bytes[1] = (byte) flags;
      refused(sealed(bytes));
    }
  }

  @Example
  void theFormatOfTodayIsReadTomorrow() {
    // Version 1, as written by the first release. If this fails, tokens in the world are void.
    Cursor cursor =
        Cursor.of("published_at", "2024-01-01T00:00:00.000001Z").and("id", 7).and("x", null);
    byte[] body =
        ByteBuffer.allocate(200)
            .put(new byte[] {1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3})
            .putInt(12)
            .put("published_at".getBytes(StandardCharsets.UTF_8))
            .putInt(27)
            .put("2024-01-01T00:00:00.000001Z".getBytes(StandardCharsets.UTF_8))
            .putInt(2)
            .put("id".getBytes(StandardCharsets.UTF_8))
            .putInt(1)
            .put((byte) '7')
            .putInt(1)
            .put((byte) 'x')
            .putInt(-1)
            .flip()
            .array();
    int length = 11 + 4 + 12 + 4 + 27 + 4 + 2 + 4 + 1 + 4 + 1 + 4;
    assertThat(cursor.token()).isEqualTo(sealed(Arrays.copyOf(body, length)));
  }

  @Example
  void tokensOfDifferentPositionsDiffer() {
    List<String> tokens = new ArrayList<>();
    tokens.add(Cursor.of("a", null).token());
    tokens.add(Cursor.of("a", "").token());
    tokens.add(Cursor.of("a", "null").token());
    tokens.add(Cursor.prefix("a", "").token());
    tokens.add(Cursor.of("a", "b").and("c", "").token());
    tokens.add(Cursor.of("a", "").and("b", "c").token());
    tokens.add(CursorCodec.forOrder("x").issue(Cursor.of("a", "")).token());
    tokens.add(SIGNING.issue(Cursor.of("a", "")).token());
    assertThat(tokens).doesNotHaveDuplicates();
  }
}
