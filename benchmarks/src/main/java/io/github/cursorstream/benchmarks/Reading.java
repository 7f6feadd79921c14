package io.github.cursorstream.benchmarks;

import static io.github.cursorstream.benchmarks.Goal.atMost;
import static io.github.cursorstream.benchmarks.Goal.wall;

import io.github.cursorstream.benchmarks.Dataset.Shape;
import java.util.List;

/** The whole table, in every way there is. */
final class Reading implements Group {

  static final String PREFETCH_0 = "stream, prefetch 0";
  static final String PREFETCH_1 = "stream, prefetch 1";
  static final String READ_AHEAD_4 = "stream, readAhead 4";
  static final String RANGES_4 = "ranges(4)";
  static final String SELECT = "R2DBC SELECT, fetchSize 0";
  static final String SELECT_1000 = "R2DBC SELECT, fetchSize 1000";
  static final String JDBC_CURSOR = "JDBC cursor, fetchSize 1000";
  static final String JDBC_KEYSET = "JDBC keyset loop";
  static final String BATCH_PAGING = "Spring Batch JdbcPagingItemReader";
  static final String VERTX = "Vert.x RowStream, fetch 1000";
  static final String COPY = "COPY TO STDOUT (binary)";

  private static final String RACE = "reading";

  /** Makes pgjdbc use binary transfer from the first execution on, not from the sixth. */
  private static final String BINARY = "prepareThreshold=-1";

  @Override
  public String name() {
    return "reading";
  }

  @Override
  public void run(Lab lab) throws Exception {
    Dataset items = lab.dataset(Shape.MIXED, lab.rows());
    new Race(
            RACE,
            List.of(
                OurReaders.stream(PREFETCH_1, items, o -> o.prefetch(1)),
                OurReaders.stream(PREFETCH_0, items, o -> o),
                OurReaders.stream("stream, prefetch 1, text", items, false, o -> o.prefetch(1)),
                OurReaders.stream(READ_AHEAD_4, items, o -> o.readAhead(4)),
                OurReaders.ranges(RANGES_4, items, 4),
                R2dbcReaders.select(SELECT, items, true, 0),
                R2dbcReaders.select(SELECT_1000, items, true, 1000),
                R2dbcReaders.select("R2DBC SELECT, fetchSize 0, text", items, false, 0),
                R2dbcReaders.expand("R2DBC pages by expand", items),
                SpringDataReader.findAll("Spring Data R2DBC findAll", items),
                JooqReader.seek("jOOQ seek over R2DBC", items),
                VertxReader.stream(VERTX, items),
                JdbcReaders.cursor(JDBC_CURSOR, items, ""),
                JdbcReaders.cursor("JDBC cursor, fetchSize 1000, binary", items, BINARY),
                JdbcReaders.keyset(JDBC_KEYSET, items, ""),
                SpringBatchReaders.paging(BATCH_PAGING, items),
                SpringBatchReaders.cursor("Spring Batch JdbcCursorItemReader", items),
                R2dbcReaders.offset("R2DBC OFFSET, pages of 10,000", items),
                CopyReader.copy(COPY, items)))
        .run(lab);
  }

  @Override
  public List<Goal> goals(Lab lab) {
    return List.of(
        atMost(
            0.95,
            "stream, prefetch 1, against R2DBC SELECT with fetchSize 1000",
            wall(RACE, PREFETCH_1, SELECT_1000)),
        atMost(
            1.00,
            "stream, readAhead 4, against R2DBC SELECT with fetchSize 0",
            wall(RACE, READ_AHEAD_4, SELECT)),
        atMost(
            0.90,
            "stream, readAhead 4, against JDBC cursor",
            wall(RACE, READ_AHEAD_4, JDBC_CURSOR)),
        atMost(0.75, "ranges(4), against JDBC cursor", wall(RACE, RANGES_4, JDBC_CURSOR)),
        atMost(
            0.60,
            "stream, prefetch 1, against Spring Batch JdbcPagingItemReader, pages of 1000",
            wall(RACE, PREFETCH_1, BATCH_PAGING)),
        atMost(1.35, "ranges(4), against COPY TO STDOUT (binary)", wall(RACE, RANGES_4, COPY)));
  }
}
