package io.github.cursorstream.cursor;

import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.util.Arrays;
import java.util.Objects;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;
import org.jspecify.annotations.Nullable;

/**
 * Binds cursors to one order, so that a token made for another order is refused, and with a {@link
 * #tokenKey token key} a forged one too. Immutable.
 *
 * <p>Whoever writes a {@link PageSource} {@linkplain #issue issues} the cursors of its pages and
 * {@linkplain #accept accepts} those it is asked to start from.
 */
public final class CursorCodec {

  /** Of cursors made by hand: they name no order, only columns. */
  static final CursorCodec ANY_ORDER = new CursorCodec(new byte[Token.ORDER_BYTES], null);

  private static final int LEAST_KEY_BYTES = 16;

  private final byte[] order;
  private final @Nullable SecretKeySpec key;

  private CursorCodec(byte[] order, @Nullable SecretKeySpec key) {
    this.order = order;
    this.key = key;
  }

  /**
   * A codec for one order.
   *
   * @param order any text that tells this order from others, for example the table, and each column
   *     with its type and direction; its fingerprint is 8 bytes of SHA-256
   * @return a codec that does not sign
   */
  public static CursorCodec forOrder(String order) {
    Objects.requireNonNull(order, "order");
    try {
      byte[] hash =
          MessageDigest.getInstance("SHA-256").digest(order.getBytes(StandardCharsets.UTF_8));
      return new CursorCodec(Arrays.copyOf(hash, Token.ORDER_BYTES), null);
    } catch (GeneralSecurityException e) {
      throw new IllegalStateException("SHA-256 is a part of every Java platform", e);
    }
  }

  /**
   * Signs every token with HMAC-SHA256 and refuses tokens that this secret did not sign. Cursors
   * made by hand stay allowed: they come from code, not from a URL.
   *
   * @param secret at least 16 bytes
   * @return a codec that signs
   */
  public CursorCodec tokenKey(byte[] secret) {
    return new CursorCodec(order, key(secret));
  }

  private static SecretKeySpec key(byte[] secret) {
    Objects.requireNonNull(secret, "secret");
    if (secret.length < LEAST_KEY_BYTES) {
      throw new IllegalArgumentException(
          "tokenKey of at least 16 bytes required but it had " + secret.length);
    }
    return new SecretKeySpec(secret, "HmacSHA256");
  }

  /**
   * Binds a position to this order: its token carries the order's fingerprint and signature.
   *
   * @param position the key values of a row of this order
   * @return an equal cursor
   */
  public Cursor issue(Cursor position) {
    return position.issuedBy(this);
  }

  /**
   * Checks a cursor that was handed in. One made by hand, or issued in this process, passes.
   *
   * @param cursor where to start or to stop
   * @return the cursor
   * @throws InvalidCursorException if it was parsed from a token of another order, or if a token
   *     key is set and the token was not signed with it
   */
  public Cursor accept(Cursor cursor) {
    Token token = cursor.source();
    if (token == null) {
      return cursor;
    }
    boolean anyOrder = Arrays.equals(token.order, ANY_ORDER.order);
    if (!anyOrder && !Arrays.equals(token.order, order)) {
      throw new InvalidCursorException(
          "a token of this order required but it was issued for another one: "
              + cursor
              + "; read on with what issued it, or begin without it");
    }
    if (key != null
        && (token.signature == null
            || !MessageDigest.isEqual(token.signature, sign(key, token.signedPart)))) {
      throw new InvalidCursorException(
          "a token signed with the token key required but its signature does not fit: "
              + cursor
              + "; begin without it");
    }
    return cursor;
  }

  String encode(Cursor cursor) {
    SecretKeySpec secret = key;
    return Token.write(cursor, order, secret == null ? null : bytes -> sign(secret, bytes));
  }

  private static byte[] sign(SecretKeySpec key, byte[] bytes) {
    try {
      Mac mac = Mac.getInstance("HmacSHA256");
      mac.init(key);
      return Arrays.copyOf(mac.doFinal(bytes), Token.SIGNATURE_BYTES);
    } catch (GeneralSecurityException e) {
      throw new IllegalStateException("HmacSHA256 is a part of every Java platform", e);
    }
  }
}
