package io.github.cursorstream.r2dbc.keyset;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.github.cursorstream.cursor.CursorCodec;
import io.github.cursorstream.r2dbc.internal.Catalog;
import io.github.cursorstream.r2dbc.keyset.KeysetBatches.Lock;
import io.github.cursorstream.r2dbc.keyset.ResolvedKeyset.OrderColumn;
import io.r2dbc.spi.ConnectionFactory;
import java.lang.reflect.Proxy;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

/** The SQL of batches, as text. */
class KeysetBatchesTest {

  private static final OrderColumn ID = column(KeyColumn.asc("id"), "int8", "bigint");
  private static final OrderColumn DAY = column(KeyColumn.asc("day"), "date", "date");
  private static final List<String> NOTHING = null;

  private static OrderColumn column(KeyColumn key, String name, String sql) {
    return new OrderColumn(
        key, KeyType.of(key.name(), new Catalog.Type(name, true, sql, true, true)), false);
  }

  private static OrderColumn down(OrderColumn column) {
    return new OrderColumn(KeyColumn.desc(column.key().name()), column.type(), column.nullable());
  }

  private static ResolvedKeyset table(OrderColumn... order) {
    return keyset("\"app\".\"t\"", "\"app\".\"t\"", "\"t\"", order);
  }

  private static ResolvedKeyset query(OrderColumn... order) {
    return keyset("(\nSELECT 1\n) AS q", null, "q", order);
  }

  private static ResolvedKeyset keyset(
      String from, String sampled, String alias, OrderColumn... order) {
    return new ResolvedKeyset(
        "t",
        from,
        alias,
        sampled,
        List.of("id", "day"),
        null,
        List.of(),
        List.of(order),
        sampled != null,
        null,
        CursorCodec.forOrder("t"));
  }

  private static List<String> values(String... values) {
    return Arrays.asList(values);
  }

  private static <I> I stub(Class<I> type) {
    return type.cast(
        Proxy.newProxyInstance(
            type.getClassLoader(),
            new Class<?>[] {type},
            (proxy, method, arguments) -> {
              throw new AssertionError(method);
            }));
  }

  @Test
  void aRangeOfOneColumnIsTwoComparisons() {
    RangeCondition range = BatchSql.condition(table(ID), values("-1"), values("9"), null, 1);
    assertThat(range.sql()).isEqualTo("\"id\" > $1::bigint AND \"id\" <= $2::bigint");
    assertThat(range.binds()).containsExactly("-1", "9");
  }

  @Test
  void aRangeOfSeveralColumnsComparesRows() {
    RangeCondition range =
        BatchSql.condition(
            table(ID, DAY), values("1", "2024-01-01"), values("1", "2024-02-01"), "\"u\"", 4);
    assertThat(range.sql())
        .isEqualTo(
            "(\"u\".\"id\", \"u\".\"day\") > ($4::bigint, $5::date)"
                + " AND (\"u\".\"id\", \"u\".\"day\") <= ($6::bigint, $7::date)");
    assertThat(range.binds()).containsExactly("1", "2024-01-01", "1", "2024-02-01");
  }

  @Test
  void aDescendingOrderTurnsTheSigns() {
    assertThat(BatchSql.condition(table(down(ID)), values("9"), values("1"), null, 1).sql())
        .isEqualTo("\"id\" < $1::bigint AND \"id\" >= $2::bigint");
    assertThat(
            BatchSql.condition(table(down(ID), down(DAY)), NOTHING, values("1", "2"), null, 1)
                .sql())
        .isEqualTo("(\"id\", \"day\") >= ($1::bigint, $2::date)");
  }

  @Test
  void theTextDoesNotDependOnTheValues() {
    ResolvedKeyset keyset = table(ID, DAY);
    RangeCondition same = BatchSql.condition(keyset, values("1", "2"), values("1", "2"), null, 1);
    RangeCondition other = BatchSql.condition(keyset, values("1", "2"), values("3", "4"), null, 1);
    assertThat(same.sql()).isEqualTo(other.sql());
    assertThat(same.binds()).hasSize(4);
  }

  @Test
  void aPrefixComparesItsColumns() {
    assertThat(BatchSql.condition(table(ID, DAY), values("1"), values("3", "4"), null, 1).sql())
        .isEqualTo("\"id\" > $1::bigint AND (\"id\", \"day\") <= ($2::bigint, $3::date)");
  }

  @Test
  void endsAreEveryNthKeyOfAnIndexScan() {
    BatchSql sql = BatchSql.ends(table(DAY), values("2024-01-01"), values("2024-12-31"), 100, 3);
    assertThat(sql.text())
        .isEqualTo(
            """
            SELECT to_jsonb(s.key_1) #>> '{}' AS key_1 FROM (
            SELECT p."day" AS key_1, row_number() OVER (ORDER BY p."day") AS n FROM (
            SELECT * FROM (
            SELECT "t"."day", to_jsonb("t"."day") #>> '{}' AS cursorstream_key_1
            FROM "app"."t"
            WHERE "t"."day" > $1::date
              AND "t"."day" <= $2::date
            ORDER BY "t"."day"
            LIMIT 512
            ) AS r
            ORDER BY r."day"
            LIMIT $3
            ) AS p) AS s
            WHERE n % $4 = 0 ORDER BY n""");
    assertThat(sql.binds()).containsExactly("2024-01-01", "2024-12-31", 300L, 100L);
  }

  @Test
  void fewDifferentStatementsServeAllBatchSizes() {
    List<String> texts =
        IntStream.of(1, 2, 3, 100, 1_000, 65_536, 65_537, Integer.MAX_VALUE - 1)
            .mapToObj(size -> BatchSql.ends(table(ID), NOTHING, values("9"), size, 1).text())
            .map(text -> text.replaceAll("(?s).*LIMIT (\\d+).*", "$1"))
            .toList();
    assertThat(texts)
        .containsExactly("1", "2", "4", "128", "1024", "65536", "131072", "2147483646");
  }

  @Test
  void theMiddleHalvesTheKeys() {
    BatchSql sql = BatchSql.middle(table(ID), NOTHING, values("9"));
    assertThat(sql.text())
        .isEqualTo(
            """
            SELECT s.key_1::text AS key_1 FROM (
            SELECT p."id" AS key_1, row_number() OVER (ORDER BY p."id") AS n, \
            count(*) OVER () AS total FROM (
            SELECT "t"."id"
            FROM "app"."t"
            WHERE "t"."id" <= $1::bigint
            ORDER BY "t"."id"
            LIMIT 2147483646
            ) AS p) AS s
            WHERE n = total / 2""");
    assertThat(sql.binds()).containsExactly("9");
  }

  @Test
  void keysAreToldWithWhetherTheirRowsMatch() {
    ResolvedKeyset all = table(ID, DAY);
    ResolvedKeyset some =
        new ResolvedKeyset(
            all.name(),
            all.from(),
            all.alias(),
            all.sampled(),
            all.columns(),
            "kind = $1",
            List.of("a"),
            all.order(),
            true,
            null,
            all.codec());
    BatchSql sql = KeySql.keys(some, values("1", "2024-01-01"), values("2"));
    assertThat(sql.text())
        .isEqualTo(
            """
            SELECT "t"."id"::text AS key_1, to_jsonb("t"."day") #>> '{}' AS key_2, (kind = $1) IS TRUE AS matches
            FROM "app"."t"
            WHERE ("t"."id", "t"."day") > ($2::bigint, $3::date) AND "t"."id" <= $4::bigint
            ORDER BY "t"."id", "t"."day\"""");
    assertThat(sql.binds()).containsExactly("a", "1", "2024-01-01", "2");
    assertThat(KeySql.keys(all, NOTHING, values("2")).text()).contains(", true AS matches");
  }

  @Test
  void positionsAreComparedAsTheColumnsAre() {
    BatchSql sql =
        KeySql.ranks(table(down(ID), down(DAY)), List.of(values("1", "2024-01-01"), values("2")));
    assertThat(sql.text())
        .isEqualTo(
            """
            SELECT dense_rank() OVER (ORDER BY s."id" DESC NULLS LAST, s."day" DESC NULLS LAST) AS rank FROM (
            SELECT "t"."id", "t"."day", 0::bigint AS cursorstream_n FROM "app"."t" WHERE false
            UNION ALL SELECT k.key_1::bigint, k.key_2::date, k.n
            FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS k(key_1, key_2, n)) AS s
            ORDER BY cursorstream_n""");
    assertThat(sql.binds())
        .containsExactly(new String[] {"1", "2"}, new String[] {"2024-01-01", null});
  }

  @Test
  void keysAreLookedForByTheirColumns() {
    BatchSql sql = KeySql.matches(table(ID, DAY), List.of(values("1", "2024-01-01")));
    assertThat(sql.text())
        .isEqualTo(
            """
            SELECT "t"."id"::text AS key_1, to_jsonb("t"."day") #>> '{}' AS key_2
            FROM "app"."t"
            WHERE ("t"."id", "t"."day") IN (SELECT k.key_1::bigint, k.key_2::date FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS k(key_1, key_2, n))
            ORDER BY "t"."id", "t"."day\"""");
    assertThat(sql.binds()).containsExactly(new String[] {"1"}, new String[] {"2024-01-01"});
  }

  @Test
  void jsonIsOfTheWholeRow() {
    BatchSql sql = BatchSql.json(table(ID), values("1"), values("2"));
    assertThat(sql.text())
        .isEqualTo(
            """
            SELECT to_jsonb("t".*)::text AS item
            FROM "app"."t"
            WHERE "t"."id" > $1::bigint AND "t"."id" <= $2::bigint
            ORDER BY "t"."id"
            LIMIT 1""");
    assertThat(sql.binds()).containsExactly("1", "2");
  }

  @Test
  void whatThePlannerExpectsIsByTheFirstColumn() {
    BatchSql sql = BatchSql.expected(table(down(ID), down(DAY)), values("7", "2024-01-01"));
    assertThat(sql.text())
        .isEqualTo("EXPLAIN SELECT FROM \"app\".\"t\" WHERE \"t\".\"id\" >= $1::bigint");
    assertThat(sql.binds()).containsExactly("7");
    assertThat(
            BatchSql.expected(
                List.of("Seq Scan on t  (cost=0.00..8.50 rows=1234 width=0)", "  Filter: (x)")))
        .isEqualTo(1234);
  }

  @Test
  void locksNameTheTable() {
    assertThat(Arrays.stream(Lock.values()).map(lock -> lock.clause("\"t\"")))
        .containsExactly(
            "",
            "\nFOR UPDATE OF \"t\"",
            "\nFOR NO KEY UPDATE OF \"t\"",
            "\nFOR UPDATE OF \"t\" SKIP LOCKED",
            "\nFOR NO KEY UPDATE OF \"t\" SKIP LOCKED");
  }

  @Test
  void everyStatementBindsAValue() {
    assertThat(BatchSql.writers("t").binds()).hasSize(1);
    assertThat(BatchSql.stillThere(List.of("3/4")).binds()).hasSize(1);
    assertThat(BatchSql.canonical(table(ID), values("1")).text())
        .isEqualTo("SELECT $1::bigint::text AS key_1");
    assertThat(BatchSql.canonical(query(ID), values((String) null))).isNull();
  }

  @Test
  void anOrderThatNoRowComparisonTellsIsRefused() {
    assertThat(BatchSql.check(table(down(ID), down(DAY)))).isNotNull();
    assertThatThrownBy(() -> BatchSql.check(table(ID, down(DAY))))
        .isInstanceOf(InvalidKeysetException.class)
        .hasMessageContaining("NOT NULL columns in one direction required")
        .hasMessageContaining("\"id\", \"day\" DESC")
        .hasMessageContaining("leave out orderBy, for its primary key");
    assertThatThrownBy(() -> BatchSql.check(table(new OrderColumn(ID.key(), ID.type(), true))))
        .hasMessageContaining("\"id\" (admits NULLs)");
    OrderColumn nullable = new OrderColumn(ID.key(), ID.type(), true);
    assertThat(BatchSql.check(query(nullable))).isNotNull();
    assertThatThrownBy(() -> BatchSql.check(query(nullable, down(DAY))))
        .hasMessageContaining("orderBy columns in one direction");
  }

  @Test
  void onlyOurRepositoriesHaveBatches() {
    CursorBasedRepository<?> other = stub(CursorBasedRepository.class);
    assertThatThrownBy(() -> KeysetBatches.of(other))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("CursorBasedRepository.create required")
        .hasMessageContaining("pass the one");
  }

  @Test
  void wrongNumbersAreRefusedAtTheCall() {
    KeysetBatches<Long> batches =
        KeysetBatches.of(
            CursorBasedRepository.create(
                stub(ConnectionFactory.class), Keyset.table("t"), row -> 1L));
    assertThatThrownBy(() -> batches.ends(null, "x", 0, 1)).hasMessageContaining("size >= 1");
    assertThatThrownBy(() -> batches.ends(null, "x", 1, 0)).hasMessageContaining("count >= 1");
    assertThatThrownBy(() -> batches.predicate(null, "x", null, 0))
        .hasMessageContaining("firstBind >= 1");
    assertThatThrownBy(() -> batches.writersGone(Duration.ZERO)).hasMessageContaining("poll > 0");
  }
}
