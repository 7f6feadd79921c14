package io.github.cursorstream.cursor;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.List;
import java.util.Objects;
import java.util.function.UnaryOperator;
import java.util.zip.CRC32;
import org.jspecify.annotations.Nullable;

/**
 * A token taken apart. Its bytes, before base64url without padding:
 *
 * <pre>
 * version     1 byte, now 1
 * flags       1 byte: 1 = prefix, 2 = signed
 * order       8 bytes, the fingerprint of the order; all 0 = none
 * columns     1 byte, how many; each a name, then a value: 4 bytes length (-1 = NULL), then UTF-8
 * signature   16 bytes, the first of HMAC-SHA256 over all bytes above; only if signed
 * checksum    4 bytes, CRC-32 over all bytes above
 * </pre>
 */
final class Token {

  static final int ORDER_BYTES = 8;
  static final int SIGNATURE_BYTES = 16;

  private static final int VERSION = 1;
  private static final int PREFIX = 1;
  private static final int SIGNED = 2;

  final String text;
  final byte[] order;
  final byte[] signedPart;
  final byte @Nullable [] signature;

  private Token(String text, byte[] order, byte[] signedPart, byte @Nullable [] signature) {
    this.text = text;
    this.order = order;
    this.signedPart = signedPart;
    this.signature = signature;
  }

  static String write(Cursor cursor, byte[] order, @Nullable UnaryOperator<byte[]> signer) {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    DataOutputStream out = new DataOutputStream(bytes);
    try {
      out.writeByte(VERSION);
      out.writeByte((cursor.isPrefix() ? PREFIX : 0) | (signer != null ? SIGNED : 0));
      out.write(order);
      out.writeByte(cursor.columns().size());
      for (int i = 0; i < cursor.columns().size(); i++) {
        writeText(out, cursor.columns().get(i));
        writeText(out, cursor.values().get(i));
      }
      if (signer != null) {
        out.write(signer.apply(bytes.toByteArray()));
      }
      out.writeInt(checksum(bytes.toByteArray(), bytes.size()));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    return encode(bytes.toByteArray());
  }

  static Cursor parse(String text) {
    Objects.requireNonNull(text, "token");
    byte[] bytes;
    try {
      bytes = Base64.getUrlDecoder().decode(text);
    } catch (IllegalArgumentException e) {
      throw damaged("it is not base64url");
    }
    // The decoder ignores padding and the bits that the last character has too many.
    if (!encode(bytes).equals(text)) {
      throw damaged("it was written in another way");
    }
    int end = bytes.length - Integer.BYTES;
    if (end < 0 || ByteBuffer.wrap(bytes).getInt(end) != checksum(bytes, end)) {
      throw damaged("its checksum does not fit");
    }
    try (DataInputStream in = new DataInputStream(new ByteArrayInputStream(bytes, 0, end))) {
      int version = in.readUnsignedByte();
      if (version != VERSION) {
        throw new InvalidCursorException(
            "token of format 1 required but it was "
                + version
                + "; it was written by another version of the library");
      }
      int flags = in.readUnsignedByte();
      byte[] order = in.readNBytes(ORDER_BYTES);
      int count = in.readUnsignedByte();
      List<String> columns = new ArrayList<>();
      List<@Nullable String> values = new ArrayList<>();
      for (int i = 0; i < count; i++) {
        String column = readText(in);
        if (column == null) {
          throw damaged("its columns are not named");
        }
        columns.add(column);
        values.add(readText(in));
      }
      byte[] signedPart = Arrays.copyOf(bytes, end - in.available());
      byte[] signature = (flags & SIGNED) != 0 ? in.readNBytes(SIGNATURE_BYTES) : null;
      boolean cut = signature != null && signature.length < SIGNATURE_BYTES;
      if (cut || in.available() > 0 || flags > (PREFIX | SIGNED)) {
        throw damaged("its parts do not fit");
      }
      return Cursor.checked(columns, values, (flags & PREFIX) != 0)
          .readFrom(new Token(text, order, signedPart, signature));
    } catch (IOException e) {
      throw damaged("its parts do not fit");
    }
  }

  private static void writeText(DataOutputStream out, @Nullable String text) throws IOException {
    if (text == null) {
      out.writeInt(-1);
      return;
    }
    byte[] utf8 = text.getBytes(StandardCharsets.UTF_8);
    out.writeInt(utf8.length);
    out.write(utf8);
  }

  private static @Nullable String readText(DataInputStream in) throws IOException {
    int length = in.readInt();
    if (length == -1) {
      return null;
    }
    if (length < 0 || length > in.available()) {
      throw damaged("its parts do not fit");
    }
    try {
      return StandardCharsets.UTF_8
          .newDecoder()
          .decode(ByteBuffer.wrap(in.readNBytes(length)))
          .toString();
    } catch (CharacterCodingException e) {
      throw damaged("its text is not UTF-8");
    }
  }

  private static String encode(byte[] bytes) {
    return Base64.getUrlEncoder().withoutPadding().encodeToString(bytes);
  }

  private static int checksum(byte[] bytes, int length) {
    CRC32 crc = new CRC32();
    crc.update(bytes, 0, length);
    return (int) crc.getValue();
  }

  private static InvalidCursorException damaged(String how) {
    return new InvalidCursorException(
        "an unchanged token from Cursor.token() required but this one is damaged: "
            + how
            + "; begin without it");
  }
}
