package io.github.cursorstream.r2dbc.keyset;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.cursorstream.testing.TestDatabase;
import io.github.cursorstream.testing.TestPostgres;
import io.r2dbc.pool.ConnectionPool;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Objects;
import java.util.Random;
import java.util.stream.Collectors;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import net.jqwik.api.lifecycle.AfterContainer;
import net.jqwik.api.lifecycle.BeforeContainer;

/** Any table in any order, with any filter, page size and bounds, reads as SELECT … ORDER BY. */
class KeysetPropertiesIT {

  private static TestDatabase database;
  private static ConnectionPool pool;

  @BeforeContainer
  static void createDatabase() {
    database = TestPostgres.shared().createDatabase("properties");
    database.execute(SweepType.DDL.toArray(String[]::new));
    pool = SweepTable.pool(database, builder -> {});
  }

  @AfterContainer
  static void dropDatabase() {
    database.close();
  }

  /** What a run is made from; all else follows from the seed. */
  record Sample(int columns, int rows, int pageSize, boolean primaryFirst, long seed) {}

  @Provide
  Arbitrary<Sample> samples() {
    return Arbitraries.longs()
        .flatMap(
            seed -> {
              Random random = new Random(seed);
              return Arbitraries.just(
                  new Sample(
                      1 + random.nextInt(4),
                      random.nextInt(40),
                      1 + random.nextInt(12),
                      random.nextInt(4) == 0,
                      seed));
            });
  }

  @Property(tries = 80)
  void anyTableReadsAsTheServerOrdersIt(@ForAll("samples") Sample sample) {
    Random random = new Random(sample.seed());
    database.execute("DROP TABLE IF EXISTS random");
    List<String> names = createTable(sample, random);
    List<KeyColumn> keys = new ArrayList<>(OrderSweep.random(random, names, sample.columns()));
    if (sample.primaryFirst()) {
      Collections.shuffle(keys, random);
      keys.add(random.nextInt(keys.size() + 1), KeyColumn.asc("id"));
    }
    String filter = List.of("true", "id % 3 <> 1", "id < 10 OR id > 20").get(random.nextInt(3));
    Keyset keyset =
        Keyset.table("random").where(filter).orderBy(keys.toArray(KeyColumn[]::new)).select("id");
    CursorBasedRepository<Long> repository = Reading.ids(pool, keyset);
    List<Long> expected = Reading.numbers(database, reference(keys, filter));
    int size = sample.pageSize();
    assertThat(Reading.read(repository, size)).isEqualTo(expected);
    if (expected.isEmpty()) {
      return;
    }
    var cursors = Reading.cursors(repository);
    for (int i = 0; i < 5; i++) {
      int from = random.nextInt(expected.size());
      int to = random.nextInt(expected.size());
      assertThat(
              Reading.read(
                  repository, o -> o.pageSize(size).after(cursors.get(from)).upTo(cursors.get(to))))
          .as("after %s up to %s", cursors.get(from), cursors.get(to))
          .isEqualTo(
              expected
                  .subList(Math.min(from, to) + (from <= to ? 1 : 0), from <= to ? to + 1 : to)
                  .stream()
                  .filter(id -> from <= to)
                  .toList());
      var page = Reading.page(repository, o -> o.pageSize(size).before(cursors.get(from)));
      assertThat(page.items()).isEqualTo(expected.subList(Math.max(0, from - size), from));
    }
    List<Long> ranged =
        Reading.all(
            repository
                .ranges(1 + random.nextInt(6))
                .concatMap(r -> repository.cursorBasedStream(o -> o.pageSize(size).within(r))));
    assertThat(ranged).isEqualTo(expected);
  }

  private static List<String> createTable(Sample sample, Random random) {
    List<SweepType> types = new ArrayList<>();
    List<Boolean> nullable = new ArrayList<>();
    for (int i = 0; i < sample.columns(); i++) {
      types.add(SweepType.ALL.get(random.nextInt(SweepType.ALL.size())));
      nullable.add(random.nextBoolean());
    }
    List<String> names = new ArrayList<>();
    List<String> columns = new ArrayList<>();
    for (int i = 0; i < sample.columns(); i++) {
      names.add("c" + i);
      columns.add("c" + i + " " + types.get(i).sql() + (nullable.get(i) ? "" : " NOT NULL"));
    }
    database.execute(
        "CREATE TABLE random (id int PRIMARY KEY, " + String.join(", ", columns) + ")");
    List<String> rows = new ArrayList<>();
    for (int row = 0; row < sample.rows(); row++) {
      List<String> values = new ArrayList<>(List.of(String.valueOf(row)));
      for (int i = 0; i < sample.columns(); i++) {
        List<String> literals = types.get(i).values();
        values.add(
            nullable.get(i) && random.nextInt(3) == 0
                ? "NULL"
                : literals.get(random.nextInt(literals.size())));
      }
      rows.add("INSERT INTO random VALUES (" + String.join(", ", values) + ")");
    }
    if (!rows.isEmpty()) {
      database.execute(String.join("; ", rows));
    }
    return names;
  }

  private static String reference(List<KeyColumn> keys, String filter) {
    String by =
        keys.stream()
            .map(k -> k.name() + (k.descending() ? " DESC" : " ASC") + nulls(k))
            .collect(Collectors.joining(", "));
    boolean down = keys.get(keys.size() - 1).direction() == KeyColumn.Direction.DESC;
    return "SELECT id FROM random WHERE %s ORDER BY %s, id %s"
        .formatted(filter, by, down ? "DESC" : "");
  }

  private static String nulls(KeyColumn key) {
    return Objects.equals(key.nulls(), KeyColumn.Nulls.DEFAULT) ? "" : " NULLS " + key.nulls();
  }
}
