package io.github.cursorstream.cursor;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Base64;
import java.util.function.Consumer;
import java.util.zip.CRC32;
import org.junit.jupiter.api.Test;

/** S31: who may hand in which token. */
class CursorCodecTest {

  private static final byte[] SECRET = "0123456789abcdef".getBytes(StandardCharsets.UTF_8);

  private final Cursor position = Cursor.of("id", 100);
  private final CursorCodec plain = CursorCodec.forOrder("users: id bigint asc");
  private final CursorCodec signing = plain.tokenKey(SECRET);

  /** Changes the bytes before the checksum and makes the checksum fit. */
  private static Cursor forged(String token, Consumer<byte[]> change) {
    byte[] bytes = Base64.getUrlDecoder().decode(token);
    byte[] body = Arrays.copyOf(bytes, bytes.length - 4);
    change.accept(body);
    return sealed(body);
  }

  private static Cursor sealed(byte[] body) {
    CRC32 crc = new CRC32();
    crc.update(body);
    byte[] all =
        ByteBuffer.allocate(body.length + 4).put(body).putInt((int) crc.getValue()).array();
    return Cursor.parse(Base64.getUrlEncoder().withoutPadding().encodeToString(all));
  }

  private static void refused(CursorCodec codec, Cursor cursor, String word) {
    assertThatThrownBy(() -> codec.accept(cursor))
        .isExactlyInstanceOf(InvalidCursorException.class)
        .hasMessageContaining("required but")
        .hasMessageContaining(cursor.toString())
        .hasMessageContaining(word);
  }

  @Test
  void aTokenOfItsOwnOrderIsAccepted() {
    Cursor plainOne = Cursor.parse(plain.issue(position).token());
    assertThat(plain.accept(plainOne)).isEqualTo(position);
    Cursor signed = Cursor.parse(signing.issue(position).token());
    assertThat(signing.accept(signed)).isEqualTo(position);
    assertThat(CursorCodec.forOrder("users: id bigint asc").tokenKey(SECRET).accept(signed))
        .isEqualTo(position);
  }

  @Test
  void aTokenOfAnotherOrderIsRefused() {
    CursorCodec other = CursorCodec.forOrder("users: id bigint desc");
    Cursor token = Cursor.parse(other.issue(position).token());
    refused(plain, token, "another");
    refused(signing, token, "another");
    refused(signing, Cursor.parse(other.tokenKey(SECRET).issue(position).token()), "another");
  }

  @Test
  void anUnsignedTokenIsRefusedWhereAKeyIsSet() {
    refused(signing, Cursor.parse(plain.issue(position).token()), "token key");
    refused(signing, Cursor.parse(position.token()), "token key");
  }

  @Test
  void aTokenSignedWithAnotherKeyIsRefused() {
    byte[] other = SECRET.clone();
    other[15]++;
    refused(signing, Cursor.parse(plain.tokenKey(other).issue(position).token()), "token key");
  }

  @Test
  void everyChangeOfASignedTokenIsRefused() {
    String token = signing.issue(position).token();
    int length = Base64.getUrlDecoder().decode(token).length - 4;
    int read = 0;
    for (int bit = 0; bit < length * 8; bit++) {
      int flipped = bit;
      try {
        Cursor forged = forged(token, body -> body[flipped / 8] ^= (byte) (1 << flipped % 8));
        read++;
        refused(signing, forged, "required");
      } catch (InvalidCursorException unreadable) {
        assertThat(unreadable).hasMessageContaining("required but");
      }
    }
    // The fingerprint, the names, the values and the signature can be read when changed.
    assertThat(read).isGreaterThan((8 + 16) * 8);
  }

  @Test
  void aForgedValueIsRefused() {
    // The last byte before the 16 of the signature is the last digit of the value.
    Cursor forged =
        forged(signing.issue(position).token(), body -> body[body.length - 17] = (byte) '9');
    assertThat(forged).isEqualTo(Cursor.of("id", 109));
    refused(signing, forged, "signature");
  }

  @Test
  void aStrippedSignatureIsRefused() {
    byte[] bytes = Base64.getUrlDecoder().decode(signing.issue(position).token());
    byte[] body = Arrays.copyOf(bytes, bytes.length - 4 - 16);
    body[1] = 0;
    refused(signing, sealed(body), "signature");
  }

  @Test
  void aShortenedSignatureIsNotEvenRead() {
    byte[] bytes = Base64.getUrlDecoder().decode(signing.issue(position).token());
    for (int missing = 1; missing <= 16; missing++) {
      byte[] body = Arrays.copyOf(bytes, bytes.length - 4 - missing);
      assertThatThrownBy(() -> sealed(body)).isInstanceOf(InvalidCursorException.class);
    }
  }

  @Test
  void aStrippedFingerprintDoesNotGetPastTheKey() {
    Cursor stripped =
        forged(signing.issue(position).token(), body -> Arrays.fill(body, 2, 10, (byte) 0));
    refused(signing, stripped, "signature");
    // Without a key a token is as good as a cursor made by hand.
    Cursor unsigned =
        forged(plain.issue(position).token(), body -> Arrays.fill(body, 2, 10, (byte) 0));
    assertThat(plain.accept(unsigned)).isEqualTo(position);
  }

  @Test
  void cursorsMadeByHandAreAccepted() {
    assertThat(plain.accept(position)).isSameAs(position);
    assertThat(signing.accept(position)).isSameAs(position);
    assertThat(signing.accept(Cursor.prefix("id", 1))).isEqualTo(Cursor.prefix("id", 1));
    // Their tokens name no order: fine without a key.
    assertThat(plain.accept(Cursor.parse(position.token()))).isEqualTo(position);
    assertThat(signing.accept(Cursor.parse(signing.issue(position).token()).and("b", 1)))
        .isEqualTo(position.and("b", 1));
  }

  @Test
  void aSignedTokenIsReadWhereNoKeyIsSet() {
    assertThat(plain.accept(Cursor.parse(signing.issue(position).token()))).isEqualTo(position);
  }

  @Test
  void theKeyIsCopied() {
    byte[] secret = SECRET.clone();
    CursorCodec codec = plain.tokenKey(secret);
    Arrays.fill(secret, (byte) 0);
    assertThat(codec.accept(Cursor.parse(signing.issue(position).token()))).isEqualTo(position);
  }

  @Test
  void aShortKeyIsRefused() {
    assertThatThrownBy(() -> plain.tokenKey(new byte[15]))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("16 bytes required but it had 15");
    assertThatThrownBy(() -> plain.tokenKey(null)).hasMessage("secret");
    assertThatThrownBy(() -> CursorCodec.forOrder(null)).hasMessage("order");
  }

  @Test
  void aReadTokenIsHandedOnUnchanged() {
    String token = signing.issue(position).token();
    assertThat(signing.accept(Cursor.parse(token)).token()).isEqualTo(token);
    assertThat(signing.issue(Cursor.parse(plain.issue(position).token())).token()).isEqualTo(token);
  }
}
