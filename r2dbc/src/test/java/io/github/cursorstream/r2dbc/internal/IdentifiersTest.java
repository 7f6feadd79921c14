package io.github.cursorstream.r2dbc.internal;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import java.util.List;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.NotBlank;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class IdentifiersTest {

  @Test
  void quotesAreDoubled() {
    assertThat(Identifiers.quote("we\"ird")).isEqualTo("\"we\"\"ird\"");
    assertThat(Identifiers.quote(List.of("a.b", "C"))).isEqualTo("\"a.b\".\"C\"");
  }

  @Test
  void aDotPartsWhatIsNotQuoted() {
    assertThat(Identifiers.split("app.users")).containsExactly("app", "users");
    assertThat(Identifiers.split("Users")).containsExactly("Users");
    assertThat(Identifiers.split("\"my.schema\".\"we\"\"ird\""))
        .containsExactly("my.schema", "we\"ird");
  }

  @ParameterizedTest
  @ValueSource(strings = {"", ".", "a.", ".b", "a.b.c", "\"open", "a\0b", "\"\""})
  void whatIsNoNameIsRefused(String name) {
    assertThatIllegalArgumentException()
        .isThrownBy(() -> Identifiers.split(name))
        .withMessageContaining("required");
  }

  @Property(tries = 500)
  void whatWasQuotedIsSplitIntoTheSameParts(
      @ForAll @NotBlank String schema, @ForAll @NotBlank String table) {
    if (schema.indexOf('\0') < 0 && table.indexOf('\0') < 0) {
      List<String> parts = List.of(schema, table);
      assertThat(Identifiers.split(Identifiers.quote(parts))).isEqualTo(parts);
    }
  }
}
