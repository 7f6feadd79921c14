package io.github.cursorstream.run;

import static io.github.cursorstream.run.RunState.CANCELLED;
import static io.github.cursorstream.run.RunState.CANCELLING;
import static io.github.cursorstream.run.RunState.ENQUEUED;
import static io.github.cursorstream.run.RunState.PAUSED;
import static io.github.cursorstream.run.RunState.PAUSING;
import static io.github.cursorstream.run.RunState.RUNNING;
import static io.github.cursorstream.run.RunState.SUCCEEDED;

import io.github.cursorstream.run.VerbResult.Kind;
import java.util.Locale;

/**
 * The one table of what verbs do. What the work itself changes: an enqueued run is opened by the
 * first node that has its kind (running); what is pausing or cancelling becomes paused or cancelled
 * with the last batch in flight; a running one succeeds with its last range, and fails when its
 * failures pass their limits. Not API.
 */
public final class Transitions {

  private static final String UNBEGUN = "it has not begun; nothing is handed out yet";

  private Transitions() {}

  /**
   * What a verb does.
   *
   * @param state where the run is
   * @param verb what is said
   * @param opened whether its bounds are known: it has run before
   * @param idle whether no batch is in flight
   * @return the result, with the new state
   */
  public static VerbResult of(RunState state, Verb verb, boolean opened, boolean idle) {
    RunState going = opened ? RUNNING : ENQUEUED;
    return switch (verb) {
      case START ->
          switch (state) {
            case HELD -> to(ENQUEUED, "started");
            case ENQUEUED, RUNNING -> nothing(state, "it is started already");
            case PAUSING, PAUSED -> refused(state, "it is paused; resume it");
            case FAILED -> refused(state, "it has failed; retry it");
            case CANCELLING, CANCELLED, SUCCEEDED -> ended(state);
          };
      case PAUSE ->
          switch (state) {
            // Nobody works on it: there is nothing to wait for.
            case ENQUEUED -> to(PAUSED, "paused before it began");
            case RUNNING -> idle ? to(PAUSED, "paused") : to(PAUSING, "pausing");
            case PAUSING, PAUSED -> nothing(state, "it is paused already");
            case HELD -> refused(state, "it is held until it is started");
            case FAILED, CANCELLING, CANCELLED, SUCCEEDED -> ended(state);
          };
      case RESUME ->
          switch (state) {
            case PAUSING, PAUSED -> to(going, "resumed");
            case ENQUEUED, RUNNING -> nothing(state, "it is not paused");
            case HELD -> refused(state, "it is held; start it");
            case FAILED -> refused(state, "it has failed; retry it");
            case CANCELLING, CANCELLED, SUCCEEDED -> ended(state);
          };
      case CANCEL ->
          switch (state) {
            case HELD, ENQUEUED, PAUSED, FAILED -> to(CANCELLED, "cancelled");
            case RUNNING, PAUSING ->
                idle ? to(CANCELLED, "cancelled") : to(CANCELLING, "cancelling");
            case CANCELLING, CANCELLED -> nothing(state, "it is cancelled already");
            case SUCCEEDED -> ended(state);
          };
      case RETRY ->
          switch (state) {
            case FAILED -> to(going, "retried");
            case ENQUEUED, RUNNING -> nothing(state, "it has not failed");
            case HELD -> refused(state, "it is held; start it");
            case PAUSING, PAUSED -> refused(state, "it is paused; resume it");
            case CANCELLING, CANCELLED, SUCCEEDED -> ended(state);
          };
      case FORCE_PAUSE ->
          switch (state) {
            case ENQUEUED, RUNNING, PAUSING -> to(PAUSED, "paused at once");
            case PAUSED -> nothing(state, "it is paused already");
            case HELD -> refused(state, "it is held until it is started");
            case FAILED, CANCELLING, CANCELLED, SUCCEEDED -> ended(state);
          };
      case FORCE_CANCEL ->
          switch (state) {
            case HELD, ENQUEUED, RUNNING, PAUSING, PAUSED, CANCELLING, FAILED ->
                to(CANCELLED, "cancelled at once");
            case CANCELLED -> nothing(state, "it is cancelled already");
            case SUCCEEDED -> ended(state);
          };
      case MARK_SUCCEEDED ->
          switch (state) {
            // Where somebody works on it, their batches would go on behind a run that is done.
            case ENQUEUED, RUNNING, PAUSING, CANCELLING ->
                refused(state, "it is being worked on; pause or cancel it first");
            case HELD, PAUSED, FAILED, CANCELLED -> to(SUCCEEDED, "declared done");
            case SUCCEEDED -> nothing(state, "it has succeeded already");
          };
    };
  }

  /**
   * Whether work that is still to be done may be moved: skipped, or done again.
   *
   * @param state where the run is
   * @param opened whether its bounds are known: it has run before
   * @param idle whether no batch is in flight
   * @return done or refused; the state stays as it is
   */
  public static VerbResult ofRemaining(RunState state, boolean opened, boolean idle) {
    return switch (state) {
      case HELD, ENQUEUED -> refused(state, UNBEGUN);
      case RUNNING, PAUSING, PAUSED, FAILED ->
          !opened
              ? refused(state, UNBEGUN)
              : idle ? to(state, "moved") : refused(state, "batches are in flight; pause it first");
      case CANCELLING, CANCELLED, SUCCEEDED -> ended(state);
    };
  }

  /**
   * How a verb that was done is logged.
   *
   * @param verb what was said
   * @param state where the run is now
   * @return what has happened
   */
  public static RunEvent.Type logged(Verb verb, RunState state) {
    return switch (verb) {
      case RESUME -> RunEvent.Type.RESUMED;
      case RETRY -> RunEvent.Type.RETRIED;
      default -> RunEvent.Type.valueOf(state.name());
    };
  }

  private static VerbResult to(RunState state, String reason) {
    return new VerbResult(Kind.DONE, state, reason);
  }

  private static VerbResult nothing(RunState state, String reason) {
    return new VerbResult(Kind.NOTHING_TO_DO, state, reason);
  }

  private static VerbResult refused(RunState state, String reason) {
    return new VerbResult(Kind.REFUSED, state, reason);
  }

  private static VerbResult ended(RunState state) {
    return refused(state, "it is " + state.name().toLowerCase(Locale.ROOT));
  }
}
