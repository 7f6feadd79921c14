package io.github.cursorstream.run;

import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * What a kind says of a run of which everything was done.
 *
 * @param state what the run is then: succeeded, failed, or running, for another pass
 * @param upper where its next pass ends, inclusive; null if there is none
 * @param gate what the kind wants to remember until it is asked again
 * @param why for people; null if there is nothing to say
 */
public record Conclusion(
    RunState state, @Nullable String upper, String gate, @Nullable String why) {

  /**
   * Checks for nulls, and that whoever may begin again knows where to end.
   *
   * @param state what the run is then: succeeded, failed, or running, for another pass
   * @param upper where its next pass ends, inclusive; null if there is none
   * @param gate what the kind wants to remember until it is asked again
   * @param why for people; null if there is nothing to say
   */
  public Conclusion {
    Objects.requireNonNull(gate, "gate");
    boolean another =
        switch (state) {
          case RUNNING, FAILED -> true;
          case SUCCEEDED -> false;
          default ->
              throw new IllegalArgumentException(
                  "a run that runs, has failed or succeeded required but it was " + state);
        };
    if (another != (upper != null)) {
      throw new IllegalArgumentException(
          "an end of the next pass required, if there is one, but it was " + upper);
    }
  }

  /**
   * Nothing is left.
   *
   * @return the run has succeeded
   */
  public static Conclusion succeeded() {
    return new Conclusion(RunState.SUCCEEDED, null, "", null);
  }

  /**
   * The run begins again where it started.
   *
   * @param upper where it ends this time
   * @param gate what the kind wants to remember
   * @param why for the log
   * @return the run goes on
   */
  public static Conclusion again(String upper, String gate, String why) {
    return new Conclusion(RunState.RUNNING, upper, gate, why);
  }

  /**
   * Something is left that the run will not do. After a retry it begins again where it started.
   *
   * @param upper where it would end then
   * @param gate what the kind wants to remember
   * @param why its error
   * @return the run has failed
   */
  public static Conclusion failed(String upper, String gate, String why) {
    return new Conclusion(RunState.FAILED, upper, gate, why);
  }
}
