package io.github.cursorstream.benchmarks;

import static io.github.cursorstream.benchmarks.Goal.atMost;

import io.github.cursorstream.benchmarks.Dataset.Shape;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.stream.IntStream;
import java.util.stream.LongStream;
import java.util.stream.Stream;

/** What a row takes, by the size of the table, of a page, of a row. */
final class ReadingScale implements Group {

  private static final String ROWS = "rows of the table";
  private static final String PAGE = "page size";
  private static final String WIDTH = "width of a row";

  @Override
  public String name() {
    return "reading-scale";
  }

  @Override
  public void run(Lab lab) throws Exception {
    new Race(
            ROWS,
            sizes(lab)
                .mapToObj(
                    rows ->
                        OurReaders.stream(
                                rows(rows), lab.dataset(Shape.MIXED, rows), o -> o.prefetch(1))
                            // So that the smallest is read for about a second, too.
                            .times(Math.toIntExact(Math.max(1, lab.rows() / 2 / rows))))
                .toList())
        .run(lab);

    Dataset items = lab.dataset(Shape.MIXED, lab.rows() / 10);
    new Race(
            PAGE,
            IntStream.of(10, 100, 1_000, 10_000, 100_000)
                .mapToObj(
                    size ->
                        OurReaders.stream(
                            "pages of %,d".formatted(size),
                            items,
                            o -> o.prefetch(1).pageSize(size)))
                .toList())
        .run(lab);

    new Race(
            WIDTH,
            Stream.of(Shape.NARROW, Shape.MIXED, Shape.WIDE)
                .map(shape -> lab.dataset(shape, lab.rows() / 20))
                .flatMap(
                    data ->
                        Stream.of(
                            OurReaders.stream(
                                of(data, Reading.PREFETCH_1), data, o -> o.prefetch(1)),
                            R2dbcReaders.select(of(data, Reading.SELECT_1000), data, true, 1000),
                            JdbcReaders.cursor(of(data, Reading.JDBC_CURSOR), data, "")))
                .toList())
        .run(lab);
  }

  private static LongStream sizes(Lab lab) {
    return LongStream.of(lab.rows() / 200, lab.rows() / 20, lab.rows() / 2, lab.rows() * 5);
  }

  private static String rows(long rows) {
    return "%,d rows".formatted(rows);
  }

  private static String of(Dataset data, String contender) {
    return data.shape().name().toLowerCase(Locale.ROOT) + ": " + contender;
  }

  @Override
  public List<Goal> goals(Lab lab) {
    String few = rows(lab.rows() / 20);
    String many = rows(lab.rows() * 5);
    String what = many + " against " + few + ", per row: ";
    List<Goal> goals = new ArrayList<>();
    goals.add(atMost(1.05, what + "buffers", Goal.buffers(ROWS, many, few)));
    goals.add(atMost(1.05, what + "client CPU", Goal.ratio(ROWS, many, few, Cost::clientCpu)));
    goals.add(atMost(1.15, what + "wall", Goal.wall(ROWS, many, few)));
    return goals;
  }
}
