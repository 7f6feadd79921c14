package io.github.cursorstream.r2dbc.keyset;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.cursorstream.testing.TestDatabase;
import io.github.cursorstream.testing.TestPostgres;
import io.r2dbc.pool.ConnectionPool;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import reactor.core.publisher.Flux;
import reactor.core.publisher.Mono;

/** Cursors are independent of what the session is set to, and go from one session to another. */
class SessionSettingsIT {

  private static final Map<String, String> ODD =
      Map.of(
          "DateStyle", "SQL, DMY",
          "TimeZone", "America/St_Johns",
          "bytea_output", "escape",
          "extra_float_digits", "-15",
          "IntervalStyle", "sql_standard");
  private static final Map<String, String> OTHER =
      Map.of(
          "DateStyle", "German",
          "TimeZone", "Asia/Kathmandu",
          "IntervalStyle", "postgres_verbose");

  /** Those whose text form follows a setting, and two that must not be disturbed. */
  private static final List<SweepType> TYPES =
      SweepType.named(
          Set.of(
              "float4",
              "float8",
              "float8_zero",
              "bytea",
              "date",
              "timestamp",
              "timestamptz",
              "time",
              "timetz",
              "interval",
              "interval_inf",
              "money",
              "jsonb",
              "uuid",
              "char"));

  private static TestDatabase database;
  private static ConnectionPool plain;
  private static ConnectionPool odd;
  private static ConnectionPool other;

  @BeforeAll
  static void createTable() {
    database = TestPostgres.shared().createDatabase("settings");
    SweepTable.create(database, TYPES);
    plain = SweepTable.pool(database, builder -> builder.forceBinary(false));
    odd = SweepTable.pool(database, builder -> builder.options(ODD));
    other = SweepTable.pool(database, builder -> builder.options(OTHER).forceBinary(true));
  }

  @AfterAll
  static void dropDatabase() {
    database.close();
  }

  @Test
  void theSessionsAreSetAsTheyShouldBe() {
    assertThat(
            Reading.all(
                odd.create()
                    .flatMapMany(
                        c ->
                            Flux.from(
                                    c.createStatement(
                                            "SELECT concat_ws('|', current_setting('DateStyle'),"
                                                + " current_setting('TimeZone'),"
                                                + " current_setting('bytea_output'),"
                                                + " current_setting('extra_float_digits'),"
                                                + " current_setting('IntervalStyle'))")
                                        .execute())
                                .concatMap(r -> r.map((row, m) -> row.get(0, String.class)))
                                .concatWith(Mono.from(c.close()).then(Mono.empty())))))
        .containsExactly("SQL, DMY|America/St_Johns|escape|-15|sql_standard");
  }

  @TestFactory
  Stream<DynamicTest> tokensOfOneSessionAreReadInAnother() {
    List<DynamicTest> tests = new ArrayList<>();
    for (String type : TYPES.stream().map(SweepType::name).sorted().toList()) {
      KeyColumn up = KeyColumn.asc("k_" + type);
      KeyColumn down = KeyColumn.desc("n_" + type);
      tests.add(test(type + " from odd to plain", plain, odd, up));
      tests.add(test(type + " from plain to odd", odd, plain, down));
      tests.add(test(type + " from odd to other, binary", other, odd, down));
      tests.add(test(type + " from other to odd", odd, other, up));
    }
    return tests.stream();
  }

  private static DynamicTest test(
      String name, ConnectionPool reader, ConnectionPool maker, KeyColumn key) {
    return DynamicTest.dynamicTest(
        name,
        () -> {
          OrderSweep sweep =
              new OrderSweep(database, reader, maker, SweepTable.NAME, List.of(key), true);
          sweep.behindEachRow();
          sweep.betweenRows();
          sweep.ranges();
        });
  }
}
