package io.github.cursorstream.run;

import java.time.Duration;
import java.util.Objects;
import java.util.concurrent.ThreadLocalRandom;
import org.jspecify.annotations.Nullable;

/**
 * How a node takes part in runs.
 *
 * @param owner how the log and other nodes call this node; defaults to the process id and a random
 *     number
 * @param maxConsumers how many slots it works on at a time, over all runs; each may take a
 *     connection; defaults to 4, or to one less than the pool has, if that is known and less
 * @param lease after how long without a sign of life another node takes a slot over; defaults to 10
 *     s
 * @param poll how often it looks for work that it was not told of, at least three times per lease;
 *     defaults to 500 ms
 * @param retention the age from which on this node makes the store {@link RunStore#purge forget}
 *     ended runs and their events; null to keep them for ever; defaults to 30 days
 */
public record RunnerOptions(
    String owner, int maxConsumers, Duration lease, Duration poll, @Nullable Duration retention) {

  /**
   * Checks the values.
   *
   * @param owner how the log and other nodes call this node; defaults to the process id and a
   *     random number
   * @param maxConsumers how many slots it works on at a time, over all runs; each may take a
   *     connection; defaults to 4, or to one less than the pool has, if that is known and less
   * @param lease after how long without a sign of life another node takes a slot over; defaults to
   *     10 s
   * @param poll how often it looks for work that it was not told of, at least three times per
   *     lease; defaults to 500 ms
   * @param retention the age from which on this node makes the store {@link RunStore#purge forget}
   *     ended runs and their events; null to keep them for ever; defaults to 30 days
   */
  public RunnerOptions {
    Objects.requireNonNull(owner, "owner");
    if (maxConsumers < 1) {
      throw new IllegalArgumentException("maxConsumers >= 1 required but it was " + maxConsumers);
    }
    if (poll.toMillis() < 1) {
      throw new IllegalArgumentException("poll >= 1 ms required but it was " + poll);
    }
    if (lease.toMillis() < 100) {
      throw new IllegalArgumentException("lease >= 100 ms required but it was " + lease);
    }
    if (retention != null && retention.toMillis() < 100) {
      throw new IllegalArgumentException("retention >= 100 ms required but it was " + retention);
    }
  }

  static RunnerOptions defaults(int mostConsumers) {
    String owner =
        ProcessHandle.current().pid()
            + "-"
            + Integer.toHexString(ThreadLocalRandom.current().nextInt());
    return new RunnerOptions(
        owner,
        Math.max(1, Math.min(4, mostConsumers)),
        Duration.ofSeconds(10),
        Duration.ofMillis(500),
        Duration.ofDays(30));
  }

  /**
   * Another name of the node.
   *
   * @param name unique among the nodes
   * @return the rest as it was
   */
  public RunnerOptions owner(String name) {
    return new RunnerOptions(name, maxConsumers, lease, poll, retention);
  }

  /**
   * Another share of the work.
   *
   * @param count at least 1, less than the size of the connection pool
   * @return the rest as it was
   */
  public RunnerOptions maxConsumers(int count) {
    return new RunnerOptions(owner, count, lease, poll, retention);
  }

  /**
   * Another lease. Signs of life are given three times as often.
   *
   * @param time at least 100 ms
   * @return the rest as it was
   */
  public RunnerOptions lease(Duration time) {
    return new RunnerOptions(owner, maxConsumers, time, poll, retention);
  }

  /**
   * Another interval of looking for work.
   *
   * @param interval at least 1 ms
   * @return the rest as it was
   */
  public RunnerOptions poll(Duration interval) {
    return new RunnerOptions(owner, maxConsumers, lease, interval, retention);
  }

  /**
   * Another age at which ended runs are forgotten. The node looks for them every hour, or ten times
   * in that age if it is shorter.
   *
   * @param age at least 100 ms; null to keep them for ever, as far as this node is concerned
   * @return the rest as it was
   */
  public RunnerOptions retention(@Nullable Duration age) {
    return new RunnerOptions(owner, maxConsumers, lease, poll, age);
  }
}
