package io.github.cursorstream.run;

import java.time.Instant;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.Iterator;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/** What of a {@link MemoryRun}'s work is still to be handed out. */
final class MemoryWork {

  private @Nullable String start;
  private @Nullable String position;
  private @Nullable String tail;
  private @Nullable String upper;

  /** Of batches to come: from behind the position, up to the tail. */
  private final Deque<String> ends = new ArrayDeque<>();

  private final List<Waiting> waiting = new ArrayList<>();

  /** What is never handed out, in order, and how many of these the position has passed. */
  private List<Range> skipped = List.of();

  private int passed;

  /**
   * A range to be done again.
   *
   * @param attempts how often it has been begun so far
   */
  private record Waiting(Range range, int attempts, Instant due) {

    boolean isDue(Instant now) {
      return !due.isAfter(now);
    }
  }

  @Nullable String start() {
    return start;
  }

  @Nullable String position() {
    return position;
  }

  @Nullable String tail() {
    return tail;
  }

  @Nullable String upper() {
    return upper;
  }

  /** How far ends are looked for. */
  @Nullable String stop() {
    return passed < skipped.size() ? skipped.get(passed).after() : upper;
  }

  int ahead() {
    return ends.size();
  }

  int waiting() {
    return waiting.size();
  }

  void open(@Nullable String first, @Nullable String end) {
    start = first;
    position = first;
    tail = first;
    upper = Objects.equals(end, first) ? null : end;
  }

  /** Up to another end. */
  void beginAgain(String end) {
    open(start, end);
    ends.clear();
    passed = 0;
    passSkipped();
  }

  Remaining remaining(List<Range> putAside) {
    return new Remaining(
        position, skipped, passed, waiting.stream().map(Waiting::range).toList(), putAside);
  }

  void move(Remaining to, Instant now) {
    position = to.position();
    skipped = to.skipped();
    passed = to.passed();
    forgetEnds();
    waiting.removeIf(again -> !to.waiting().contains(again.range()));
    List<Range> kept = waiting.stream().map(Waiting::range).toList();
    to.waiting().stream()
        .filter(range -> !kept.contains(range))
        .forEach(range -> again(range, 0, now));
  }

  private void passSkipped() {
    while (passed < skipped.size() && Objects.equals(position, skipped.get(passed).after())) {
      position = skipped.get(passed).upTo();
      tail = position;
      passed++;
    }
  }

  void extend(Run seen, List<String> found) {
    if (!hasMore() || !Objects.equals(seen.tail(), tail) || !Objects.equals(seen.stop(), stop())) {
      return;
    }
    if (found.isEmpty()) {
      upper = tail;
    } else {
      ends.addAll(found);
      tail = ends.getLast();
    }
  }

  void forgetEnds() {
    ends.clear();
    tail = position;
  }

  void again(Range range, int attempts, Instant due) {
    waiting.add(new Waiting(range, attempts, due));
  }

  /** Whether a slot is worth taking: to do something, or to find what is to be done. */
  boolean isThere(Instant now) {
    return !ends.isEmpty() || hasMore() || waiting.stream().anyMatch(again -> again.isDue(now));
  }

  /** Whether everything has been handed out. */
  boolean isHandedOut() {
    return waiting.isEmpty() && (upper == null || upper.equals(position));
  }

  /**
   * Puts the next range into a slot, if there is one now. What is to be done again comes first.
   *
   * @param alone whether no other slot holds one
   */
  void handOut(MemorySlot slot, Instant now, boolean alone) {
    for (Iterator<Waiting> each = waiting.iterator(); each.hasNext(); ) {
      Waiting again = each.next();
      // The empty range is a conclusion to be drawn, when nothing else is left.
      boolean turn = !again.range().isEmpty() || (alone && waiting.size() == 1);
      if (turn && again.isDue(now)) {
        each.remove();
        slot.hold(again.range(), again.attempts() + 1);
        return;
      }
    }
    String end = ends.poll();
    if (end != null) {
      slot.hold(new Range(position, end), 1);
      position = end;
      passSkipped();
    }
  }

  private boolean hasMore() {
    String stop = stop();
    return stop != null && !stop.equals(tail);
  }
}
