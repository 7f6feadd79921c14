package io.github.cursorstream.benchmarks;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class OperatorsTest {

  @Test
  void theBenchmarksOfPagesDoTheSame() {
    PagesBenchmark pages = new PagesBenchmark();
    for (long demand : new long[] {256, Long.MAX_VALUE}) {
      pages.demand = demand;

      assertThat(pages.pages())
          .isEqualTo(sum(PagesBenchmark.ITEMS))
          .isEqualTo(pages.fromIterable())
          .isEqualTo(pages.concatMapIterable());
    }
  }

  @Test
  void theBenchmarksOfFlatMapDoTheSame() {
    FlatMapBenchmark flatMap = new FlatMapBenchmark();

    assertThat(flatMap.adjustable())
        .isEqualTo(sum(FlatMapBenchmark.ITEMS))
        .isEqualTo(flatMap.flatMap());
  }

  private static long sum(long items) {
    return items * (items - 1) / 2;
  }
}
