package io.github.cursorstream.r2dbc.keyset;

import static io.github.cursorstream.r2dbc.keyset.Reading.all;
import static io.github.cursorstream.r2dbc.keyset.Reading.page;
import static io.github.cursorstream.r2dbc.keyset.Reading.read;
import static org.assertj.core.api.Assertions.assertThat;

import io.github.cursorstream.cursor.Cursor;
import io.github.cursorstream.cursor.Page;
import io.github.cursorstream.testing.TestDatabase;
import io.r2dbc.spi.ConnectionFactory;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/**
 * One order over one table, read in every way and compared with what {@code SELECT … ORDER BY} says
 * on the same server. The table has a primary key {@code id} and a column {@code alive}; rows that
 * are not alive are filtered out when reading, and their cursors are used all the same.
 */
final class OrderSweep {

  /**
   * A row as the server ranks it.
   *
   * @param first for each prefix of the order, the rank of the first row that shares it
   * @param last the rank of the last such row
   */
  private record Ranked(
      long id, boolean alive, int rank, List<Integer> first, List<Integer> last) {}

  private static final List<KeyColumn.Nulls> NULLS =
      List.of(KeyColumn.Nulls.DEFAULT, KeyColumn.Nulls.FIRST, KeyColumn.Nulls.LAST);

  private final List<KeyColumn> order;
  private final List<Ranked> rows;
  private final CursorBasedRepository<Long> table;
  private final CursorBasedRepository<Long> query;
  private final List<Cursor> cursors;
  private final List<Cursor> queryCursors;

  /**
   * Asks the server for the order.
   *
   * @param connections what is read over
   * @param cursorsFrom where the cursors are made, perhaps under other settings
   * @param keys the order without its tie-breaker {@code id}, which the table's walk must append
   */
  OrderSweep(
      TestDatabase database,
      ConnectionFactory connections,
      ConnectionFactory cursorsFrom,
      String tableName,
      List<KeyColumn> keys,
      boolean selectKeys) {
    boolean down = keys.get(keys.size() - 1).descending();
    this.order = new ArrayList<>(keys);
    order.add(down ? KeyColumn.desc("id") : KeyColumn.asc("id"));
    this.rows = ranked(database, tableName);
    List<String> columns = new ArrayList<>(List.of("id"));
    if (selectKeys) {
      keys.forEach(key -> columns.add(0, key.name()));
    }
    String[] selected = columns.toArray(String[]::new);
    KeyColumn[] full = order.toArray(KeyColumn[]::new);
    Keyset every = Keyset.table(tableName).select(selected).orderBy(keys.toArray(KeyColumn[]::new));
    this.table = Reading.ids(connections, every.where("alive"));
    Keyset everyOfQuery =
        Keyset.query("SELECT * FROM " + tableName + " WHERE id > :least")
            .bind("least", -1000)
            .select(selected)
            .orderBy(full);
    this.query = Reading.ids(connections, everyOfQuery.where("alive"));
    this.cursors = Reading.cursors(Reading.ids(cursorsFrom, every));
    this.queryCursors = Reading.cursors(Reading.ids(cursorsFrom, everyOfQuery));
    assertThat(cursors).hasSameSizeAs(rows).isEqualTo(queryCursors);
  }

  private List<Ranked> ranked(TestDatabase database, String tableName) {
    List<String> ranks = new ArrayList<>();
    for (int i = 1; i <= order.size(); i++) {
      String by = orderBy(i);
      ranks.add("rank() OVER (ORDER BY " + by + ")::int");
      ranks.add("count(*) OVER (ORDER BY " + by + ")::int");
    }
    return database
        .query(
            "SELECT id::bigint, alive, row_number() OVER (ORDER BY %1$s)::int, %2$s FROM %3$s ORDER BY %1$s"
                .formatted(orderBy(order.size()), String.join(", ", ranks), tableName))
        .stream()
        .map(
            row -> {
              List<Integer> first = new ArrayList<>();
              List<Integer> last = new ArrayList<>();
              for (int i = 3; i < row.size(); i += 2) {
                first.add((Integer) row.get(i));
                last.add((Integer) row.get(i + 1));
              }
              return new Ranked(
                  (Long) row.get(0), (Boolean) row.get(1), (Integer) row.get(2), first, last);
            })
        .toList();
  }

  private String orderBy(int columns) {
    return order.subList(0, columns).stream()
        .map(
            key ->
                "\"%s\" %s NULLS %s"
                    .formatted(
                        key.name(),
                        key.direction(),
                        // Spelt out here, so that a default that is told wrongly is seen.
                        switch (key.nulls()) {
                          case FIRST -> "FIRST";
                          case LAST -> "LAST";
                          case DEFAULT ->
                              key.direction() == KeyColumn.Direction.DESC ? "FIRST" : "LAST";
                        }))
        .collect(Collectors.joining(", "));
  }

  /** The living rows with {@code after < rank <= upTo}. */
  private List<Long> between(int after, int upTo) {
    return rows.stream()
        .filter(row -> row.alive && row.rank > after && row.rank <= upTo)
        .map(Ranked::id)
        .toList();
  }

  /** Everything. */
  void check() {
    wholeAtEveryPageSize();
    behindEachRow();
    betweenRows();
    prefixes();
    backwards();
    ranges();
  }

  /** Without the bounds that the nullable column of the same type is checked with. */
  void checkShortly() {
    wholeAtEveryPageSize();
    behindEachRow();
    backwards();
  }

  void wholeAtEveryPageSize() {
    List<Long> expected = between(0, rows.size());
    for (int size = 1; size <= expected.size() + 1; size++) {
      int pageSize = size;
      assertThat(read(table, pageSize)).as("page size %d", size).isEqualTo(expected);
      if (size <= 2 || size % 4 == 0) {
        assertThat(read(query, pageSize)).as("query, page size %d", size).isEqualTo(expected);
      }
    }
    List<Page<Long>> pages = all(query.cursorBasedPages(o -> o.pageSize(3)));
    assertThat(pages.stream().flatMap(p -> p.items().stream()).toList()).isEqualTo(expected);
    assertThat(pages.subList(0, pages.size() - 1)).allMatch(p -> p.items().size() == 3);
  }

  void behindEachRow() {
    for (int i = 0; i < rows.size(); i++) {
      Cursor after = cursors.get(i);
      int size = List.of(1, 3, rows.size()).get(i % 3);
      List<Long> expected = between(i + 1, rows.size());
      assertThat(read(table, o -> o.pageSize(size).after(after)))
          .as("after %s, page size %d", after, size)
          .isEqualTo(expected);
      if (i % 3 == 1) {
        Cursor afterInQuery = queryCursors.get(i);
        assertThat(read(query, o -> o.pageSize(2).after(afterInQuery)))
            .as("query after %s", after)
            .isEqualTo(expected);
      }
    }
  }

  /** Also where the end is before the start. */
  void betweenRows() {
    for (int i = 0; i < rows.size(); i++) {
      for (int j = i % 3; j < rows.size(); j += 3) {
        boolean queried = i % 4 == 3;
        Cursor after = (queried ? queryCursors : cursors).get(i);
        Cursor upTo = (queried ? queryCursors : cursors).get(j);
        int size = 1 + (i + j) % 5;
        assertThat(read(queried ? query : table, o -> o.pageSize(size).after(after).upTo(upTo)))
            .as("after %s up to %s, page size %d", after, upTo, size)
            .isEqualTo(between(i + 1, j + 1));
      }
      Cursor upTo = cursors.get(i);
      assertThat(read(table, o -> o.pageSize(4).upTo(upTo)))
          .as("up to %s", upTo)
          .isEqualTo(between(0, i + 1));
    }
  }

  void prefixes() {
    for (int i = 0; i < rows.size(); i += 2) {
      for (int length = 1; length < order.size(); length++) {
        Cursor prefix = prefix(cursors.get(i), length);
        int first = rows.get(i).first.get(length - 1);
        int last = rows.get(i).last.get(length - 1);
        assertThat(read(table, o -> o.pageSize(3).after(prefix)))
            .as("after %s", prefix)
            .isEqualTo(between(last, rows.size()));
        assertThat(read(query, o -> o.pageSize(2).upTo(prefix)))
            .as("up to %s", prefix)
            .isEqualTo(between(0, last));
        Cursor full = cursors.get((i * 5 + 3) % rows.size());
        assertThat(read(table, o -> o.pageSize(2).after(prefix).upTo(full)))
            .as("after %s up to %s", prefix, full)
            .isEqualTo(between(last, (i * 5 + 3) % rows.size() + 1));
        assertThat(read(table, o -> o.pageSize(2).after(full).upTo(prefix)))
            .as("after %s up to %s", full, prefix)
            .isEqualTo(between((i * 5 + 3) % rows.size() + 1, last));
        List<Long> before = between(0, first - 1);
        assertThat(page(table, o -> o.pageSize(3).before(prefix)).items())
            .as("before %s", prefix)
            .isEqualTo(tail(before, 3));
      }
    }
  }

  private Cursor prefix(Cursor cursor, int length) {
    Cursor prefix = Cursor.prefix(order.get(0).name(), cursor.value(order.get(0).name()));
    for (int i = 1; i < length; i++) {
      prefix = prefix.and(order.get(i).name(), cursor.value(order.get(i).name()));
    }
    return Reading.sent(prefix);
  }

  // S32
  void backwards() {
    for (int i = 0; i < rows.size(); i++) {
      boolean queried = i % 3 == 0;
      Cursor before = (queried ? queryCursors : cursors).get(i);
      int size = 1 + i % 4;
      List<Long> expected = between(0, i);
      Page<Long> page = page(queried ? query : table, o -> o.pageSize(size).before(before));
      assertThat(page.items())
          .as("%d rows before %s", size, before)
          .isEqualTo(tail(expected, size));
      assertThat(page.last()).as("last before %s", before).isEqualTo(expected.size() <= size);
      if (!page.items().isEmpty()) {
        Cursor start = Reading.sent(page.start());
        assertThat(page(queried ? query : table, o -> o.pageSize(2).before(start)).items())
            .isEqualTo(tail(expected.subList(0, expected.size() - page.items().size()), 2));
        Cursor end = Reading.sent(page.cursor());
        assertThat(page(queried ? query : table, o -> o.pageSize(2).after(end)).items())
            .isEqualTo(head(between(i, rows.size()), 2));
      }
    }
  }

  private static <T> List<T> head(List<T> list, int size) {
    return list.subList(0, Math.min(list.size(), size));
  }

  private static <T> List<T> tail(List<T> list, int size) {
    return list.subList(Math.max(0, list.size() - size), list.size());
  }

  void ranges() {
    for (int count : new int[] {2, rows.size() + 1}) {
      for (CursorBasedRepository<Long> repository : List.of(table, query)) {
        List<KeyRange> ranges = all(repository.ranges(count));
        assertThat(ranges).hasSizeLessThanOrEqualTo(count);
        assertThat(ranges.get(0).after()).isNull();
        assertThat(ranges.get(ranges.size() - 1).upTo()).isNull();
        List<Long> read = new ArrayList<>();
        for (KeyRange range : ranges) {
          read.addAll(read(repository, o -> o.pageSize(3).within(range)));
        }
        assertThat(read).as("%d ranges", count).isEqualTo(between(0, rows.size()));
      }
    }
    int from = rows.size() / 4;
    int to = rows.size() * 3 / 4;
    List<KeyRange> inner =
        all(table.ranges(3, o -> o.after(cursors.get(from)).upTo(cursors.get(to))));
    List<Long> read = new ArrayList<>();
    inner.forEach(range -> read.addAll(read(table, o -> o.within(range))));
    assertThat(read).as("ranges inside bounds").isEqualTo(between(from + 1, to + 1));
  }

  /** Random orders of that many of the given columns. */
  static List<KeyColumn> random(Random random, List<String> columns, int width) {
    List<String> shuffled = new ArrayList<>(columns);
    Collections.shuffle(shuffled, random);
    return IntStream.range(0, width)
        .mapToObj(
            i ->
                new KeyColumn(
                    shuffled.get(i),
                    random.nextBoolean() ? KeyColumn.Direction.ASC : KeyColumn.Direction.DESC,
                    NULLS.get(random.nextInt(3))))
        .toList();
  }
}
