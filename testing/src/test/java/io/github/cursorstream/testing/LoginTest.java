package io.github.cursorstream.testing;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class LoginTest {

  @ParameterizedTest
  @ValueSource(
      strings = {
        "postgres://me:s%40+cret@db:5433/shop",
        "postgresql://me:s%40+cret@db:5433/shop",
        "r2dbc:postgresql://me:s%40+cret@db:5433/shop"
      })
  void urlsOfAllStylesAreRead(String url) {
    assertThat(Login.parse(url)).isEqualTo(new Login("db", 5433, "me", "s@+cret", "shop"));
  }

  @Test
  void portAndDatabaseHaveDefaults() {
    assertThat(Login.parse("postgres://me@db"))
        .isEqualTo(new Login("db", 5432, "me", "", "postgres"));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "mysql://me:secret@db/shop",
        "postgres://db/shop",
        "postgres://me:sec ret@db",
        "postgres://me:secret@db/shop?sslmode=require"
      })
  void otherUrlsAreRefusedWithoutTellingThePassword(String url) {
    assertThatIllegalArgumentException()
        .isThrownBy(() -> Login.parse(url))
        .withMessageStartingWith("-Dpostgres.url is postgres://user:password@host:port/database")
        .withMessageNotContainingAny("secret", "sec ret")
        .withNoCause();
  }

  @Test
  void settingsAreNameAndValue() {
    assertThat(Server.parse("fsync=on", "work_mem=64MB"))
        .isEqualTo(Map.of("fsync", "on", "work_mem", "64MB"));
    assertThatIllegalArgumentException()
        .isThrownBy(() -> Server.parse("fsync = on"))
        .withMessageContaining("\"fsync = on\"");
  }
}
