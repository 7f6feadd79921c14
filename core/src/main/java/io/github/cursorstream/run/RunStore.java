package io.github.cursorstream.run;

import java.time.Duration;
import java.util.List;
import java.util.Set;
import java.util.function.Function;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;
import reactor.core.publisher.Flux;
import reactor.core.publisher.Mono;

/**
 * Where runs live. Everything that nodes have to agree on is decided here, atomically: states,
 * leases, what is handed out to whom. All publishers are cold; each subscription asks once.
 *
 * <p>The second half is the protocols of a {@link Runner}'s hooks and consumers. They are public
 * because stores live in other modules; not API.
 */
public interface RunStore {

  /** In {@link #changes}: any run may have changed. */
  long ANY = 0;

  /**
   * Creates a run, unless one with the same name and arguments has not ended yet.
   *
   * @param run what is to be done
   * @param who for the log
   * @return the new run, or the one that there is
   */
  Mono<Run> create(NewRun run, String who);

  /**
   * One run.
   *
   * @param id its number
   * @return the run, or empty
   */
  Mono<Run> find(long id);

  /**
   * The newest run of a name.
   *
   * @param name how people call it
   * @return the run, or empty
   */
  Mono<Run> latest(String name);

  /**
   * All runs, ended ones included.
   *
   * @return the oldest first
   */
  Flux<Run> runs();

  /**
   * Says a verb. What it does is in {@link Transitions}. The forced ones take the leases away, so
   * that nobody can complete what is in flight; it is handed out again after a resume.
   *
   * @param run which run
   * @param verb what is said
   * @param who for the log
   * @param why for the log, or null
   * @return what it did; an error if there is no such run
   */
  Mono<VerbResult> say(long run, Verb verb, String who, @Nullable String why);

  /**
   * Changes parameters. A new batch size forgets the ends that were found for the old one; a new
   * number of consumers adds slots, or takes away the highest ones, each once it holds nothing.
   *
   * @param run which run
   * @param change from the present ones
   * @param who for the log
   * @return the run with its new parameters; an error if there is no such run
   */
  Mono<Run> change(long run, UnaryOperator<RunParameters> change, String who);

  /**
   * The log of a run.
   *
   * @param run which run
   * @param after only what came after the event with this id; 0 for all
   * @return the oldest first
   */
  Flux<RunEvent> events(long run, long after);

  /**
   * The rows of a run that were put aside.
   *
   * @param run which run
   * @return the oldest first
   */
  Flux<DeadLetter> deadLetters(long run);

  /**
   * Hands the rows that were put aside out again, and forgets them. A run that has succeeded
   * without them runs again; one that has failed waits for {@link Verb#RETRY}.
   *
   * @param run which run
   * @param who for the log
   * @return how many there were
   */
  Mono<Long> retryDeadLetters(long run, String who);

  /**
   * Forgets what ended long ago: runs that succeeded or were cancelled, all that is known of them
   * included, and what the log tells of ended runs. The newest run of each name stays, because
   * others may depend on it or ask for it; so do those that failed, because they can be retried.
   *
   * @param age how long ago it was
   * @return about how much was forgotten: a store forgets a limited amount at a time, so that
   *     nobody waits for it for long; 0 when nothing is left
   */
  Mono<Long> purge(Duration age);

  /**
   * Hints that a run may have changed: it was created, a verb was said, its parameters or its state
   * changed. Whoever gets one looks for himself. Some are lost, so that looking now and then stays
   * necessary; completed batches give none.
   *
   * @return the numbers of runs, from now on; {@link #ANY} after a time in which changes may have
   *     been missed. Never completes, nor fails. A store that cannot tell has nothing to say.
   */
  default Flux<Long> changes() {
    return Flux.never();
  }

  // What the handles of kinds ask for.

  /**
   * Where the work of a run is that is still to be done.
   *
   * @param run which run
   * @return an error if there is no such run
   */
  Mono<Remaining> remaining(long run);

  /**
   * Moves the work that is still to be done, as {@link Transitions#ofRemaining} allows. Waiting
   * ranges that are new are due at once, and have not been begun; what is put aside can be dropped.
   *
   * @param run which run
   * @param from where it was, when it was looked at
   * @param to where it is to be
   * @param who for the log
   * @param what for the log
   * @return done or refused; empty if it was somewhere else by then; an error if there is no such
   *     run
   */
  Mono<VerbResult> move(long run, Remaining from, Remaining to, String who, String what);

  // The protocol of hooks.

  /**
   * Takes the next event of a run that is to be told, if nobody else has taken one of that run and
   * is still at it. Of a run that was created as {@link NewRun#hooked}, what {@link
   * RunEvent.Type#isTold} is told in the order of its log.
   *
   * @param kinds whose hooks are here
   * @param lease after how long it may be taken again if it was not {@link #told} by then
   * @return the event, of the oldest such run; empty if there is none
   */
  Mono<Telling> untold(Set<String> kinds, Duration lease);

  /**
   * Goes on to the run's next event, unless the telling has been taken again meanwhile.
   *
   * @param telling that was taken
   * @param who for the log
   * @param error why the hook will not be called again though it was not done, for the log; null if
   *     it was
   * @return done, also if it was lost
   */
  Mono<Void> told(Telling telling, String who, @Nullable String error);

  // The protocol of consumers.

  /**
   * Several calls, done in the order in which they are begun, for which a store may keep something:
   * a connection, say. It gives it back at the end, and at the first error that comes out of them.
   * Defaults to nothing.
   *
   * @param calls given the store to call
   * @param <T> what they bring
   * @return the same
   */
  default <T> Mono<T> session(Function<? super RunStore, Mono<T>> calls) {
    return Mono.defer(() -> calls.apply(this));
  }

  /**
   * The most consumers that a node of this store can have: each may take a connection, and their
   * signs of life need one too.
   *
   * @return {@link Integer#MAX_VALUE} if it is not known, which is the default
   */
  default int maxConsumers() {
    return Integer.MAX_VALUE;
  }

  /**
   * A sign of life of a node. Nodes that are there share the slots of a run: who has room and holds
   * the fewest takes the next one, and who holds at least two more than another that has room hands
   * one back. Nodes that were never here take what they find.
   *
   * @param owner who it is, as for {@link #take}
   * @param kinds whose code is there
   * @param room how many slots it works on at a time, over all runs
   * @param time how long it counts as being there without another sign of life
   * @return a run of which it is to hand one slot back between batches; empty for none
   */
  Mono<Long> attend(String owner, Set<String> kinds, int room, Duration time);

  /**
   * A node takes no more work: the others need not leave any to it.
   *
   * @param owner who it is
   * @return done, also if it was never here
   */
  Mono<Void> leave(String owner);

  /**
   * Runs that wait to be opened, and for nothing else: those whose dependency has not succeeded are
   * left out.
   *
   * @param kinds whose code is here
   * @return the oldest first
   */
  Flux<Run> enqueued(Set<String> kinds);

  /**
   * Opens an enqueued run: fixes its bounds and makes its slots. Nothing happens if somebody else
   * was first, or if its dependency, the newest run of that name, is not or no longer one that has
   * succeeded.
   *
   * @param run which run
   * @param start where it begins, exclusive; null for the beginning
   * @param upper where it ends, inclusive; null, or the same as {@code start}, if there is nothing
   *     to do: it succeeds
   * @param who for the log
   * @return the run
   */
  Mono<Run> open(long run, @Nullable String start, @Nullable String upper, String who);

  /**
   * Fails an enqueued run that cannot be opened, as of a table that is not there.
   *
   * @param run which run
   * @param error why
   * @param who for the log
   * @return done, also if somebody else was first
   */
  Mono<Void> refuse(long run, String error, String who);

  /**
   * Adds ends of batches, unless the run has changed in what they were looked for by: its tail,
   * where batches stop, and their size. Somebody may have added some meanwhile, or have moved it.
   *
   * @param seen the run as it was when they were looked for
   * @param ends in order; none if there are no more, and the tail is where the work ends
   * @return done
   */
  Mono<Void> extend(Run seen, List<String> ends);

  /**
   * Takes a slot that is free, or whose lease has run out, of a run that has something to do for
   * it. Slots that hold a range come first. A slot that holds a range has it begun once more, but
   * not in a run that is to be paused or cancelled, or has failed: there it waits, whatever its
   * kind. One that holds none is left for a second to other nodes that {@link #attend}, have room
   * and hold fewer of that run.
   *
   * @param owner who takes it
   * @param kinds whose code is here
   * @param lease how long it is the owner's without a sign of life
   * @return the slot, or empty
   */
  Mono<Lease> take(String owner, Set<String> kinds, Duration lease);

  /**
   * A sign of life.
   *
   * @param lease held
   * @param time how long it is the owner's from now on
   * @return whether it still is
   */
  Mono<Boolean> renew(Lease lease, Duration time);

  /**
   * Gives a slot back. What it holds is handed out again, as if it had not been begun.
   *
   * @param lease held
   * @return done, also if it was lost
   */
  Mono<Void> release(Lease lease);

  /**
   * Completes what is held, if anything, and takes the next range. What is left of it is handed out
   * again, before the run ends. It counts as a batch, unless it did nothing but leave something.
   *
   * @param lease held
   * @param done what became of it
   * @param time how long it is the owner's from now on
   * @return the lease with its next range; with none if there is nothing to do now; of a gated run
   *     that has nothing left with the {@linkplain Range#isEmpty empty} one
   */
  Mono<Lease> complete(Lease lease, BatchDone done, Duration time);

  /**
   * The same where nothing is left.
   *
   * @param lease held
   * @param rows what the work counted
   * @param time how long it is the owner's from now on
   * @return the lease with its next range; with none if there is nothing to do now
   */
  default Mono<Lease> complete(Lease lease, long rows, Duration time) {
    return complete(lease, BatchDone.all(rows), time);
  }

  /**
   * Ends a gated run, or lets it begin again where it started; rows that were put aside are then
   * forgotten, because they are handed out with all others. If it does not run any more, as after a
   * pause, or if something is to be done again, it does nothing: the conclusion is asked for again.
   *
   * @param lease held, with the {@linkplain Range#isEmpty empty} range
   * @param conclusion what becomes of the run
   * @param time how long it is the owner's from now on
   * @return the lease with none, but for the same again if somebody was quick to resume
   */
  Mono<Lease> conclude(Lease lease, Conclusion conclusion, Duration time);

  /**
   * Puts away what is held and could not be done, and takes the next range.
   *
   * @param lease held
   * @param failure what becomes of it
   * @param time how long it is the owner's from now on
   * @return the lease with its next range; with none if there is nothing to do now
   */
  Mono<Lease> fail(Lease lease, BatchFailure failure, Duration time);
}
