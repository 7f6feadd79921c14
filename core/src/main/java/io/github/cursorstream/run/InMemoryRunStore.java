package io.github.cursorstream.run;

import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import java.util.function.Predicate;
import java.util.function.Supplier;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;
import reactor.core.publisher.Flux;
import reactor.core.publisher.Mono;
import reactor.core.publisher.Sinks;
import reactor.core.publisher.Sinks.EmitFailureHandler;
import reactor.core.scheduler.Scheduler;
import reactor.core.scheduler.Schedulers;

/**
 * Runs in the memory of one process: for tests, for scripts, and for databases that have no store
 * of their own. What it holds is gone with the process.
 *
 * <p>It keeps every run that was ever created, until {@link #purge} forgets it. Every answer is
 * given on the thread that subscribes; none waits for anything but the other callers' few steps in
 * memory.
 */
public final class InMemoryRunStore implements RunStore {

  /** Another thread that tells of a change is done by then. */
  private static final Duration MOMENT = Duration.ofSeconds(1);

  private final InstantSource clock;

  /** By id. Guards itself, and all that it holds. */
  private final SortedMap<Long, MemoryRun> runs = new TreeMap<>();

  /** Guarded by the runs. */
  private final MemoryNodes nodes;

  /** What was changed and is not told yet. Guarded by the runs. */
  private final List<Long> changed = new ArrayList<>();

  private final Sinks.Many<Long> changes = Sinks.many().multicast().directBestEffort();

  private InMemoryRunStore(Scheduler clock) {
    this.clock = () -> Instant.EPOCH.plusNanos(clock.now(TimeUnit.NANOSECONDS));
    this.nodes = new MemoryNodes(this.clock, runs.values());
  }

  /**
   * An empty store that goes by the clock of {@link Schedulers#parallel()}.
   *
   * @return the store
   */
  public static InMemoryRunStore create() {
    return create(Schedulers.parallel());
  }

  /**
   * An empty store.
   *
   * @param clock whose time it goes by, for example a virtual one's; nothing is scheduled on it
   * @return the store
   */
  public static InMemoryRunStore create(Scheduler clock) {
    return new InMemoryRunStore(Objects.requireNonNull(clock, "clock"));
  }

  @Override
  public Mono<Run> create(NewRun run, String who) {
    Objects.requireNonNull(run, "run");
    Objects.requireNonNull(who, "who");
    return one(
        () ->
            living(run.name(), run.arguments())
                .orElseGet(
                    () -> {
                      long id = runs.isEmpty() ? 1 : runs.lastKey() + 1;
                      MemoryRun created = new MemoryRun(id, run, clock, changed::add, who);
                      runs.put(id, created);
                      return created;
                    })
                .run());
  }

  @Override
  public Mono<Run> find(long id) {
    return one(
        () -> {
          MemoryRun found = runs.get(id);
          return found == null ? null : found.run();
        });
  }

  @Override
  public Mono<Run> latest(String name) {
    Objects.requireNonNull(name, "name");
    return some(run -> run.name().equals(name)).takeLast(1).next();
  }

  @Override
  public Flux<Run> runs() {
    return some(run -> true);
  }

  @Override
  public Mono<VerbResult> say(long run, Verb verb, String who, @Nullable String why) {
    Objects.requireNonNull(verb, "verb");
    Objects.requireNonNull(who, "who");
    return one(
        () -> {
          MemoryRun said = existing(run);
          Run now = said.run();
          // A failed run has ended, so that another of its name may live by now.
          MemoryRun other =
              verb == Verb.RETRY && now.state() == RunState.FAILED
                  ? living(now.name(), now.arguments()).orElse(null)
                  : null;
          return other == null
              ? said.say(verb, who, why)
              : new VerbResult(
                  VerbResult.Kind.REFUSED,
                  now.state(),
                  "run " + other.id() + " of the same name and arguments has taken its place");
        });
  }

  @Override
  public Mono<Run> change(long run, UnaryOperator<RunParameters> change, String who) {
    Objects.requireNonNull(change, "change");
    Objects.requireNonNull(who, "who");
    return one(
        () -> {
          MemoryRun changed = existing(run);
          changed.change(change, who);
          return changed.run();
        });
  }

  @Override
  public Flux<RunEvent> events(long run, long after) {
    return many(() -> known(run).map(known -> known.events(after)).orElse(List.of()));
  }

  @Override
  public Flux<DeadLetter> deadLetters(long run) {
    return many(() -> known(run).map(MemoryRun::deadLetters).orElse(List.of()));
  }

  @Override
  public Mono<Long> retryDeadLetters(long run, String who) {
    Objects.requireNonNull(who, "who");
    return one(() -> existing(run).retryDeadLetters(who));
  }

  @Override
  public Mono<Remaining> remaining(long run) {
    return one(() -> existing(run).remaining());
  }

  @Override
  public Mono<VerbResult> move(long run, Remaining from, Remaining to, String who, String what) {
    Objects.requireNonNull(from, "from");
    Objects.requireNonNull(to, "to");
    Objects.requireNonNull(who, "who");
    Objects.requireNonNull(what, "what");
    return one(() -> existing(run).move(from, to, who, what));
  }

  @Override
  public Mono<Long> attend(String owner, Set<String> kinds, int room, Duration time) {
    Objects.requireNonNull(owner, "owner");
    Objects.requireNonNull(time, "time");
    Set<String> known = Set.copyOf(kinds);
    return one(
        () -> {
          if (nodes.attend(owner, known, room, time)) {
            changed.add(ANY);
          }
          return nodes.surplus(owner).map(MemoryRun::id).orElse(null);
        });
  }

  @Override
  public Mono<Void> leave(String owner) {
    Objects.requireNonNull(owner, "owner");
    return one(
        () -> {
          if (nodes.leave(owner)) {
            changed.add(ANY);
          }
          return null;
        });
  }

  @Override
  public Mono<Telling> untold(Set<String> kinds, Duration lease) {
    Objects.requireNonNull(lease, "lease");
    Set<String> known = Set.copyOf(kinds);
    return one(
        () ->
            runs.values().stream()
                .filter(run -> known.contains(run.kind()))
                .map(run -> run.untold(lease))
                .filter(Objects::nonNull)
                .findFirst()
                .orElse(null));
  }

  @Override
  public Mono<Void> told(Telling telling, String who, @Nullable String error) {
    Objects.requireNonNull(who, "who");
    return one(
        () -> {
          known(telling.run().id()).ifPresent(run -> run.told(telling, who, error));
          return null;
        });
  }

  @Override
  public Flux<Run> enqueued(Set<String> kinds) {
    Set<String> known = Set.copyOf(kinds);
    return some(
        run ->
            run.state() == RunState.ENQUEUED
                && known.contains(run.kind())
                && isMet(run.dependsOn()));
  }

  @Override
  public Mono<Run> open(long run, @Nullable String start, @Nullable String upper, String who) {
    Objects.requireNonNull(who, "who");
    return one(
        () -> {
          MemoryRun opened = existing(run);
          if (isMet(opened.dependsOn())) {
            opened.open(start, upper, who);
          }
          return opened.run();
        });
  }

  @Override
  public Mono<Void> extend(Run seen, List<String> ends) {
    List<String> found = List.copyOf(ends);
    return one(
        () -> {
          known(seen.id()).ifPresent(known -> known.extend(seen, found));
          return null;
        });
  }

  @Override
  public Mono<Lease> take(String owner, Set<String> kinds, Duration lease) {
    Objects.requireNonNull(owner, "owner");
    Objects.requireNonNull(lease, "lease");
    Set<String> known = Set.copyOf(kinds);
    return one(
        () -> {
          runs.values().forEach(run -> run.clearUp(owner));
          return runs.values().stream()
              .filter(run -> known.contains(run.kind()))
              .flatMap(run -> run.offers().stream())
              .filter(offer -> nodes.mayTake(owner, offer))
              // The sort is stable: the oldest run's first.
              .min(Comparator.comparing((MemoryRun.Offer offer) -> !offer.holdsRange()))
              .map(offer -> offer.take(owner, lease))
              .orElse(null);
        });
  }

  @Override
  public Mono<Boolean> renew(Lease lease, Duration time) {
    Objects.requireNonNull(time, "time");
    return one(() -> known(lease.run().id()).map(run -> run.renew(lease, time)).orElse(false));
  }

  @Override
  public Mono<Void> refuse(long run, String error, String who) {
    Objects.requireNonNull(error, "error");
    Objects.requireNonNull(who, "who");
    return one(
        () -> {
          existing(run).refuse(error, who);
          return null;
        });
  }

  @Override
  public Mono<Void> release(Lease lease) {
    Objects.requireNonNull(lease, "lease");
    return one(
        () -> {
          known(lease.run().id()).ifPresent(run -> run.release(lease));
          return null;
        });
  }

  @Override
  public Mono<Lease> complete(Lease lease, BatchDone done, Duration time) {
    Objects.requireNonNull(lease, "lease");
    Objects.requireNonNull(done, "done");
    Objects.requireNonNull(time, "time");
    return one(() -> owned(lease).complete(lease, done, time));
  }

  @Override
  public Mono<Lease> conclude(Lease lease, Conclusion conclusion, Duration time) {
    if (!lease.concludes()) {
      throw new IllegalArgumentException("the empty range required but it was " + lease.range());
    }
    Objects.requireNonNull(conclusion, "conclusion");
    Objects.requireNonNull(time, "time");
    return one(() -> owned(lease).conclude(lease, conclusion, time));
  }

  @Override
  public Mono<Lease> fail(Lease lease, BatchFailure failure, Duration time) {
    Objects.requireNonNull(lease, "lease");
    Objects.requireNonNull(failure, "failure");
    Objects.requireNonNull(time, "time");
    return one(() -> owned(lease).fail(lease, failure, time));
  }

  @Override
  public Mono<Long> purge(Duration age) {
    Objects.requireNonNull(age, "age");
    return one(
        () -> {
          Instant before = clock.instant().minus(age);
          Map<String, MemoryRun> newest = new HashMap<>();
          runs.values().forEach(run -> newest.put(run.name(), run));
          int events = runs.values().stream().mapToInt(run -> run.forgetEvents(before)).sum();
          int known = runs.size();
          runs.values().removeIf(run -> run.isOver(before) && newest.get(run.name()) != run);
          return (long) events + known - runs.size();
        });
  }

  @Override
  public Flux<Long> changes() {
    // On a thread of the listener's: nobody shall wait for what it does.
    return changes.asFlux().publishOn(Schedulers.parallel());
  }

  private Optional<MemoryRun> known(long run) {
    return Optional.ofNullable(runs.get(run));
  }

  private MemoryRun existing(long run) {
    return known(run)
        .orElseThrow(
            () ->
                new IllegalArgumentException(
                    "a run of the store required but there is none with id " + run));
  }

  private MemoryRun owned(Lease lease) {
    return known(lease.run().id()).orElseThrow(() -> new LostLeaseException(lease));
  }

  private Optional<MemoryRun> living(String name, String arguments) {
    return runs.values().stream()
        .filter(run -> run.isAlive() && run.isOf(name, arguments))
        .findFirst();
  }

  private boolean isMet(@Nullable String dependency) {
    return dependency == null
        || runs.values().stream()
            .map(MemoryRun::run)
            .filter(run -> run.name().equals(dependency))
            .reduce((older, newer) -> newer)
            .filter(newest -> newest.state() == RunState.SUCCEEDED)
            .isPresent();
  }

  private Flux<Run> some(Predicate<Run> which) {
    return many(() -> runs.values().stream().map(MemoryRun::run).filter(which).toList());
  }

  private <T> Mono<T> one(Supplier<@Nullable T> step) {
    return Mono.fromSupplier(
        () -> {
          T answer;
          List<Long> told;
          synchronized (runs) {
            answer = step.get();
            told = List.copyOf(changed);
            changed.clear();
          }
          told.forEach(id -> changes.emitNext(id, EmitFailureHandler.busyLooping(MOMENT)));
          return answer;
        });
  }

  private <T> Flux<T> many(Supplier<List<T>> step) {
    return Flux.defer(
        () -> {
          synchronized (runs) {
            return Flux.fromIterable(new ArrayList<>(step.get()));
          }
        });
  }
}
