package io.github.cursorstream.r2dbc.keyset;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.cursorstream.cursor.CursorCodec;
import io.github.cursorstream.r2dbc.internal.Catalog;
import io.github.cursorstream.r2dbc.keyset.ResolvedKeyset.OrderColumn;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;

class PageSqlTest {

  private static final KeyColumn A = KeyColumn.asc("a");
  private static final KeyColumn B = KeyColumn.asc("b");

  private static OrderColumn column(KeyColumn key, boolean nullable) {
    return new OrderColumn(
        key,
        KeyType.of(key.name(), new Catalog.Type("int8", true, "bigint", true, true)),
        nullable);
  }

  private static OrderColumn notNull(KeyColumn key) {
    return column(key, false);
  }

  private static OrderColumn nullable(KeyColumn key) {
    return column(key, true);
  }

  private static ResolvedKeyset table(OrderColumn... order) {
    return new ResolvedKeyset(
        "t",
        "\"app\".\"t\"",
        "\"t\"",
        null,
        List.of("a", "b"),
        null,
        List.of(),
        List.of(order),
        true,
        null,
        CursorCodec.forOrder("t"));
  }

  private static ResolvedKeyset query(OrderColumn... order) {
    return new ResolvedKeyset(
        "query",
        "(\nSELECT 1\n) AS q",
        "q",
        null,
        List.of(),
        "kind = $1",
        List.of("x"),
        List.of(order),
        false,
        null,
        CursorCodec.forOrder("q"));
  }

  private static List<String> values(String... values) {
    return new ArrayList<>(Arrays.asList(values));
  }

  private static PageSql sql(ResolvedKeyset keyset, List<String> after, List<String> upTo) {
    return new PageSql(keyset, false, after, upTo, 10);
  }

  @Test
  void theFirstPageHasNoSeek() {
    PageSql sql = sql(table(notNull(A)), null, null);
    assertThat(sql.text())
        .isEqualTo(
            """
            SELECT "t"."a", "t"."b"
            FROM "app"."t"
            WHERE $1
            ORDER BY "t"."a"
            LIMIT 10""");
    assertThat(sql.binds()).containsExactly(true);
  }

  @Test
  void aSingleKeyIsOneComparison() {
    PageSql sql = sql(table(notNull(KeyColumn.desc("a"))), values("7"), values("3"));
    assertThat(sql.text())
        .isEqualTo(
            """
            SELECT "t"."a", "t"."b"
            FROM "app"."t"
            WHERE "t"."a" < $1::bigint
              AND "t"."a" >= $2::bigint
            ORDER BY "t"."a" DESC
            LIMIT 10""");
    assertThat(sql.binds()).containsExactly("7", "3");
  }

  @Test
  void columnsOfOneDirectionAreComparedAsARow() {
    ResolvedKeyset keyset = table(notNull(A), notNull(B));
    assertThat(sql(keyset, values("1", "2"), values("3", "4")).text())
        .isEqualTo(
            """
            SELECT "t"."a", "t"."b"
            FROM "app"."t"
            WHERE ("t"."a", "t"."b") > ($1::bigint, $2::bigint)
              AND ("t"."a", "t"."b") <= ($3::bigint, $4::bigint)
            ORDER BY "t"."a", "t"."b"
            LIMIT 10""");
    assertThat(sql(keyset, values("1", "2"), values("3")).text())
        .contains("WHERE (\"t\".\"a\", \"t\".\"b\") > ($1::bigint, $2::bigint)\n")
        .contains("  AND \"t\".\"a\" <= $3::bigint\n");
  }

  @Test
  void aPrefixComparesItsColumnsOnly() {
    assertThat(sql(table(notNull(A), nullable(KeyColumn.desc("b"))), values("1"), null).text())
        .isEqualTo(
            """
            SELECT "t"."a", "t"."b"
            FROM "app"."t"
            WHERE "t"."a" > $1::bigint
            ORDER BY "t"."a", "t"."b" DESC
            LIMIT 10""");
  }

  @Test
  void mixedDirectionsAreBranchesThatSeek() {
    PageSql sql = sql(table(notNull(A), notNull(KeyColumn.desc("b"))), values("1", "2"), null);
    assertThat(sql.text())
        .isEqualTo(
            """
            WITH cursorstream_part_1 AS (
            SELECT "t"."a", "t"."b"
            FROM "app"."t"
            WHERE "t"."a" = $1::bigint
              AND "t"."b" < $2::bigint
            ORDER BY "t"."a", "t"."b" DESC
            LIMIT 10
            ), cursorstream_part_2 AS (
            SELECT * FROM (
            SELECT "t"."a", "t"."b"
            FROM "app"."t"
            WHERE "t"."a" > $1::bigint
            ORDER BY "t"."a", "t"."b" DESC
            LIMIT 10
            ) AS s
            ORDER BY s."a", s."b" DESC
            LIMIT 10 - (SELECT count(*) FROM cursorstream_part_1)
            )
            SELECT p."a", p."b"
            FROM (
            TABLE cursorstream_part_1 UNION ALL TABLE cursorstream_part_2
            ) AS p
            ORDER BY p."a", p."b" DESC
            LIMIT 10""");
    assertThat(sql.binds()).containsExactly("1", "2");
  }

  @Test
  void mixedDirectionsStopAtTheEnd() {
    ResolvedKeyset keyset = table(notNull(A), notNull(KeyColumn.desc("b")));
    assertThat(sql(keyset, values("1", "2"), values("1", "0")).text())
        .isEqualTo(
            """
            WITH cursorstream_part_1 AS (
            SELECT "t"."a", "t"."b"
            FROM "app"."t"
            WHERE "t"."a" = $1::bigint
              AND "t"."b" < $2::bigint
              AND "t"."b" >= $3::bigint
            ORDER BY "t"."a", "t"."b" DESC
            LIMIT 10
            ), cursorstream_part_2 AS (
            SELECT * FROM (
            SELECT "t"."a", "t"."b"
            FROM "app"."t"
            WHERE "t"."a" > $1::bigint
              AND "t"."a" <= $4::bigint
            ORDER BY "t"."a", "t"."b" DESC
            LIMIT 10
            ) AS s
            ORDER BY s."a", s."b" DESC
            LIMIT 10 - (SELECT count(*) FROM cursorstream_part_1)
            )
            SELECT p."a", p."b"
            FROM (
            TABLE cursorstream_part_1 UNION ALL TABLE cursorstream_part_2
            ) AS p
            WHERE (p."a" < $4::bigint OR p."a" = $4::bigint AND (p."b" > $3::bigint OR p."b" = $3::bigint))
            ORDER BY p."a", p."b" DESC
            LIMIT 10""");
  }

  @Test
  void behindAValueWithNullsLastComeTheValuesAndTheNulls() {
    PageSql sql = sql(table(nullable(A), notNull(B)), values("1", "2"), null);
    assertThat(conditions(sql))
        .containsExactly(
            "\"t\".\"a\" = $1::bigint AND \"t\".\"b\" > $2::bigint",
            "\"t\".\"a\" > $1::bigint",
            "\"t\".\"a\" IS NULL");
  }

  @Test
  void behindNullWithNullsLastComeNullsOnly() {
    PageSql sql = sql(table(nullable(A), notNull(B)), values(null, "2"), null);
    assertThat(conditions(sql)).containsExactly("\"t\".\"a\" IS NULL AND \"t\".\"b\" > $1::bigint");
    assertThat(sql.binds()).containsExactly("2");
  }

  @Test
  void behindNullWithNullsFirstComeNullsAndAllValues() {
    PageSql sql = sql(table(nullable(A.nullsFirst()), notNull(B)), values(null, "2"), null);
    assertThat(conditions(sql))
        .containsExactly(
            "\"t\".\"a\" IS NULL AND \"t\".\"b\" > $1::bigint", "\"t\".\"a\" IS NOT NULL");
    assertThat(sql.text()).contains("ORDER BY \"t\".\"a\" NULLS FIRST, \"t\".\"b\"\n");
  }

  @Test
  void behindTheLastPrefixComesNothing() {
    PageSql sql = sql(table(nullable(A), notNull(B)), values((String) null), null);
    assertThat(conditions(sql)).containsExactly("false AND $1");
  }

  @Test
  void theEndLeavesOutNullsThatComeLast() {
    PageSql sql = sql(table(nullable(A), notNull(B)), values("1", "2"), values("5", "6"));
    assertThat(conditions(sql))
        .containsExactly(
            "\"t\".\"a\" = $1::bigint AND \"t\".\"b\" > $2::bigint",
            "\"t\".\"a\" > $1::bigint AND \"t\".\"a\" <= $3::bigint");
    assertThat(sql.binds()).containsExactly("1", "2", "5", "6");
  }

  @Test
  void nullsThatComeFirstAreApartFromValuesThatEnd() {
    PageSql sql = sql(table(nullable(A.nullsFirst()), notNull(B)), null, values("5"));
    assertThat(conditions(sql))
        .containsExactly(
            "\"t\".\"a\" IS NULL", "\"t\".\"a\" IS NOT NULL AND \"t\".\"a\" <= $1::bigint");
    assertThat(sql.text()).doesNotContain("WHERE (p");
  }

  @Test
  void everyBoundValueIsMentionedAlsoWhereABranchIsLeftOut() {
    List<List<String>> bounds = new ArrayList<>();
    bounds.add(null);
    for (String a : new String[] {null, "1", "2"}) {
      bounds.add(values(a));
      for (String b : new String[] {null, "1", "2"}) {
        bounds.add(values(a, b));
      }
    }
    for (KeyColumn a : List.of(A, A.nullsFirst(), KeyColumn.desc("a"))) {
      for (KeyColumn b : List.of(B, B.nullsFirst(), KeyColumn.desc("b"))) {
        for (List<String> after : bounds) {
          for (List<String> upTo : bounds) {
            PageSql sql = sql(table(nullable(a), nullable(b)), after, upTo);
            for (int i = 1; i <= sql.binds().size(); i++) {
              assertThat(sql.text()).containsPattern("\\$" + i + "\\b");
            }
            assertThat(sql.text()).doesNotContain("$" + (sql.binds().size() + 1));
            assertThat(conditions(sql)).noneMatch(condition -> condition.contains(" OR "));
          }
        }
      }
    }
  }

  @Test
  void aQueryTellsTies() {
    PageSql sql = sql(query(nullable(A)), null, null);
    assertThat(sql.text())
        .isEqualTo(
            """
            SELECT p.*, p."a" AS cursorstream_key_1, \
            p."a" IS NOT DISTINCT FROM lag(p."a") OVER w AS cursorstream_tie
            FROM (
            SELECT q.*
            FROM (
            SELECT 1
            ) AS q
            WHERE (kind = $1)
            ORDER BY q."a"
            LIMIT 10
            ) AS p
            WINDOW w AS (ORDER BY p."a")
            ORDER BY p."a"
            LIMIT 10""");
    assertThat(sql.binds()).containsExactly("x");
  }

  @Test
  void theFilterStandsInParenthesesInEachBranch() {
    PageSql sql = sql(query(nullable(A)), values("1"), null);
    assertThat(conditions(sql))
        .containsExactly("(kind = $1) AND q.\"a\" > $2::bigint", "(kind = $1) AND q.\"a\" IS NULL");
  }

  @Test
  void backwardsIsTheOppositeOrder() {
    ResolvedKeyset keyset = table(notNull(A), nullable(KeyColumn.desc("b").nullsLast()));
    PageSql sql = new PageSql(keyset, true, values("1", "2"), null, 10);
    assertThat(conditions(sql))
        .containsExactly(
            "\"t\".\"a\" = $1::bigint AND \"t\".\"b\" > $2::bigint", "\"t\".\"a\" < $1::bigint");
    assertThat(sql.text()).endsWith("ORDER BY p.\"a\" DESC, p.\"b\" NULLS FIRST\nLIMIT 10");
  }

  @Test
  void keysThatAreNotSelectedAreAppended() {
    ResolvedKeyset keyset =
        table(
            notNull(KeyColumn.asc("x")),
            new OrderColumn(
                A,
                KeyType.of("a", new Catalog.Type("timestamptz", true, "timestamptz", true, true)),
                false));
    assertThat(sql(keyset, null, null).text())
        .startsWith(
            "SELECT \"t\".\"a\", \"t\".\"b\", \"t\".\"x\" AS cursorstream_key_1,"
                + " to_jsonb(\"t\".\"a\") #>> '{}' AS cursorstream_key_2\n");
  }

  /** The conditions of each branch, which are what seeks. */
  private static List<String> conditions(PageSql sql) {
    return Arrays.stream(sql.text().split("\n\\) AS p\n", -1)[0].split("_part_\\d AS \\(", -1))
        .filter(branch -> branch.contains("WHERE "))
        .map(branch -> branch.substring(branch.indexOf("WHERE ") + 6))
        .map(branch -> branch.substring(0, branch.indexOf("\nORDER")))
        .map(condition -> condition.replaceAll("\\s+", " "))
        .toList();
  }

  @Test
  void theFirstRowTellsWhereAFullPageEnds() {
    PageSql sql = sql(table(notNull(A), notNull(B)), values("1", "2"), null);
    assertThat(sql.canTellEnd()).isTrue();
    String keys =
        """
        SELECT "t"."a", "t"."b"
        FROM "app"."t"
        WHERE ("t"."a", "t"."b") > ($1::bigint, $2::bigint)
        ORDER BY "t"."a", "t"."b"
        LIMIT 1""";
    assertThat(sql.tellingEnd())
        .isEqualTo(
            """
            SELECT "t"."a", "t"."b", CASE WHEN ("t"."a", "t"."b") = (
            %s
            ) THEN (SELECT ARRAY[e."a"::text, e."b"::text] FROM (
            %s OFFSET 9
            ) AS e) END AS cursorstream_end
            FROM "app"."t"
            WHERE ("t"."a", "t"."b") > ($1::bigint, $2::bigint)
            ORDER BY "t"."a", "t"."b"
            LIMIT 10"""
                .formatted(keys, keys));
    assertThat(sql.binds()).containsExactly("1", "2");
  }

  @Test
  void onlyWhereTheKeysAreReadFromAnIndexTheFirstRowTells() {
    assertThat(sql(table(notNull(A)), null, values("9")).canTellEnd()).isTrue();
    ResolvedKeyset mixed = table(notNull(KeyColumn.desc("a")), notNull(B));
    assertThat(sql(mixed, values("1", "2"), null).canTellEnd()).as("branches").isFalse();
    assertThat(sql(query(notNull(A)), values("1"), null).canTellEnd()).as("query").isFalse();
    ResolvedKeyset plain = table(notNull(A));
    assertThat(sql(changed(plain, "kind > 1", null), null, null).canTellEnd())
        .as("filter")
        .isFalse();
    assertThat(sql(changed(plain, null, "CREATE INDEX"), null, null).canTellEnd())
        .as("no index")
        .isFalse();
  }

  private static ResolvedKeyset changed(ResolvedKeyset of, String filter, String createIndex) {
    return new ResolvedKeyset(
        of.name(),
        of.from(),
        of.alias(),
        of.sampled(),
        of.columns(),
        filter,
        of.binds(),
        of.order(),
        of.proven(),
        createIndex,
        of.codec());
  }

  @Test
  void whereRowsAreComparedTheNextPageDiffersInItsValuesOnly() {
    ResolvedKeyset filtered =
        new ResolvedKeyset(
            "t",
            "\"t\"",
            "\"t\"",
            null,
            List.of("a"),
            "kind = $1",
            List.of("x"),
            List.of(notNull(A), notNull(B)),
            true,
            null,
            CursorCodec.forOrder("t"));
    PageSql first = sql(filtered, values("1", "2"), values("9"));
    PageSql next = first.between(values("3", "4"), values("8"));
    PageSql rendered = sql(filtered, values("3", "4"), values("8"));
    assertThat(next.text()).isEqualTo(rendered.text());
    assertThat(next.binds()).isEqualTo(rendered.binds()).containsExactly("x", "3", "4", "8");
    assertThat(first.binds()).containsExactly("x", "1", "2", "9");
    assertThat(first.between(values("3"), values("8"))).as("a prefix").isNull();
    assertThat(first.between(values("3", "4"), null)).as("without an end").isNull();
    assertThat(first.between(null, values("8"))).as("from the beginning").isNull();
  }

  @Test
  void aFirstPageIsTheSameAsAnother() {
    PageSql first = sql(table(notNull(A)), null, null);
    assertThat(first.between(null, null).binds()).isEqualTo(first.binds());
    assertThat(first.between(null, null).tellingEnd()).isEqualTo(first.tellingEnd());
  }

  @Test
  void theTextOfBranchesDependsOnValues() {
    PageSql sql = sql(table(nullable(A), notNull(B)), values("1", "2"), null);
    assertThat(sql.between(values(null, "4"), null)).isNull();
    assertThat(sql.between(values("1", "2"), null)).isNull();
  }
}
