package io.github.cursorstream.run;

import java.time.Duration;
import org.jspecify.annotations.Nullable;

/**
 * How far a run is, how fast, and how long it may still take. What is not known is null, never a
 * guess.
 *
 * <p><b>Share.</b> The kind says how much of the way from start to end has been handed out; for a
 * table by the planner's statistics of the key's first column, as good as the last ANALYZE and in
 * steps of a hundredth for types that PostgreSQL does not interpolate, such as uuid. Of that counts
 * what is completed, {@code completed / (completed + in flight + waiting)}, in batches of whatever
 * size; rows that were put aside are completed. It is below 1 until the run has succeeded, and
 * while one subscription of {@link RunHandle#progress()} lasts and the run is running it does not
 * fall: if statistics change so that less is done than was said, it waits. Only where the run
 * begins another pass over its rows it begins anew too.
 *
 * <p><b>Time left.</b> {@code (1 - share) / speed}, by the fastest and the slowest speed of the
 * last five minutes (of the last twelve steps of the share, where those took longer). These are cut
 * into six parts of as many steps each: if the parts vary by chance, the median of the speed is
 * between their extremes with a probability of {@code 1 - 2 / 2^6}, 97 % (the sign test's interval,
 * of the order statistics). A step was made between two looks, so the fastest takes the shortest
 * and the slowest the longest time that it may have taken; a standstill makes that longer. The
 * interval does not know of what comes, nor of errors of the share. It is null while nothing is to
 * be done (held, paused, zero consumers), and begins anew when consumers, pause or rate are
 * changed.
 *
 * @param state where the run is in its life
 * @param share of the work that is done, 0 to 1, and 1 only if it has succeeded; null if the way is
 *     not measured: the table was never analyzed, or the code of the kind is not here
 * @param rows what the work counted, in batches that were completed
 * @param batches how many were completed
 * @param rowsPerSecond in the last quarter of the same five minutes; null if it is not known
 * @param atLeast the shortest time left; null if it is not known
 * @param atMost the longest time left; null if it is not known
 */
public record Progress(
    RunState state,
    @Nullable Double share,
    long rows,
    long batches,
    @Nullable Double rowsPerSecond,
    @Nullable Duration atLeast,
    @Nullable Duration atMost) {}
