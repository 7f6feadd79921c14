package io.github.cursorstream.r2dbc.store;

import io.github.cursorstream.run.DeadLetter;
import io.github.cursorstream.run.Lease;
import io.github.cursorstream.run.Range;
import io.github.cursorstream.run.Remaining;
import io.github.cursorstream.run.Run;
import io.github.cursorstream.run.RunEvent;
import io.github.cursorstream.run.RunParameters;
import io.github.cursorstream.run.RunState;
import io.github.cursorstream.run.Telling;
import io.r2dbc.spi.Row;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Objects;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/** What the store's tables hold, as values. */
final class Rows {

  private Rows() {}

  static Run run(Row row) {
    return new Run(
        number(row, "id"),
        text(row, "name"),
        text(row, "kind"),
        text(row, "arguments"),
        RunState.valueOf(text(row, "state")),
        new RunParameters(
            integer(row, "batch_size"),
            integer(row, "consumers"),
            millis(row, "pause_ms"),
            Objects.requireNonNull(row.get("rows_per_second", Double.class)),
            integer(row, "attempts"),
            millis(row, "min_backoff_ms"),
            millis(row, "max_backoff_ms"),
            integer(row, "dead_letter_budget"),
            millis(row, "timeout_ms")),
        row.get("depends_on", String.class),
        row.get("gate", String.class),
        row.get("start", String.class),
        row.get("position", String.class),
        row.get("tail", String.class),
        row.get("upper", String.class),
        stop(row),
        texts(row, "ends").length,
        integer(row, "in_flight"),
        integer(row, "waiting"),
        number(row, "rows"),
        number(row, "batches"),
        number(row, "failures"),
        integer(row, "dead_letters"),
        row.get("error", String.class),
        Objects.requireNonNull(row.get("created_at", Instant.class)),
        row.get("started_at", Instant.class),
        row.get("ended_at", Instant.class));
  }

  private static @Nullable String stop(Row row) {
    String[] skipped = texts(row, "skip_after");
    int passed = integer(row, "skips_passed");
    return passed < skipped.length ? skipped[passed] : row.get("upper", String.class);
  }

  static Remaining remaining(Row row) {
    return new Remaining(
        row.get("position", String.class),
        ranges(row, "skip"),
        integer(row, "skips_passed"),
        ranges(row, "waiting"),
        ranges(row, "letter"));
  }

  private static List<Range> ranges(Row row, String name) {
    String[] afters = texts(row, name + "_after");
    String[] upTos = texts(row, name + "_upto");
    return IntStream.range(0, upTos.length).mapToObj(i -> new Range(afters[i], upTos[i])).toList();
  }

  private static String[] texts(Row row, String column) {
    return Objects.requireNonNull(row.get(column, String[].class), column);
  }

  static Lease lease(Row row) {
    return lease(row, run(row));
  }

  /** Of an owner that was told of the run before: the row leaves it out unless it was steered. */
  static Lease lease(Row row, Run told) {
    return new Lease(
        row.get("id") == null ? told : run(row),
        integer(row, "number"),
        number(row, "epoch"),
        number(row, "serial"),
        range(row, "after", "upto"),
        integer(row, "attempt"),
        range(row, "next_after", "next_upto"));
  }

  private static @Nullable Range range(Row row, String after, String upTo) {
    String end = row.get(upTo, String.class);
    return end == null ? null : new Range(row.get(after, String.class), end);
  }

  static RunEvent event(Row row) {
    return event(row, number(row, "id"), number(row, "run"));
  }

  static Telling telling(Row row) {
    Run run = run(row);
    return new Telling(run, event(row, number(row, "event"), run.id()), integer(row, "telling"));
  }

  private static RunEvent event(Row row, long id, long run) {
    return new RunEvent(
        id,
        run,
        Objects.requireNonNull(row.get("at", Instant.class)),
        RunEvent.Type.valueOf(text(row, "type")),
        text(row, "who"),
        row.get("detail", String.class));
  }

  static DeadLetter deadLetter(Row row) {
    return new DeadLetter(
        number(row, "run"),
        new Range(row.get("after", String.class), text(row, "upto")),
        row.get("row", String.class),
        text(row, "error"),
        integer(row, "attempts"),
        row.get("at", Instant.class));
  }

  static long number(Row row, String column) {
    return Objects.requireNonNull(row.get(column, Long.class), column);
  }

  private static int integer(Row row, String column) {
    return Objects.requireNonNull(row.get(column, Integer.class), column);
  }

  private static String text(Row row, String column) {
    return Objects.requireNonNull(row.get(column, String.class), column);
  }

  private static Duration millis(Row row, String column) {
    return Duration.ofMillis(number(row, column));
  }
}
