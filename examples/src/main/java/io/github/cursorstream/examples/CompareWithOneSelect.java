package io.github.cursorstream.examples;

import io.github.cursorstream.cursor.Cursor;
import io.github.cursorstream.examples.Example.Result;
import io.github.cursorstream.examples.Example.Stopwatch;
import io.github.cursorstream.r2dbc.keyset.CursorBasedRepository;
import io.github.cursorstream.r2dbc.keyset.Keyset;
import io.github.cursorstream.testing.TestDatabase;
import io.r2dbc.spi.Connection;
import io.r2dbc.spi.ConnectionFactory;
import io.r2dbc.spi.Row;
import java.math.BigDecimal;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.UUID;
import reactor.core.publisher.Flux;

/**
 * What it costs to read page by page: the whole table, against one SELECT that holds a connection
 * and a snapshot all the while.
 */
public final class CompareWithOneSelect {

  private static final int FETCH = 1000;

  private static final int WARM_UP_PAGE = 10;
  private static final long WARM_UP_ROWS = 200_000;

  /** How to run it: how big, how long, and what is too slow. */
  record Settings(int rows, int prefetch, int rounds, double bound) {}

  record Item(
      long id,
      int quantity,
      String name,
      String note,
      Instant updatedAt,
      BigDecimal price,
      boolean sold,
      UUID reference) {

    static Item of(Row row) {
      return new Item(
          row.get(0, Long.class),
          row.get(1, Integer.class),
          row.get(2, String.class),
          row.get(3, String.class),
          row.get(4, Instant.class),
          row.get(5, BigDecimal.class),
          row.get(6, Boolean.class),
          row.get(7, UUID.class));
    }
  }

  /** Rows, a checksum over their columns, and whether they came in order. */
  record Total(long rows, long checksum, boolean inOrder) {}

  /** How one reading went. */
  private record Reading(double seconds, Total total) {}

  private final CursorBasedRepository<Item> items;
  private final Flux<Item> pages;
  private final Flux<Item> oneSelect;

  private CompareWithOneSelect(ConnectionFactory pool, int prefetch) {
    items =
        CursorBasedRepository.create(pool, Keyset.table("items"), Item::of)
            .defaults(o -> o.prefetch(prefetch));
    pages = items.cursorBasedStream(o -> o.pageSize(FETCH));
    oneSelect =
        Flux.usingWhen(
            pool.create(),
            connection ->
                Flux.from(
                        connection
                            .createStatement("SELECT * FROM items ORDER BY id")
                            .fetchSize(FETCH)
                            .execute())
                    .concatMap(result -> result.map((row, metadata) -> Item.of(row))),
            Connection::close);
  }

  /** Arguments: rows, pages fetched ahead. */
  public static void main(String[] args) {
    int rows = args.length > 0 ? Integer.parseInt(args[0]) : 2_000_000;
    int prefetch = args.length > 1 ? Integer.parseInt(args[1]) : 1;
    Settings settings = new Settings(rows, prefetch, 5, 1.10);
    Example.main("CompareWithOneSelect", database -> run(database, settings));
  }

  static Result run(TestDatabase database, Settings settings) {
    System.out.printf("The same table is read twice in order, by the same driver and mapping:%n");
    System.out.printf("in pages of %d (%d ahead),", FETCH, settings.prefetch);
    System.out.printf(" and by one SELECT … ORDER BY id with fetchSize %d.%n%n", FETCH);
    long checksum = Tables.createItems(database, settings.rows);
    long count = database.count("SELECT count(*) FROM items");
    Total expected = new Total(count, checksum, true);
    return new CompareWithOneSelect(Example.pool(database, 2), settings.prefetch)
        .compare(settings, expected);
  }

  private Result compare(Settings settings, Total expected) {
    boolean equal = true;
    // What runs once for a page is compiled a thousand times later than what runs for a row: so
    // many small pages first, lest the compiler takes one of the cores while time is taken.
    items
        .cursorBasedStream(o -> o.pageSize(WARM_UP_PAGE).upTo(Cursor.of("id", WARM_UP_ROWS)))
        .then()
        .block();
    for (int warmUp = 0; warmUp < 2; warmUp++) {
      equal &= read(pages).total.equals(expected);
      equal &= read(oneSelect).total.equals(expected);
    }
    System.out.printf("%8s %10s %12s%n", "run", "pages", "one SELECT");
    List<Double> ours = new ArrayList<>();
    List<Double> select = new ArrayList<>();
    for (int round = 1; round <= settings.rounds; round++) {
      boolean pagesFirst = round % 2 == 1; // In turn, lest one always has the better place.
      Reading first = read(pagesFirst ? pages : oneSelect);
      Reading second = read(pagesFirst ? oneSelect : pages);
      Reading paged = pagesFirst ? first : second;
      Reading selected = pagesFirst ? second : first;
      ours.add(paged.seconds);
      select.add(selected.seconds);
      equal &= paged.total.equals(expected) && selected.total.equals(expected);
      System.out.printf("%8d %8.2f s %10.2f s%n", round, paged.seconds, selected.seconds);
    }
    double ratio = median(ours) / median(select);
    System.out.printf("%8s %8.2f s %10.2f s%n%n", "median", median(ours), median(select));
    System.out.printf(
        "All readings, warm-up included, had all %,d rows, in order, with the server's checksum: %s%n",
        expected.rows, Example.yes(equal));
    System.out.printf(
        "Pages take %.2f times as long; at most %.2f is claimed.%n", ratio, settings.bound);
    return new Result(
        "CompareWithOneSelect",
        "ours=%.2fs select=%.2fs ratio=%.2f".formatted(median(ours), median(select), ratio),
        equal && ratio <= settings.bound);
  }

  private static Reading read(Flux<Item> items) {
    Stopwatch time = Stopwatch.start();
    long[] sums = new long[3];
    boolean[] inOrder = {true};
    items
        .doOnNext(
            item -> {
              sums[0]++;
              sums[1] +=
                  item.quantity + item.name.length() + item.note.length() + (item.sold ? 1 : 0);
              sums[1] += item.price.unscaledValue().longValue() + item.updatedAt.getEpochSecond();
              sums[1] += item.reference.getMostSignificantBits() >>> 32;
              inOrder[0] &= item.id > sums[2];
              sums[2] = item.id;
            })
        .then()
        .block();
    return new Reading(time.seconds(), new Total(sums[0], sums[1], inOrder[0]));
  }

  private static double median(List<Double> seconds) {
    return seconds.stream().sorted().skip((seconds.size() - 1) / 2).findFirst().orElseThrow();
  }
}
