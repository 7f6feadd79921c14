package io.github.cursorstream.testing;

import io.github.cursorstream.run.Again;
import io.github.cursorstream.run.BatchFailure;
import io.github.cursorstream.run.DeadLetter;
import io.github.cursorstream.run.Lease;
import io.github.cursorstream.run.NewRun;
import io.github.cursorstream.run.Range;
import io.github.cursorstream.run.Run;
import io.github.cursorstream.run.RunEvent;
import io.github.cursorstream.run.RunParameters;
import io.github.cursorstream.run.RunState;
import io.github.cursorstream.run.RunStore;
import io.github.cursorstream.run.Verb;
import io.github.cursorstream.run.VerbResult;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.UUID;
import java.util.function.UnaryOperator;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;
import reactor.core.publisher.Flux;
import reactor.core.publisher.Mono;

/**
 * Says to a store what a test wants, and waits for the answer. The work of its runs goes from 0 to
 * some number in steps of one; as texts, which a store must not take for numbers.
 */
final class TestRuns {

  /** Outlives every test. */
  static final Duration LONG = Duration.ofMinutes(10);

  /** Of a lease or a wait that a test lets run out. */
  static final Duration SHORT = Duration.ofMillis(150);

  /** After which whatever was {@link #SHORT} is over. */
  static final Duration LAPSE = Duration.ofMillis(250);

  private static final Duration PATIENCE = Duration.ofSeconds(30);

  final RunStore store;
  final String kind = "kind-" + UUID.randomUUID();
  final String name = "name-" + UUID.randomUUID();

  TestRuns(RunStore store) {
    this.store = store;
  }

  static <T> T get(Mono<T> answer) {
    return Objects.requireNonNull(answer.block(PATIENCE), "an answer");
  }

  static <T> @Nullable T getOrNull(Mono<T> answer) {
    return answer.block(PATIENCE);
  }

  static <T> List<T> all(Flux<T> answers) {
    return get(answers.collectList());
  }

  NewRun plan(String arguments, RunParameters parameters) {
    return new NewRun(name, kind, arguments, parameters, false);
  }

  /** Enqueued, with arguments of its own. */
  Run created(RunParameters parameters) {
    return get(store.create(plan(UUID.randomUUID().toString(), parameters), "creator"));
  }

  /** Opened, with nothing found yet. */
  Run opened(int last, RunParameters parameters) {
    return get(store.open(created(parameters).id(), "0", "" + last, "opener"));
  }

  /** Opened, with all ends found: {@code last} batches. */
  Run ready(int last, int consumers) {
    return ready(last, RunParameters.DEFAULTS.consumers(consumers));
  }

  Run ready(int last, RunParameters parameters) {
    Run run = opened(last, parameters);
    extend(run, 0, last);
    return run(run);
  }

  void extend(Run run, int tail, int last) {
    getOrNull(store.extend(seen(run, "" + tail), ends(tail, last)));
  }

  /** The run as somebody saw it when its tail was another, perhaps. */
  Run seen(Run run, @Nullable String tail) {
    Run now = run(run);
    return new Run(
        now.id(),
        now.name(),
        now.kind(),
        now.arguments(),
        now.state(),
        now.parameters(),
        now.dependsOn(),
        now.gate(),
        now.start(),
        now.position(),
        tail,
        now.upper(),
        now.stop(),
        now.ahead(),
        now.inFlight(),
        now.waiting(),
        now.rows(),
        now.batches(),
        now.failures(),
        now.deadLetters(),
        now.error(),
        now.createdAt(),
        now.startedAt(),
        now.endedAt());
  }

  static List<String> ends(int tail, int last) {
    return IntStream.rangeClosed(tail + 1, last).mapToObj(String::valueOf).toList();
  }

  static Range step(int end) {
    return new Range("" + (end - 1), "" + end);
  }

  Run run(Run run) {
    return get(store.find(run.id()));
  }

  RunState state(Run run) {
    return run(run).state();
  }

  @Nullable Lease takeOrNull(Duration time) {
    return getOrNull(store.take("node", Set.of(kind), time));
  }

  @Nullable Lease takeOrNull() {
    return takeOrNull(LONG);
  }

  Lease take() {
    return take(LONG);
  }

  Lease take(Duration time) {
    return Objects.requireNonNull(takeOrNull(time), "a slot");
  }

  /** For tests of what is left: takes and completes until nothing more is given. */
  List<Lease> drain() {
    List<Lease> done = new ArrayList<>();
    for (Lease taken = takeOrNull(); taken != null; taken = takeOrNull()) {
      Lease lease = taken;
      while (lease.range() != null) {
        done.add(lease);
        lease = complete(lease);
      }
      release(lease);
    }
    return done;
  }

  static List<Range> ranges(List<Lease> leases) {
    return leases.stream().map(lease -> Objects.requireNonNull(lease.range())).toList();
  }

  Lease complete(Lease lease) {
    return get(store.complete(lease, 1, LONG));
  }

  Lease fail(Lease lease, BatchFailure failure) {
    return get(store.fail(lease, failure, LONG));
  }

  boolean renew(Lease lease) {
    return get(store.renew(lease, LONG));
  }

  void release(Lease lease) {
    getOrNull(store.release(lease));
  }

  VerbResult say(Run run, Verb verb) {
    return get(store.say(run.id(), verb, "operator", null));
  }

  Run change(Run run, UnaryOperator<RunParameters> change) {
    return get(store.change(run.id(), change, "operator"));
  }

  List<RunEvent> events(Run run) {
    return all(store.events(run.id(), 0));
  }

  List<RunEvent.Type> types(Run run) {
    return events(run).stream().map(RunEvent::type).toList();
  }

  static Range held(Lease lease) {
    return Objects.requireNonNull(lease.range(), "a range");
  }

  /** What is held is to be done again as it is. */
  static BatchFailure again(Lease lease, Duration after) {
    return new BatchFailure(
        "it broke", List.of(new Again(held(lease), lease.attempt(), after)), null, false);
  }

  static BatchFailure fatal() {
    return new BatchFailure("it cannot work", List.of(), null, true);
  }

  /** What is held is one row, and is put aside. */
  static BatchFailure bad(Lease lease) {
    return new BatchFailure(
        "the row is bad",
        List.of(),
        new DeadLetter(
            lease.run().id(), held(lease), "{\"id\": 1}", "why it is bad", lease.attempt(), null),
        false);
  }
}
