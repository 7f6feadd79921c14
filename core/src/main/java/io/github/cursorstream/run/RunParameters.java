package io.github.cursorstream.run;

import java.time.Duration;
import java.util.Objects;

/**
 * What can be changed while a {@link Run} runs. A change is felt with the next batch of each
 * consumer.
 *
 * @param batchSize the most keys that one batch covers; defaults to 1,000
 * @param consumers how many batches are worked on at a time, over all nodes; 0 for none; defaults
 *     to 1
 * @param pause how long a consumer rests between its batches; defaults to none
 * @param rowsPerSecond the most keys that all consumers together take, on average; 0 for no limit,
 *     which is the default
 * @param attempts how often a batch is tried as a whole before its bad row is looked for; defaults
 *     to 3
 * @param minBackoff how long a failed batch waits for its second attempt, doubled each time;
 *     defaults to 1 s
 * @param maxBackoff the longest such wait; defaults to 1 min
 * @param deadLetters how many rows may be put aside before the run fails; defaults to 0: the first
 *     row that keeps failing fails the run, which keeps its place
 * @param timeout how long the work of a batch may take; in a transaction each of its statements
 *     too; defaults to 1 min
 */
public record RunParameters(
    int batchSize,
    int consumers,
    Duration pause,
    double rowsPerSecond,
    int attempts,
    Duration minBackoff,
    Duration maxBackoff,
    int deadLetters,
    Duration timeout) {

  /** What holds if nothing is said. */
  public static final RunParameters DEFAULTS =
      new RunParameters(
          1000,
          1,
          Duration.ZERO,
          0,
          3,
          Duration.ofSeconds(1),
          Duration.ofMinutes(1),
          0,
          Duration.ofMinutes(1));

  /**
   * Checks the values.
   *
   * @param batchSize the most keys that one batch covers; defaults to 1,000
   * @param consumers how many batches are worked on at a time, over all nodes; 0 for none; defaults
   *     to 1
   * @param pause how long a consumer rests between its batches; defaults to none
   * @param rowsPerSecond the most keys that all consumers together take, on average; 0 for no
   *     limit, which is the default
   * @param attempts how often a batch is tried as a whole before its bad row is looked for;
   *     defaults to 3
   * @param minBackoff how long a failed batch waits for its second attempt, doubled each time;
   *     defaults to 1 s
   * @param maxBackoff the longest such wait; defaults to 1 min
   * @param deadLetters how many rows may be put aside before the run fails; defaults to 0: the
   *     first row that keeps failing fails the run, which keeps its place
   * @param timeout how long the work of a batch may take; in a transaction each of its statements
   *     too; defaults to 1 min
   * @throws IllegalArgumentException if one is out of its range
   */
  public RunParameters {
    atLeast("batchSize", 1, batchSize);
    atLeast("consumers", 0, consumers);
    atLeast("attempts", 1, attempts);
    atLeast("deadLetters", 0, deadLetters);
    notNegative("pause", pause);
    notNegative("minBackoff", minBackoff);
    notNegative("timeout", timeout);
    if (!(rowsPerSecond >= 0) || Double.isInfinite(rowsPerSecond)) {
      throw new IllegalArgumentException(
          "rowsPerSecond >= 0 required (0 for no limit) but it was " + rowsPerSecond);
    }
    if (timeout.toMillis() < 1) {
      throw new IllegalArgumentException("timeout >= 1 ms required but it was " + timeout);
    }
    if (maxBackoff.compareTo(minBackoff) < 0) {
      throw new IllegalArgumentException(
          "maxBackoff >= minBackoff required but they were " + maxBackoff + " and " + minBackoff);
    }
  }

  private static void atLeast(String name, int least, int value) {
    if (value < least) {
      throw new IllegalArgumentException(name + " >= " + least + " required but it was " + value);
    }
  }

  private static void notNegative(String name, Duration value) {
    if (Objects.requireNonNull(value, name).isNegative()) {
      throw new IllegalArgumentException(name + " >= 0 required but it was " + value);
    }
  }

  /**
   * Another batch size.
   *
   * @param keys at least 1
   * @return the rest as it was
   */
  public RunParameters batchSize(int keys) {
    return new RunParameters(
        keys,
        consumers,
        pause,
        rowsPerSecond,
        attempts,
        minBackoff,
        maxBackoff,
        deadLetters,
        timeout);
  }

  /**
   * Another number of consumers.
   *
   * @param count at least 0
   * @return the rest as it was
   */
  public RunParameters consumers(int count) {
    return new RunParameters(
        batchSize,
        count,
        pause,
        rowsPerSecond,
        attempts,
        minBackoff,
        maxBackoff,
        deadLetters,
        timeout);
  }

  /**
   * Another rest between batches.
   *
   * @param rest not negative
   * @return the rest as it was
   */
  public RunParameters pause(Duration rest) {
    return new RunParameters(
        batchSize,
        consumers,
        rest,
        rowsPerSecond,
        attempts,
        minBackoff,
        maxBackoff,
        deadLetters,
        timeout);
  }

  /**
   * Another cap on the rate.
   *
   * @param rows 0 for no limit
   * @return the rest as it was
   */
  public RunParameters rowsPerSecond(double rows) {
    return new RunParameters(
        batchSize, consumers, pause, rows, attempts, minBackoff, maxBackoff, deadLetters, timeout);
  }

  /**
   * Another number of attempts.
   *
   * @param count at least 1
   * @return the rest as it was
   */
  public RunParameters attempts(int count) {
    return new RunParameters(
        batchSize,
        consumers,
        pause,
        rowsPerSecond,
        count,
        minBackoff,
        maxBackoff,
        deadLetters,
        timeout);
  }

  /**
   * Other waits before a batch is tried again: the first, doubled each time up to the longest.
   *
   * @param min not negative
   * @param max not less
   * @return the rest as it was
   */
  public RunParameters backoff(Duration min, Duration max) {
    return new RunParameters(
        batchSize, consumers, pause, rowsPerSecond, attempts, min, max, deadLetters, timeout);
  }

  /**
   * Another budget of rows that are put aside.
   *
   * @param rows at least 0
   * @return the rest as it was
   */
  public RunParameters deadLetters(int rows) {
    return new RunParameters(
        batchSize,
        consumers,
        pause,
        rowsPerSecond,
        attempts,
        minBackoff,
        maxBackoff,
        rows,
        timeout);
  }

  /**
   * Another time limit of a batch.
   *
   * @param limit at least 1 ms
   * @return the rest as it was
   */
  public RunParameters timeout(Duration limit) {
    return new RunParameters(
        batchSize,
        consumers,
        pause,
        rowsPerSecond,
        attempts,
        minBackoff,
        maxBackoff,
        deadLetters,
        limit);
  }

  /**
   * How long a batch waits that has failed.
   *
   * @param failed how often it has, at least 1
   * @return {@code min(maxBackoff, minBackoff · 2^(failed − 1))}
   */
  public Duration backoff(int failed) {
    double factor = Math.pow(2, Math.max(0, failed - 1));
    double millis =
        Math.min((double) maxBackoff.toMillis(), (double) minBackoff.toMillis() * factor);
    return Duration.ofMillis((long) millis);
  }
}
