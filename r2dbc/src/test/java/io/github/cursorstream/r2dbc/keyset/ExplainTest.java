package io.github.cursorstream.r2dbc.keyset;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import org.junit.jupiter.api.Test;

class ExplainTest {

  private static boolean seeks(String plan) {
    return Explain.seeks(List.of(plan.split("\n")), true);
  }

  @Test
  void anIndexScanWithAConditionSeeks() {
    assertThat(
            seeks(
                """
                Limit  (cost=0.42..3.44 rows=10 width=8)
                  ->  Index Only Scan using t_pkey on t  (cost=0.42..15.99 rows=10 width=8)
                        Index Cond: (id > '5'::bigint)"""))
        .isTrue();
  }

  @Test
  void anIndexScanFromTheBeginningDoesNotSeekBehindACursor() {
    String plan =
        """
        Limit  (cost=0.42..3.44 rows=10 width=8)
          ->  Index Scan using t_pkey on t  (cost=0.42..15.99 rows=10 width=8)
                Filter: (id > '5'::bigint)""";
    assertThat(seeks(plan)).isFalse();
    assertThat(Explain.seeks(List.of(plan.split("\n")), false)).isTrue();
  }

  @Test
  void sequentialScansBitmapsAndSortsDoNotSeek() {
    assertThat(
            seeks(
                """
                Limit  (cost=1.00..2.00 rows=10 width=8)
                  ->  Seq Scan on t  (cost=1.00..2.00 rows=10 width=8)"""))
        .isFalse();
    assertThat(
            seeks(
                """
                Limit  (cost=1.00..2.00 rows=10 width=8)
                  ->  Sort  (cost=1.00..2.00 rows=10 width=8)
                        ->  Index Scan using t_pkey on t  (cost=0.42..15.99 rows=10 width=8)
                              Index Cond: (id > '5'::bigint)"""))
        .isFalse();
    assertThat(
            seeks(
                """
                Limit  (cost=1.00..2.00 rows=10 width=8)
                  ->  Incremental Sort  (cost=1.00..2.00 rows=10 width=8)
                        ->  Index Scan using t_pkey on t  (cost=0.42..15.99 rows=10 width=8)
                              Index Cond: (id > '5'::bigint)"""))
        .isFalse();
    assertThat(
            seeks(
                """
                Limit  (cost=1.00..2.00 rows=10 width=8)
                  ->  Sort  (cost=1.00..2.00 rows=10 width=8)
                        ->  Append  (cost=1.00..2.00 rows=10 width=8)
                              ->  Index Scan using t_1_pkey on t_1  (cost=0.42..15.99 rows=10)
                                    Index Cond: (id > '5'::bigint)"""))
        .isFalse();
    assertThat(seeks("Result  (cost=0.00..0.00 rows=0 width=4)")).isFalse();
  }

  @Test
  void thePartsOfAPageMayBeSortedWhenTheyArePutTogether() {
    assertThat(
            seeks(
                """
                Limit  (cost=1.00..2.00 rows=10 width=8)
                  CTE cursorstream_part_1
                    ->  Limit  (cost=1.00..2.00 rows=10 width=8)
                          ->  Index Scan using i on t  (cost=0.42..15.99 rows=10 width=8)
                                Index Cond: ((a = 1) AND (b < 5))
                  ->  Sort  (cost=1.00..2.00 rows=10 width=8)
                        ->  Append  (cost=1.00..2.00 rows=10 width=8)
                              ->  CTE Scan on cursorstream_part_1  (cost=1.00..2.00 rows=10)
                              ->  Limit  (cost=1.00..2.00 rows=10 width=8)
                                    ->  Index Scan using i on t  (cost=0.42..15.99 rows=10)
                                          Index Cond: (a > 1)"""))
        .isTrue();
  }
}
