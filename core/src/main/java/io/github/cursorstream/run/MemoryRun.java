package io.github.cursorstream.run;

import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.function.LongConsumer;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;

/**
 * One run of an {@link InMemoryRunStore}: what it holds, and all decisions about it. The store's
 * lock guards it.
 */
final class MemoryRun {

  /** So few attempts say nothing about a run. */
  private static final int FEW = 50;

  private final long id;
  private final NewRun origin;
  private final InstantSource clock;
  private final LongConsumer changed;
  private final Instant createdAt;

  private RunState state;
  private RunParameters parameters;
  private final MemoryWork work = new MemoryWork();
  private final SortedMap<Integer, MemorySlot> slots = new TreeMap<>();
  private final List<DeadLetter> deadLetters = new ArrayList<>();
  private final List<RunEvent> events = new ArrayList<>();
  private final MemoryTelling telling = new MemoryTelling();
  private long logged;

  /** Of the youngest owner of any slot. A slot that comes back must not repeat its past. */
  private long epoch;

  private long rows;
  private long batches;
  private long failures;

  /** What was done and what failed before the last retry does not count against the run. */
  private long batchesBefore;

  private long strikes;
  private @Nullable String gate;
  private @Nullable String error;
  private @Nullable Instant startedAt;
  private @Nullable Instant endedAt;

  /** A slot that can be taken. */
  final class Offer {

    private final MemorySlot slot;

    private Offer(MemorySlot slot) {
      this.slot = slot;
    }

    boolean holdsRange() {
      return slot.range != null;
    }

    MemoryRun run() {
      return MemoryRun.this;
    }

    Instant freeSince() {
      return slot.until;
    }

    Lease take(String owner, Duration lease) {
      if (slot.owner != null) {
        logTakenOver(slot, owner);
      }
      slot.owner = owner;
      slot.epoch = ++epoch;
      slot.until = clock.instant().plus(lease);
      if (slot.range == null) {
        handOut(slot);
      } else {
        slot.attempt++;
      }
      return lease(slot);
    }
  }

  MemoryRun(long id, NewRun origin, InstantSource clock, LongConsumer changed, String who) {
    this.id = id;
    this.origin = origin;
    this.clock = clock;
    this.changed = changed;
    this.createdAt = clock.instant();
    this.state = origin.held() ? RunState.HELD : RunState.ENQUEUED;
    this.parameters = origin.parameters();
    this.gate = origin.gated() ? "" : null;
    log(RunEvent.Type.CREATED, who, null);
  }

  long id() {
    return id;
  }

  String name() {
    return origin.name();
  }

  String kind() {
    return origin.kind();
  }

  boolean isOf(String name, String arguments) {
    return origin.name().equals(name) && origin.arguments().equals(arguments);
  }

  @Nullable String dependsOn() {
    return origin.dependsOn();
  }

  boolean isAlive() {
    return !state.isEnded();
  }

  Run run() {
    return new Run(
        id,
        origin.name(),
        origin.kind(),
        origin.arguments(),
        state,
        parameters,
        origin.dependsOn(),
        gate,
        work.start(),
        work.position(),
        work.tail(),
        work.upper(),
        work.stop(),
        work.ahead(),
        inFlight(),
        work.waiting(),
        rows,
        batches,
        failures,
        deadLetters.size(),
        error,
        createdAt,
        startedAt,
        endedAt);
  }

  List<RunEvent> events(long after) {
    return events.stream().filter(event -> event.id() > after).toList();
  }

  /** The next event to be told, with who may do so; null for none. */
  @Nullable Telling untold(Duration lease) {
    Instant now = clock.instant();
    return !origin.hooked()
        ? null
        : telling
            .next(events, now)
            .map(event -> new Telling(run(), event, telling.take(now, lease)))
            .orElse(null);
  }

  void told(Telling done, String who, @Nullable String failure) {
    if (telling.told(done) && failure != null) {
      log(RunEvent.Type.HOOK_FAILED, who, failure);
    }
  }

  List<DeadLetter> deadLetters() {
    return deadLetters;
  }

  /** Whether it can be forgotten, unless it is the newest of its name. */
  boolean isOver(Instant before) {
    return (state == RunState.SUCCEEDED || state == RunState.CANCELLED)
        && endedAt != null
        && endedAt.isBefore(before);
  }

  /** Tells how much that was. */
  int forgetEvents(Instant before) {
    int known = events.size();
    if (state.isEnded()) {
      events.removeIf(event -> event.at().isBefore(before));
    }
    return known - events.size();
  }

  VerbResult say(Verb verb, String who, @Nullable String why) {
    boolean idle = inFlight() == 0;
    VerbResult result = Transitions.of(state, verb, startedAt != null, idle);
    if (result.kind() != VerbResult.Kind.DONE) {
      return result;
    }
    log(
        Transitions.logged(verb, result.state()),
        who,
        why == null ? verb.name() : verb + ": " + why);
    become(result.state());
    if (verb == Verb.RETRY) {
      batchesBefore = batches;
      strikes = 0;
    }
    boolean forced = verb == Verb.FORCE_PAUSE || verb == Verb.FORCE_CANCEL;
    // Others may still be at work when a run fails; whoever ends it then does not wait for them.
    if (forced || (state.isEnded() && !idle)) {
      takeLeasesAway();
    }
    settle(who);
    return new VerbResult(result.kind(), state, result.reason());
  }

  void change(UnaryOperator<RunParameters> change, String who) {
    RunParameters before = parameters;
    RunParameters after = Objects.requireNonNull(change.apply(before), "change's result");
    if (after.equals(before)) {
      return;
    }
    parameters = after;
    log(RunEvent.Type.CHANGED, who, after.toString());
    if (after.batchSize() != before.batchSize()) {
      work.forgetEnds();
    }
    fitSlots();
  }

  long retryDeadLetters(String who) {
    if (state == RunState.CANCELLED || state == RunState.CANCELLING) {
      throw new IllegalStateException("run " + id + " not cancelled required but it was " + state);
    }
    int count = deadLetters.size();
    if (count > 0) {
      Instant now = clock.instant();
      deadLetters.forEach(letter -> work.again(letter.range(), 0, now));
      deadLetters.clear();
      log(RunEvent.Type.CHANGED, who, "rows that were put aside are handed out again: " + count);
      if (state == RunState.SUCCEEDED) {
        become(RunState.RUNNING);
      }
    }
    return count;
  }

  Remaining remaining() {
    return work.remaining(deadLetters.stream().map(DeadLetter::range).toList());
  }

  /** Null if it was somewhere else. */
  @Nullable VerbResult move(Remaining from, Remaining to, String who, String what) {
    VerbResult allowed = Transitions.ofRemaining(state, startedAt != null, inFlight() == 0);
    if (allowed.kind() == VerbResult.Kind.REFUSED) {
      return allowed;
    }
    if (!remaining().equals(from)) {
      return null;
    }
    work.move(to, clock.instant());
    deadLetters.removeIf(letter -> !to.putAside().contains(letter.range()));
    log(RunEvent.Type.MOVED, who, what);
    settle(who);
    return new VerbResult(allowed.kind(), state, allowed.reason());
  }

  void open(@Nullable String start, @Nullable String end, String who) {
    if (state != RunState.ENQUEUED) {
      return;
    }
    startedAt = clock.instant();
    work.open(start, end);
    log(RunEvent.Type.OPENED, who, null);
    become(RunState.RUNNING);
    fitSlots();
    settle(who);
  }

  void refuse(String why, String who) {
    if (state == RunState.ENQUEUED) {
      error = why;
      become(RunState.FAILED);
      log(RunEvent.Type.FAILED, who, why);
    }
  }

  void extend(Run seen, List<String> found) {
    if (seen.parameters().batchSize() == parameters.batchSize()) {
      work.extend(seen, found);
    }
  }

  /** The slots that can be taken now, by number. */
  List<Offer> offers() {
    Instant now = clock.instant();
    boolean left = work.isThere(now) || (work.isHandedOut() && inFlight() == 0);
    return state != RunState.RUNNING
        ? List.of()
        : slots.values().stream()
            .filter(slot -> slot.isFree(now))
            .filter(slot -> slot.range != null || (left && slot.number <= parameters.consumers()))
            .map(Offer::new)
            .toList();
  }

  /** What was left behind is not done any more if this run is to stop, or has failed. */
  void clearUp(String who) {
    Instant now = clock.instant();
    for (MemorySlot slot : List.copyOf(slots.values())) {
      boolean stops =
          state == RunState.PAUSING || state == RunState.CANCELLING || state == RunState.FAILED;
      if (stops && slot.range != null && slot.isFree(now)) {
        logTakenOver(slot, who);
        slot.attempt++;
        giveBack(slot, who);
      }
    }
  }

  /** How many slots somebody holds. */
  int held(String owner) {
    Instant now = clock.instant();
    return (int) slots.values().stream().filter(slot -> slot.isHeldBy(owner, now)).count();
  }

  boolean isRunning() {
    return state == RunState.RUNNING;
  }

  boolean renew(Lease lease, Duration time) {
    MemorySlot slot = slots.get(lease.number());
    if (slot == null || !slot.isOf(lease)) {
      return false;
    }
    slot.until = clock.instant().plus(time);
    return true;
  }

  void release(Lease lease) {
    MemorySlot slot = slots.get(lease.number());
    if (slot != null && slot.isOf(lease)) {
      giveBack(slot, slot.who());
    }
  }

  private void giveBack(MemorySlot slot, String who) {
    Range range = slot.range;
    if (range != null) {
      work.again(range, slot.attempt - 1, clock.instant());
      slot.hold(null, 0);
      changed.accept(id);
    }
    slot.free(++epoch, clock.instant());
    fitSlots();
    settle(who);
  }

  Lease complete(Lease lease, BatchDone done, Duration time) {
    MemorySlot slot = fenced(lease);
    if (slot.range != null) {
      rows += done.rows();
      if (done.rows() > 0 || done.rest().isEmpty()) {
        batches++;
      }
      again(done.rest());
    }
    return next(slot, time);
  }

  Lease conclude(Lease lease, Conclusion conclusion, Duration time) {
    MemorySlot slot = fenced(lease);
    // Dead letters may have been handed out again meanwhile.
    if (state == RunState.RUNNING && inFlight() == 1 && work.isHandedOut()) {
      gate = conclusion.gate();
      String upper = conclusion.upper();
      if (upper != null) {
        work.beginAgain(upper);
        deadLetters.clear();
      }
      if (conclusion.state() == RunState.FAILED) {
        error = conclusion.why();
      }
      become(conclusion.state());
      RunEvent.Type type =
          switch (state) {
            case SUCCEEDED -> RunEvent.Type.SUCCEEDED;
            case FAILED -> RunEvent.Type.FAILED;
            default -> RunEvent.Type.BEGUN_AGAIN;
          };
      log(type, slot.who(), conclusion.why());
    }
    return next(slot, time);
  }

  Lease fail(Lease lease, BatchFailure failure, Duration time) {
    MemorySlot slot = fenced(lease);
    failures++;
    error = state == RunState.FAILED ? error : failure.error();
    String who = slot.who();
    log(RunEvent.Type.BATCH_FAILED, who, failure.error());
    String reason = putAway(slot.range, slot.attempt, failure, who);
    // One that is pausing or cancelling gets what was asked for; the range waits.
    if (reason != null && state == RunState.RUNNING) {
      become(RunState.FAILED);
      log(RunEvent.Type.FAILED, who, reason);
    }
    return next(slot, time);
  }

  /** Gives back why the run fails with it, or null. */
  private @Nullable String putAway(
      @Nullable Range range, int attempt, BatchFailure failure, String who) {
    Instant now = clock.instant();
    DeadLetter letter = failure.deadLetter();
    boolean overBudget = letter != null && deadLetters.size() >= parameters.deadLetters();
    if (failure.fatal() || overBudget) {
      if (range != null) {
        // As a whole: a part that is put aside as well would be done twice after a retry.
        work.again(range, attempt, now);
      }
      return failure.fatal()
          ? failure.error()
          : "more than " + parameters.deadLetters() + " rows had to be put aside";
    }
    again(failure.again());
    if (letter != null) {
      deadLetters.add(
          new DeadLetter(id, letter.range(), letter.row(), letter.error(), letter.attempts(), now));
      log(RunEvent.Type.DEAD_LETTER, who, letter.error());
    }
    // Looking for a bad row by halving is no strike, or a few such rows would end the run.
    if (failure.again().size() > 1) {
      return null;
    }
    strikes++;
    long attempts = batches - batchesBefore + strikes;
    return attempts >= FEW && 2 * strikes > attempts
        ? strikes + " of " + attempts + " attempts failed"
        : null;
  }

  private void again(List<Again> ranges) {
    Instant now = clock.instant();
    ranges.forEach(each -> work.again(each.range(), each.attempts(), now.plus(each.after())));
  }

  /** The slot, if the lease still has both: the slot, and the batch in it. */
  private MemorySlot fenced(Lease lease) {
    MemorySlot slot = slots.get(lease.number());
    if (slot == null || !slot.isOf(lease) || slot.serial != lease.serial()) {
      throw new LostLeaseException(lease);
    }
    return slot;
  }

  private Lease next(MemorySlot slot, Duration time) {
    String who = slot.who();
    slot.hold(null, 0);
    // Also if nothing was held: who asks again must not complete what the first question brought.
    slot.serial++;
    slot.until = clock.instant().plus(time);
    handOut(slot);
    fitSlots();
    settle(who);
    return lease(slot);
  }

  private void handOut(MemorySlot slot) {
    if (state == RunState.RUNNING && slot.number <= parameters.consumers()) {
      work.handOut(slot, clock.instant(), inFlight() == 0);
      String upper = work.upper();
      if (isConcludable() && upper != null) {
        slot.hold(new Range(upper, upper), 1);
      }
    }
  }

  private void takeLeasesAway() {
    Instant now = clock.instant();
    for (MemorySlot slot : slots.values()) {
      Range range = slot.range;
      if (range != null) {
        work.again(range, slot.attempt - 1, now);
        slot.hold(null, 0);
      }
      slot.free(++epoch, now);
    }
    fitSlots();
  }

  private void fitSlots() {
    if (startedAt == null) {
      return;
    }
    slots.values().removeIf(slot -> slot.number > parameters.consumers() && slot.range == null);
    for (int number = 1; number <= parameters.consumers(); number++) {
      slots.computeIfAbsent(number, n -> new MemorySlot(n, clock.instant()));
    }
  }

  /** What happens by itself when nothing is in flight. */
  private void settle(String who) {
    if (inFlight() > 0) {
      return;
    }
    if (state == RunState.PAUSING) {
      become(RunState.PAUSED);
      log(RunEvent.Type.PAUSED, who, null);
    } else if (state == RunState.CANCELLING) {
      become(RunState.CANCELLED);
      log(RunEvent.Type.CANCELLED, who, null);
    } else if (state == RunState.RUNNING && work.isHandedOut() && !isConcludable()) {
      become(RunState.SUCCEEDED);
      log(RunEvent.Type.SUCCEEDED, who, null);
    }
  }

  /** Whether everything is done, and its kind is to be asked whether that is the end. */
  private boolean isConcludable() {
    return gate != null && work.upper() != null && inFlight() == 0 && work.isHandedOut();
  }

  private void become(RunState next) {
    state = next;
    endedAt = next.isEnded() ? clock.instant() : null;
  }

  private int inFlight() {
    return (int) slots.values().stream().filter(slot -> slot.range != null).count();
  }

  private Lease lease(MemorySlot slot) {
    return new Lease(run(), slot.number, slot.epoch, slot.serial, slot.range, slot.attempt, null);
  }

  private void logTakenOver(MemorySlot slot, String who) {
    log(RunEvent.Type.TAKEN_OVER, who, "consumer " + slot.number + " from " + slot.owner);
  }

  private void log(RunEvent.Type type, String who, @Nullable String detail) {
    events.add(new RunEvent(++logged, id, clock.instant(), type, who, detail));
    changed.accept(id);
  }
}
