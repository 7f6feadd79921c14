package io.github.cursorstream.run;

/**
 * What a verb did: it changed the state, or there was nothing to do, or it is refused.
 *
 * @param kind which of the three
 * @param state the run's state now
 * @param reason in words for people
 */
public record VerbResult(Kind kind, RunState state, String reason) {

  /** The three ways it can end. */
  public enum Kind {
    /** The state was changed. */
    DONE,
    /** It was so already. */
    NOTHING_TO_DO,
    /** It cannot be done from this state. */
    REFUSED
  }

  /**
   * Whether the run now is, or is about to be, what was asked for.
   *
   * @return false if refused
   */
  public boolean isAccepted() {
    return kind != Kind.REFUSED;
  }
}
