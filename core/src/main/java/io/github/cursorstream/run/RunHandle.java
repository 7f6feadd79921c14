package io.github.cursorstream.run;

import java.time.Duration;
import java.time.Instant;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;
import reactor.core.publisher.Flux;
import reactor.core.publisher.Mono;
import reactor.core.scheduler.Schedulers;

/**
 * A run in somebody's hand: to look at it, and to steer it, from any node. What is said takes
 * effect when it is subscribed to. A verb that cannot be done is refused by its {@link VerbResult},
 * which is no error: look at {@link VerbResult#isAccepted}. To steer a run that is not there is an
 * {@link IllegalArgumentException}; of one there is nothing to tell.
 */
public final class RunHandle {

  /** Ends {@link #events()}. */
  private static final RunEvent END =
      new RunEvent(0, 0, Instant.EPOCH, RunEvent.Type.SUCCEEDED, "", null);

  private final RunStore store;
  private final Map<String, RunKind> kinds;
  private final long id;
  private final String who;
  private final Duration poll;

  RunHandle(RunStore store, Map<String, RunKind> kinds, long id, String who, Duration poll) {
    this.store = store;
    this.kinds = kinds;
    this.id = id;
    this.who = who;
    this.poll = poll;
  }

  /**
   * Its number in the store.
   *
   * @return the id
   */
  public long id() {
    return id;
  }

  /**
   * The same run, steered by somebody whom the log shall name.
   *
   * @param person a name
   * @return another handle
   */
  public RunHandle by(String person) {
    return new RunHandle(store, kinds, id, person, poll);
  }

  /**
   * How it is now.
   *
   * @return the run
   */
  public Mono<Run> run() {
    return store.find(id);
  }

  /**
   * Says a verb.
   *
   * @param verb which
   * @param why for the log, or null
   * @return what it did
   */
  public Mono<VerbResult> say(Verb verb, @Nullable String why) {
    return store.say(id, verb, who, why);
  }

  /**
   * Hands out no more batches; those in flight are finished. It is PAUSING until they are, then
   * PAUSED, as {@link #run} and {@link #events} tell.
   *
   * @return what it did, at once
   */
  public Mono<VerbResult> pause() {
    return say(Verb.PAUSE, null);
  }

  /**
   * Goes on after a pause.
   *
   * @return what it did
   */
  public Mono<VerbResult> resume() {
    return say(Verb.RESUME, null);
  }

  /**
   * Ends it once the batches in flight are finished. It is CANCELLING until they are; {@link
   * #onFinish} waits for that.
   *
   * @return what it did, at once
   */
  public Mono<VerbResult> cancel() {
    return say(Verb.CANCEL, null);
  }

  /**
   * Goes on after a failure, from where it stopped. Refused if another run of its name is there
   * that has not ended.
   *
   * @return what it did
   */
  public Mono<VerbResult> retry() {
    return say(Verb.RETRY, null);
  }

  /**
   * Changes parameters; felt with the next batch of each consumer.
   *
   * @param change from the present ones
   * @return the run
   */
  public Mono<Run> change(UnaryOperator<RunParameters> change) {
    return store.change(id, change, who);
  }

  /**
   * Sets how many batches are worked on at a time, over all nodes.
   *
   * @param count 0 for none
   * @return the run
   */
  public Mono<Run> consumers(int count) {
    return change(parameters -> parameters.consumers(count));
  }

  /**
   * One consumer more.
   *
   * @return the run
   */
  public Mono<Run> addConsumer() {
    return change(parameters -> parameters.consumers(parameters.consumers() + 1));
  }

  /**
   * One consumer less, unless there is none.
   *
   * @return the run
   */
  public Mono<Run> removeConsumer() {
    return change(parameters -> parameters.consumers(Math.max(0, parameters.consumers() - 1)));
  }

  /**
   * Why it is not opened, if it is because of the run that it depends on.
   *
   * @return in words, such as {@code it waits for "a", whose run 3 is FAILED after 0 rows}; empty
   *     if it does not wait for another
   */
  public Mono<String> waitsFor() {
    return run()
        .filter(run -> run.state() == RunState.ENQUEUED)
        .flatMap(
            run -> {
              String other = run.dependsOn();
              return other == null ? Mono.empty() : waitsFor(other);
            });
  }

  private Mono<String> waitsFor(String other) {
    String waits = "it waits for \"" + other + "\", ";
    return store
        .latest(other)
        .singleOptional()
        .filter(found -> found.map(Run::state).orElse(null) != RunState.SUCCEEDED)
        .map(
            found ->
                found
                    .map(run -> waits + "whose run " + run.summary())
                    .orElse(waits + "of which there is no run yet"));
  }

  /**
   * Waits for its end, whichever it is.
   *
   * @return the run as it ended; an error if there is no such run
   */
  public Mono<Run> onFinish() {
    Mono<Run> there =
        run()
            .switchIfEmpty(
                Mono.error(
                    () ->
                        new IllegalArgumentException(
                            "a run of the store required but there is none with id " + id)));
    return turns(poll).concatMap(turn -> there.filter(run -> run.state().isEnded()), 0).next();
  }

  /**
   * Its log, and what comes to it until it ends.
   *
   * @return the oldest first; nothing if there is no such run
   */
  public Flux<RunEvent> events() {
    return Flux.defer(
        () -> {
          AtomicLong seen = new AtomicLong();
          Flux<RunEvent> more =
              Flux.defer(() -> store.events(id, seen.get()))
                  .doOnNext(event -> seen.set(event.id()));
          // The state first: what was logged before the end is then read after it.
          Flux<RunEvent> now =
              run()
                  .singleOptional()
                  .flatMapMany(
                      run ->
                          run.isPresent() && !run.get().state().isEnded()
                              ? more
                              : more.concatWithValues(END));
          return turns(poll).concatMap(turn -> now, 0).takeWhile(event -> event.id() != END.id());
        });
  }

  /**
   * How far it is, told every second until it ends.
   *
   * @return as {@link #progress(Duration)}
   */
  public Flux<Progress> progress() {
    return progress(Duration.ofSeconds(1));
  }

  /**
   * How far it is, told at once, then again and again, and when it changes, until it ends. Speed
   * and time left need some looks, so {@code progress().next()} knows the rest only. The share is
   * known where the code of the kind is: on nodes that have registered it.
   *
   * @param every how long between two looks, each a query of the store and, for a table, of the
   *     planner
   * @return the last one tells how it ended; completes at once if there is no such run
   */
  public Flux<Progress> progress(Duration every) {
    return Flux.defer(
        () -> {
          ProgressMeter meter = new ProgressMeter();
          return turns(every)
              .concatMap(turn -> run().singleOptional(), 0)
              .takeWhile(Optional::isPresent)
              .map(Optional::orElseThrow)
              .concatMap(run -> progress(meter, run), 0)
              .takeUntil(progress -> progress.state().isEnded());
        });
  }

  private Mono<Progress> progress(ProgressMeter meter, Run run) {
    long at = Schedulers.parallel().now(TimeUnit.NANOSECONDS);
    return ProgressMeter.handedOut(run, kinds.get(run.kind()))
        .singleOptional()
        .map(handedOut -> meter.look(at, run, handedOut.orElse(null)));
  }

  /** When to look at it again. */
  private Flux<Long> turns(Duration every) {
    return Turns.of(Turns.about(id, store.changes()), every);
  }

  /**
   * Where its work is that is still to be done. Not API: see the handles of kinds.
   *
   * @return as the store knows it
   */
  public Mono<Remaining> remaining() {
    return store.remaining(id);
  }

  /**
   * Moves the work that is still to be done. Not API: see the handles of kinds.
   *
   * @param from where it was, when it was looked at
   * @param to where it is to be
   * @param what for the log
   * @return what it did; empty if it was somewhere else by then
   */
  public Mono<VerbResult> move(Remaining from, Remaining to, String what) {
    return store.move(id, from, to, who, what);
  }

  /**
   * The rows that were put aside.
   *
   * @return the oldest first
   */
  public Flux<DeadLetter> deadLetters() {
    return store.deadLetters(id);
  }

  /**
   * Hands the rows that were put aside out again.
   *
   * @return how many there were
   */
  public Mono<Long> retryDeadLetters() {
    return store.retryDeadLetters(id, who);
  }
}
