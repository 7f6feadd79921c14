package io.github.cursorstream.r2dbc.keyset;

import static io.github.cursorstream.r2dbc.keyset.KeyColumn.asc;
import static io.github.cursorstream.r2dbc.keyset.KeyColumn.desc;
import static org.assertj.core.api.Assertions.assertThat;

import io.github.cursorstream.cursor.Cursor;
import io.github.cursorstream.testing.TestDatabase;
import io.github.cursorstream.testing.TestPostgres;
import io.r2dbc.pool.ConnectionPool;
import io.r2dbc.proxy.ProxyConnectionFactory;
import io.r2dbc.proxy.core.QueryInfo;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** Ranges cover the rows exactly, and are about equal. */
class RangesIT {

  private static final int ROWS = 300_000;

  private static TestDatabase database;
  private static ConnectionPool pool;

  @BeforeAll
  static void createTables() {
    database = TestPostgres.shared().createDatabase("ranges");
    pool = database.pool(2);
    // Wide enough for a sample to be taken: about 7,500 blocks.
    database.execute(
        "CREATE TABLE wide AS SELECT (i * 10 + CASE WHEN i > 100000 THEN 5000000000 ELSE 0 END)"
            + "::bigint AS id, (power(random(), 6) * 1000000)::int AS skewed,"
            + " md5(i::text)::uuid AS code, (i * 7919::bigint % 1000)::int AS scattered,"
            + " repeat('x', 120) AS filler FROM generate_series(1, "
            + ROWS
            + ") i",
        "ALTER TABLE wide ADD PRIMARY KEY (id)",
        "ALTER TABLE wide ALTER skewed SET NOT NULL, ALTER scattered SET NOT NULL,"
            + " ADD CONSTRAINT code_unique UNIQUE (code), ALTER code SET NOT NULL",
        "ANALYZE wide",
        "CREATE TABLE parted (id bigint, filler text, PRIMARY KEY (id)) PARTITION BY RANGE (id)",
        "CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM (0) TO (50000)",
        "CREATE TABLE parted_2 PARTITION OF parted FOR VALUES FROM (50000) TO (1000000)",
        "INSERT INTO parted SELECT i, repeat('y', 120) FROM generate_series(1, " + ROWS + ") i",
        "ANALYZE parted");
  }

  @AfterAll
  static void dropDatabase() {
    database.close();
  }

  static Stream<Arguments> keysets() {
    Keyset wide = Keyset.table("wide");
    return Stream.of(
        Arguments.of("bigint with a gap", wide),
        Arguments.of("skewed", wide.orderBy(asc("skewed"))),
        Arguments.of("uuid", wide.orderBy(desc("code"))),
        Arguments.of("composite", wide.orderBy(asc("scattered"), desc("skewed"))),
        Arguments.of("filtered", wide.where("scattered < :most").bind("most", 500)),
        Arguments.of("rarely matching", wide.where("scattered = 7")),
        Arguments.of("partitioned", Keyset.table("parted")),
        Arguments.of(
            "query", Keyset.query("SELECT * FROM wide WHERE id > 100000").orderBy(asc("id"))));
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("keysets")
  void rangesAreWithinAQuarterOfEqual(String name, Keyset keyset) {
    CursorBasedRepository<Long> repository =
        Reading.ids(pool, keyset.select("id")).defaults(o -> o.pageSize(20_000));
    int count = 4;
    List<KeyRange> ranges = Reading.all(repository.ranges(count));
    assertThat(ranges).hasSize(count);
    List<Long> sizes = new ArrayList<>();
    for (KeyRange range : ranges) {
      sizes.add(Reading.one(repository.cursorBasedStream(o -> o.within(range)).count()));
    }
    long total = sizes.stream().mapToLong(Long::longValue).sum();
    assertThat(total)
        .isEqualTo(Reading.one(repository.cursorBasedStream(o -> o.pageSize(50_000)).count()));
    double mean = (double) total / count;
    assertThat(Collections.min(sizes)).as("%s", sizes).isGreaterThan((long) (mean * 0.75));
    assertThat(Collections.max(sizes)).as("%s", sizes).isLessThan((long) (mean * 1.25));
  }

  @Test
  void aBigTableIsSampledAndASmallPartOfItIsNot() {
    List<String> queries = Collections.synchronizedList(new ArrayList<>());
    var watched =
        ProxyConnectionFactory.builder(database.connectionFactory())
            .onBeforeQuery(
                info -> info.getQueries().stream().map(QueryInfo::getQuery).forEach(queries::add))
            .build();
    CursorBasedRepository<Long> all = Reading.ids(watched, Keyset.table("wide"));
    assertThat(Reading.all(all.ranges(3))).hasSize(3);
    assertThat(queries).filteredOn(q -> q.contains("row_number()")).hasSize(1);
    assertThat(queries.get(queries.size() - 1)).contains("TABLESAMPLE SYSTEM (");

    queries.clear();
    CursorBasedRepository<Long> few =
        Reading.ids(watched, Keyset.table("wide").where("scattered = 7"));
    assertThat(Reading.all(few.ranges(3))).hasSize(3);
    assertThat(queries).filteredOn(q -> q.contains("row_number()")).hasSize(2);
    assertThat(queries.get(queries.size() - 1)).doesNotContain("TABLESAMPLE");
  }

  @Test
  void rowsInsertedMeanwhileLieInOneOfTheRanges() {
    database.execute(
        "CREATE TABLE growing (k int, name text NOT NULL, id bigint PRIMARY KEY)",
        "INSERT INTO growing SELECT nullif(i % 5, 0), 'n' || i % 7, i"
            + " FROM generate_series(1, 200) i");
    for (KeyColumn[] order :
        new KeyColumn[][] {
          {asc("k")}, {desc("k").nullsLast(), asc("name")}, {asc("name"), desc("k")}, {desc("id")}
        }) {
      CursorBasedRepository<Long> repository =
          Reading.ids(pool, Keyset.table("growing").orderBy(order));
      List<KeyRange> ranges = Reading.all(repository.ranges(7));
      assertThat(ranges).hasSize(7);
      database.execute(
          "INSERT INTO growing SELECT nullif(i % 9, 0), 'm' || i % 7, i + (SELECT max(id) FROM"
              + " growing) FROM generate_series(1, 50) i",
          "INSERT INTO growing SELECT NULL, '', (SELECT min(id) FROM growing) - 1");
      List<Long> read = new ArrayList<>();
      for (KeyRange range : ranges) {
        read.addAll(Reading.read(repository, o -> o.pageSize(11).within(range)));
      }
      assertThat(read)
          .doesNotHaveDuplicates()
          .isEqualTo(Reading.read(repository, 1000))
          .hasSize((int) database.count("SELECT count(*) FROM growing"));
    }
  }

  @Test
  void rowsBehindAStartCountAlsoWhereTheyAreNull() {
    database.execute(
        "CREATE TABLE half_null (id bigint PRIMARY KEY, k int)",
        "INSERT INTO half_null SELECT i, CASE WHEN i <= 500 THEN i END"
            + " FROM generate_series(1, 1000) i");
    CursorBasedRepository<Long> repository =
        Reading.ids(pool, Keyset.table("half_null").orderBy(asc("k")));
    Cursor after = Cursor.of("k", 200).and("id", 200);
    Cursor upTo = Cursor.of("k", null).and("id", 900);
    for (KeyRange range : Reading.all(repository.ranges(4, o -> o.after(after).upTo(upTo)))) {
      assertThat(Reading.read(repository, o -> o.within(range))).hasSize(175);
    }
  }

  @Test
  void anEmptyTableIsOneRange() {
    database.execute("CREATE TABLE nothing (id bigint PRIMARY KEY)");
    assertThat(Reading.all(Reading.ids(pool, Keyset.table("nothing")).ranges(5)))
        .containsExactly(new KeyRange(null, null));
  }
}
