package io.github.cursorstream.r2dbc.internal;

import static org.assertj.core.api.Assertions.assertThat;

import io.r2dbc.spi.R2dbcBadGrammarException;
import io.r2dbc.spi.R2dbcDataIntegrityViolationException;
import io.r2dbc.spi.R2dbcException;
import io.r2dbc.spi.R2dbcNonTransientResourceException;
import io.r2dbc.spi.R2dbcPermissionDeniedException;
import io.r2dbc.spi.R2dbcRollbackException;
import io.r2dbc.spi.R2dbcTimeoutException;
import io.r2dbc.spi.R2dbcTransientResourceException;
import java.io.IOException;
import java.net.ConnectException;
import java.util.concurrent.CancellationException;
import java.util.concurrent.TimeoutException;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

class FailuresTest {

  /** The driver's type for whatever state it has no other for. */
  private static R2dbcException of(String state) {
    return new R2dbcNonTransientResourceException("planned", state);
  }

  @ParameterizedTest(name = "{0} {2}: {1}")
  @CsvSource({
    "08000, true, connection",
    "08003, true, cannot connect",
    "08006, true, connection broke",
    "08P01, true, a pooler that gave up waiting",
    "40000, true, rolled back",
    "40001, true, serialization failure or conflict with recovery",
    "40P01, true, deadlock",
    "53200, true, out of memory",
    "53300, true, too many connections",
    "55P03, true, lock_timeout",
    "57014, true, statement_timeout",
    "57P01, true, shutdown",
    "57P02, true, crash",
    "57P03, true, starting",
    "57P05, true, idle session timeout",
    "0A000, false, feature not supported",
    "22012, false, division by zero",
    "23505, false, unique violation",
    "25006, false, read only",
    "25P02, false, transaction failed",
    "25P03, false, idle in transaction",
    "28P01, false, password",
    "3D000, false, no such database",
    "42601, false, syntax",
    "42703, false, no such column",
    "42P01, false, no such table",
    "53100, false, disk full",
    "57P04, false, database dropped",
    "58030, false, I/O error of the server",
    "P0001, false, RAISE",
    "XX000, false, internal error",
    "XX001, false, data corrupted"
  })
  void stateTellsWhetherToTryAgain(String state, boolean isTransient) {
    assertThat(Failures.isTransient(of(state))).isEqualTo(isTransient);
  }

  static Stream<Throwable> worthAnotherTry() {
    return Stream.of(
        new R2dbcTimeoutException("Connection acquisition timed out after 10000ms"),
        new R2dbcTransientResourceException("request queue"),
        new R2dbcRollbackException("deadlock"),
        new R2dbcNonTransientResourceException("Connection validation failed"),
        new TimeoutException(),
        new ConnectException("refused"),
        new IOException("reset by peer"));
  }

  @ParameterizedTest
  @MethodSource("worthAnotherTry")
  void typeTellsWhereThereIsNoState(Throwable failure) {
    assertThat(Failures.isTransient(failure)).isTrue();
  }

  static Stream<Throwable> notWorthAnotherTry() {
    return Stream.of(
        new R2dbcBadGrammarException("syntax", "42601"),
        new R2dbcDataIntegrityViolationException("unique", "23505"),
        new R2dbcPermissionDeniedException("password", "28P01"),
        new IllegalStateException("the mapper's"),
        new NullPointerException(),
        new CancellationException(),
        new RuntimeException(new IOException("wrapped by the user")));
  }

  @ParameterizedTest
  @MethodSource("notWorthAnotherTry")
  void everythingElseIsFinal(Throwable failure) {
    assertThat(Failures.isTransient(failure)).isFalse();
  }

  @ParameterizedTest(name = "{0}: {1}")
  @CsvSource({
    "0A000, true",
    "22003, true",
    "22P02, true",
    "42703, true",
    "42804, true",
    "42883, true",
    "42P01, true",
    "3F000, false",
    "22012, false",
    "08006, false",
    "40001, false",
    "57014, false",
    "P0001, false"
  })
  void stateTellsWhetherTheTableChanged(String state, boolean changed) {
    assertThat(Failures.isSchemaChange(of(state))).isEqualTo(changed);
  }

  @ParameterizedTest
  @MethodSource({"worthAnotherTry"})
  void failuresWithoutStateTellNothingOfTheTable(Throwable failure) {
    assertThat(Failures.isSchemaChange(failure)).isFalse();
    assertThat(Failures.sqlState(failure)).isNull();
  }
}
