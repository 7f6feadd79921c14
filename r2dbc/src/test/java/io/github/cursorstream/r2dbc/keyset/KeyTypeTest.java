package io.github.cursorstream.r2dbc.keyset;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.github.cursorstream.cursor.InvalidCursorException;
import io.github.cursorstream.r2dbc.internal.Catalog;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class KeyTypeTest {

  private static KeyType builtIn(String name, String sql) {
    return KeyType.of("k", new Catalog.Type(name, true, sql, true, true));
  }

  @ParameterizedTest
  @CsvSource({
    "int8, k::text",
    "uuid, k::text",
    "bpchar, k::text",
    "numeric, k::text",
    "timestamptz, to_jsonb(k) #>> '{}'",
    "date, to_jsonb(k) #>> '{}'",
    "bytea, '''\\x'' || encode(k, ''hex'')'",
    "float4, 'encode(float8send(k::float8), ''hex'')'",
    "interval, 'encode(interval_send(k), ''hex'')'",
    "money, k::numeric::text"
  })
  void aColumnIsRenderedWhateverTheSessionIsSetTo(String name, String rendered) {
    assertThat(builtIn(name, name).rendered("k").replace("\"", "")).isEqualTo(rendered);
  }

  @ParameterizedTest
  @CsvSource({
    "3fb999999999999a, 0.1",
    "8000000000000000, -0.0",
    "7ff8000000000000, NaN",
    "fff0000000000000, -Infinity",
    "0000000000000001, 4.9E-324"
  })
  void theBitsOfAFloatBecomeItsShortestText(String bits, String text) {
    assertThat(builtIn("float8", "double precision").text(bits)).isEqualTo(text);
  }

  @ParameterizedTest
  @CsvSource({
    "00000000000000010000000200000003, P3M2DT0H0.000001S",
    "fffffffffffffffffffffffdffffffff, P-1M-3DT0H-0.000001S",
    "7fffffffffffffff0000000000000000, P0M0DT2562047788H54.775807S",
    "7fffffffffffffff7fffffff7fffffff, infinity",
    "80000000000000008000000080000000, -infinity",
    "00000000000000007fffffff7fffffff, P2147483647M2147483647DT0H0.000000S",
    "00000000000000008000000080000000, P-2147483648M-2147483648DT0H0.000000S",
    "7fffffffffffffff8000000080000000, P-2147483648M-2147483648DT2562047788H54.775807S"
  })
  void aLongIntervalIsNotInfinite(String sent, String text) {
    assertThat(builtIn("interval", "interval").text(sent)).isEqualTo(text);
  }

  @Test
  void aTypeOfTheSameNameElsewhereIsAnotherType() {
    KeyType type = KeyType.of("k", new Catalog.Type("int8", false, "\"x\".int8", true, true));
    assertThat(type.readsPlainColumn()).isFalse();
    assertThat(type.rendered("k")).isEqualTo("k::text");
  }

  @ParameterizedTest
  @CsvSource({
    "int8, bigint, 9223372036854775808",
    "int8, bigint, 1.5",
    "int8, bigint, ''",
    "int8, bigint, 1 OR 1=1",
    "uuid, uuid, 00000000-0000-0000-0000-00000000000",
    "uuid, uuid, nonsense"
  })
  void aValueThatDoesNotFitIsRefused(String name, String sql, String value) {
    assertThatThrownBy(() -> builtIn(name, sql).check("k", value))
        .isInstanceOf(InvalidCursorException.class)
        .hasMessageContaining("a value of type " + sql + " required for \"k\" but it was");
  }

  @ParameterizedTest
  @CsvSource({
    "int2, smallint, -32768",
    // Of a key that was widened meanwhile: the server tells, and the catalog is read anew.
    "int4, integer, 2147483648",
    "int8, bigint, -9223372036854775808",
    "uuid, uuid, 00000000000000000000000000000000",
    "uuid, uuid, 7FFFFFFF-ffff-ffff-ffff-ffffffffffff"
  })
  void aValueThatFitsPasses(String name, String sql, String value) {
    assertThatCode(() -> builtIn(name, sql).check("k", value)).doesNotThrowAnyException();
  }

  @Test
  void typesThatCannotBeComparedByTextAreRefused() {
    assertThatThrownBy(
            () -> KeyType.of("k", new Catalog.Type("_int4", true, "integer[]", false, true)))
        .isInstanceOf(InvalidKeysetException.class)
        .hasMessageContaining("a scalar type required for key column \"k\"");
    assertThatThrownBy(
            () -> KeyType.of("k", new Catalog.Type("citext", false, "\"x\".citext", true, false)))
        .isInstanceOf(InvalidKeysetException.class)
        .hasMessageContaining("operators < and > on the search path");
  }
}
