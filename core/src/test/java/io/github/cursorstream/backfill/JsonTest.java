package io.github.cursorstream.backfill;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class JsonTest {

  @Test
  void textIsQuoted() {
    assertThat(Json.text("")).isEqualTo("\"\"");
    assertThat(Json.text("say \"hi\" \\o/ \n\té 😀"))
        .isEqualTo("\"say \\\"hi\\\" \\\\o/ \\u000a\\u0009é 😀\"");
  }

  @Test
  void whatNoDatabaseTakesIsReplaced() {
    assertThat(Json.text("a\0b\ud83dc")).isEqualTo("\"a\ufffdb\ufffdc\"");
  }
}
