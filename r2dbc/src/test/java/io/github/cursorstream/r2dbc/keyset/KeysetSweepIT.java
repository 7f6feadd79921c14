package io.github.cursorstream.r2dbc.keyset;

import io.github.cursorstream.testing.TestDatabase;
import io.github.cursorstream.testing.TestPostgres;
import io.r2dbc.pool.ConnectionPool;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;

/** S4, S5, S7, S8, S17, S18, S21, S22, S32: every key type in every order, row by row. */
class KeysetSweepIT {

  private static TestDatabase database;
  private static ConnectionPool pool;

  @BeforeAll
  static void createTable() {
    database = TestPostgres.shared().createDatabase("sweep");
    SweepTable.create(database, SweepType.ALL);
    pool = SweepTable.pool(database, builder -> {});
  }

  @AfterAll
  static void dropDatabase() {
    database.close();
  }

  @TestFactory
  Stream<DynamicTest> eachTypeInEachOrderGivesTheRowsOfOrderBy() {
    List<List<KeyColumn>> orders = new ArrayList<>();
    for (SweepType type : SweepType.ALL) {
      String nullable = "k_" + type.name();
      String notNull = "n_" + type.name();
      orders.add(List.of(KeyColumn.asc(notNull)));
      orders.add(List.of(KeyColumn.desc(notNull)));
      orders.add(List.of(KeyColumn.asc(nullable)));
      orders.add(List.of(KeyColumn.desc(nullable)));
      orders.add(List.of(KeyColumn.asc(nullable).nullsFirst()));
      orders.add(List.of(KeyColumn.desc(nullable).nullsLast()));
    }
    return orders.stream().map(KeysetSweepIT::test);
  }

  @TestFactory
  Stream<DynamicTest> wideOrdersGiveTheRowsOfOrderBy() {
    Random random = new Random(20260101);
    List<String> columns = SweepTable.columns(SweepType.ALL);
    return IntStream.range(0, 40)
        .mapToObj(i -> test(OrderSweep.random(random, columns, 2 + i % 2)));
  }

  private static DynamicTest test(List<KeyColumn> keys) {
    String name = String.join(", ", keys.stream().map(k -> k.name() + k.suffix()).toList());
    return DynamicTest.dynamicTest(
        name,
        () -> {
          OrderSweep sweep =
              new OrderSweep(database, pool, pool, SweepTable.NAME, keys, name.length() % 2 == 0);
          if (keys.size() == 1 && name.startsWith("n_")) {
            sweep.checkShortly();
          } else {
            sweep.check();
          }
        });
  }
}
