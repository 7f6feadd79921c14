package io.github.cursorstream.r2dbc.backfill;

import io.github.cursorstream.cursor.Cursor;
import io.github.cursorstream.r2dbc.keyset.KeyRange;
import io.github.cursorstream.run.Range;
import io.github.cursorstream.run.Remaining;
import io.github.cursorstream.run.Run;
import io.github.cursorstream.run.RunHandle;
import io.github.cursorstream.run.Transitions;
import io.github.cursorstream.run.VerbResult;
import io.github.cursorstream.run.VerbResult.Kind;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import reactor.core.publisher.Mono;

/**
 * A run of a backfill in somebody's hand, to say by keys what is to be done. Each verb does it,
 * says that there was nothing to do, or refuses with the reason: while batches are in flight (pause
 * the run, and wait until it is paused), before it has begun, and once it has ended, but by a
 * failure.
 */
public final class BackfillHandle {

  private final String kind;
  private final TableSource<?> source;
  private final RunHandle run;

  /** Where the work is to be. */
  @FunctionalInterface
  private interface Plan {
    Remaining of(Run run, Moves moves);
  }

  BackfillHandle(String kind, TableSource<?> source, RunHandle run) {
    this.kind = kind;
    this.source = source;
    this.run = run;
  }

  /**
   * For everything that needs no keys.
   *
   * @return the same run
   */
  public RunHandle run() {
    return run;
  }

  /**
   * Hands the keys of a range out no more: neither those that were not yet, nor those that wait to
   * be done again, nor in another pass; {@link Backfill#verify} and {@link Backfill#untilCaughtUp}
   * do not look at them. What was done stays done.
   *
   * @param range to be skipped; without a beginning from the run's, without an end up to the run's
   * @param why for the log, or null
   * @return what it did
   */
  public Mono<VerbResult> skip(KeyRange range, @Nullable String why) {
    String what = "skip (" + text(range.after()) + ", " + text(range.upTo()) + "]";
    return Mono.zip(position(range.after()), position(range.upTo()))
        .flatMap(
            ends -> {
              String first = ends.getT1().orElse(null);
              String last = ends.getT2().orElse(null);
              Plan plan = (now, moves) -> skip(now, moves, first, last);
              return moved(what, why, "nothing of it would be handed out", plan, first, last);
            });
  }

  private static Remaining skip(
      Run run, Moves moves, @Nullable String first, @Nullable String last) {
    RangeOrder order = moves.order();
    String upper = Objects.requireNonNull(run.upper());
    String upTo = last != null && order.isBefore(last, upper) ? last : upper;
    @Nullable String after = order.later(first, run.start());
    return order.isBefore(after, upTo)
        ? moves.skip(new Range(after, upTo), run.gate() != null)
        : moves.from();
  }

  /**
   * Goes back: everything of the run behind the cursor is handed out again, once, whether it was
   * done, waits to be done again, was put aside, or was skipped.
   *
   * @param cursor exclusive
   * @param why for the log, or null
   * @return what it did
   */
  public Mono<VerbResult> rewind(Cursor cursor, @Nullable String why) {
    Objects.requireNonNull(cursor, "cursor");
    return source
        .batches()
        .position(cursor)
        .flatMap(
            place -> {
              Plan plan = (now, moves) -> moves.rewind(moves.order().later(place, now.start()));
              String nothing = "nothing behind it was handed out";
              return moved("rewind to " + cursor, why, nothing, plan, place);
            });
  }

  private Mono<Optional<String>> position(@Nullable Cursor cursor) {
    return cursor == null
        ? Mono.just(Optional.empty())
        : source.batches().position(cursor).map(Optional::of);
  }

  private static String text(@Nullable Cursor cursor) {
    return cursor == null ? "" : cursor.toString();
  }

  private Mono<VerbResult> moved(
      String what, @Nullable String why, String nothing, Plan plan, @Nullable String... positions) {
    String detail = why == null ? what : what + ": " + why;
    return run.run()
        .switchIfEmpty(
            Mono.error(
                () ->
                    new IllegalArgumentException(
                        "a run of the store required but there is none with id " + run.id())))
        .flatMap(
            now -> {
              if (!now.kind().equals(kind)) {
                return Mono.error(
                    new IllegalArgumentException(
                        "a run of the backfill \""
                            + kind
                            + "\" required but run "
                            + now.id()
                            + " is of \""
                            + now.kind()
                            + '"'));
              }
              VerbResult allowed =
                  Transitions.ofRemaining(now.state(), now.isOpened(), now.inFlight() == 0);
              return allowed.isAccepted()
                  ? run.remaining()
                      .flatMap(work -> moved(now, work, detail, nothing, plan, positions))
                  : Mono.just(allowed);
            })
        // It went on between the looks: as it is now.
        .repeatWhenEmpty(turns -> turns);
  }

  private Mono<VerbResult> moved(
      Run now,
      Remaining work,
      String detail,
      String nothing,
      Plan plan,
      @Nullable String... positions) {
    List<@Nullable String> others = new ArrayList<>(Arrays.asList(positions));
    others.addAll(Arrays.asList(now.start(), now.upper(), work.position()));
    List<Range> ranges =
        Stream.of(work.skipped(), work.waiting(), work.putAside()).flatMap(List::stream).toList();
    return RangeOrder.of(source, ranges, others)
        .map(order -> plan.of(now, new Moves(order, work)))
        .flatMap(
            to ->
                to.equals(work)
                    ? Mono.just(new VerbResult(Kind.NOTHING_TO_DO, now.state(), nothing))
                    : run.move(work, to, detail));
  }
}
