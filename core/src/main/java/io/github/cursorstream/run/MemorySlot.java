package io.github.cursorstream.run;

import java.time.Instant;
import org.jspecify.annotations.Nullable;

/** One consumer of a {@link MemoryRun}, which alone changes it. */
final class MemorySlot {

  final int number;
  @Nullable String owner;
  long epoch;
  long serial;

  /** When the lease ends; without an owner, when the slot became free. */
  Instant until;

  @Nullable Range range;
  int attempt;

  MemorySlot(int number, Instant now) {
    this.number = number;
    this.until = now;
  }

  boolean isFree(Instant now) {
    return owner == null || !until.isAfter(now);
  }

  boolean isHeldBy(String who, Instant now) {
    return who.equals(owner) && !isFree(now);
  }

  boolean isOf(Lease lease) {
    return owner != null && epoch == lease.epoch();
  }

  String who() {
    return owner == null ? "consumer " + number : owner;
  }

  void hold(@Nullable Range next, int begun) {
    range = next;
    attempt = begun;
  }

  void free(long next, Instant now) {
    owner = null;
    epoch = next;
    until = now;
  }
}
