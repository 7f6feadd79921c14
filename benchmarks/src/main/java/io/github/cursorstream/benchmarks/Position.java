package io.github.cursorstream.benchmarks;

import static io.github.cursorstream.benchmarks.Goal.atMost;

import io.github.cursorstream.benchmarks.Dataset.Shape;
import io.github.cursorstream.cursor.Cursor;
import io.github.cursorstream.r2dbc.keyset.CursorBasedRepository;
import io.github.cursorstream.r2dbc.keyset.KeyColumn;
import io.github.cursorstream.r2dbc.keyset.Keyset;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.stream.Stream;
import reactor.core.publisher.Flux;

/** What a row takes at the end of a table, against the beginning. */
final class Position implements Group {

  private static final String RACE = "position in the table";

  /** A hundredth of a table is read so many times in a pass. */
  private static final int TIMES = 25;

  /** A way to order a table. */
  private enum Form {
    NUMBER("a number", Shape.MIXED, "id"),
    COMPOSITE("two numbers", Shape.COMPOSITE, "quantity, id"),
    UP_AND_DOWN("two, the second down", Shape.COMPOSITE, "quantity, id DESC"),
    RANDOM("a random UUID", Shape.RANDOM, "reference");

    final String title;
    final Shape shape;
    final String order;

    Form(String title, Shape shape, String order) {
      this.title = title;
      this.shape = shape;
      this.order = order;
    }

    String first() {
      return title + ": first 1 %";
    }

    String last() {
      return title + ": last 1 %";
    }
  }

  @Override
  public String name() {
    return "position";
  }

  @Override
  public void run(Lab lab) throws Exception {
    Dataset composite = lab.dataset(Shape.COMPOSITE, lab.rows());
    lab.database()
        .execute(
            "CREATE INDEX IF NOT EXISTS up_and_down ON "
                + composite.table()
                + " (quantity, id DESC)",
            "VACUUM ANALYZE " + composite.table());
    List<Contender> contenders = new ArrayList<>();
    for (Form form : Form.values()) {
      Dataset data = lab.dataset(form.shape, lab.rows());
      long part = lab.rows() / 100;
      contenders.add(contender(lab, form, data, true, part));
      contenders.add(contender(lab, form, data, false, part));
    }
    new Race(RACE, contenders).run(lab);
  }

  private static Contender contender(Lab lab, Form form, Dataset data, boolean first, long part) {
    long skipped = first ? 0 : data.total().rows() - part;
    Total expected =
        Dataset.total(
            lab.database(),
            data.shape(),
            "(SELECT * FROM %s ORDER BY %s OFFSET %d LIMIT %d) AS part"
                .formatted(data.table(), form.order, skipped, part));
    Cursor cut = cursor(lab, form, data, first ? part : skipped);
    return new Contender(
            first ? form.first() : form.last(),
            expected,
            target -> {
              CursorBasedRepository<Item> items =
                  CursorBasedRepository.create(
                      target.pool(2), keyset(form, data), data.shape()::map);
              Flux<Item> rows =
                  items.cursorBasedStream(o -> (first ? o.upTo(cut) : o.after(cut)).prefetch(1));
              return () -> Total.of(rows);
            })
        .times(TIMES);
  }

  private static Keyset keyset(Form form, Dataset data) {
    return Keyset.table(data.table())
        .select(data.shape().columns().split(", "))
        .orderBy(
            Stream.of(form.order.split(", "))
                .map(
                    column ->
                        column.endsWith(" DESC")
                            ? KeyColumn.desc(column.replace(" DESC", ""))
                            : KeyColumn.asc(column))
                .toArray(KeyColumn[]::new));
  }

  /** Of the row with this number. */
  private static Cursor cursor(Lab lab, Form form, Dataset data, long number) {
    List<String> columns = List.of(form.order.replace(" DESC", "").split(", "));
    var values =
        lab.database()
            .query(
                "SELECT %s FROM %s ORDER BY %s OFFSET %d LIMIT 1"
                    .formatted(String.join(", ", columns), data.table(), form.order, number - 1))
            .get(0);
    Cursor cursor = null;
    for (int i = 0; i < columns.size(); i++) {
      cursor =
          cursor == null
              ? Cursor.of(columns.get(i), values.get(i))
              : cursor.and(columns.get(i), values.get(i));
    }
    return Objects.requireNonNull(cursor);
  }

  @Override
  public List<Goal> goals(Lab lab) {
    List<Goal> goals = new ArrayList<>();
    for (Form form : Form.values()) {
      String what = "last 1 %% against first 1 %%, by %s: ".formatted(form.title);
      goals.add(atMost(1.05, what + "buffers", Goal.buffers(RACE, form.last(), form.first())));
      goals.add(
          atMost(
              1.05,
              what + "client CPU",
              Goal.ratio(RACE, form.last(), form.first(), Cost::clientCpu)));
      goals.add(atMost(1.15, what + "wall", Goal.wall(RACE, form.last(), form.first())));
    }
    return goals;
  }
}
