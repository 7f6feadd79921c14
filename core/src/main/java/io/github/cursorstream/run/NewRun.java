package io.github.cursorstream.run;

import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * A run to be created.
 *
 * @param name how people call it; while one of that name and arguments has not ended there is no
 *     second
 * @param kind which {@link RunKind} does it
 * @param arguments whatever the kind makes of it; may be empty
 * @param parameters what it begins with
 * @param held whether it waits for {@link Verb#START}
 * @param dependsOn a name whose newest run has to have succeeded before this one is opened; null
 *     for none
 * @param gated whether its kind is asked for a {@link Conclusion} when everything is done
 * @param hooked whether the hooks of its kind are told its events
 */
public record NewRun(
    String name,
    String kind,
    String arguments,
    RunParameters parameters,
    boolean held,
    @Nullable String dependsOn,
    boolean gated,
    boolean hooked) {

  /** As long as an index takes, in any script. */
  private static final int LONGEST_NAME = 500;

  /**
   * Checks for nulls, the length of the name, characters that no database takes, and a run that
   * waits for itself.
   *
   * @param name how people call it; while one of that name and arguments has not ended there is no
   *     second
   * @param kind which {@link RunKind} does it
   * @param arguments whatever the kind makes of it; may be empty
   * @param parameters what it begins with
   * @param held whether it waits for {@link Verb#START}
   * @param dependsOn a name whose newest run has to have succeeded before this one is opened; null
   *     for none
   * @param gated whether its kind is asked for a {@link Conclusion} when everything is done
   * @param hooked whether the hooks of its kind are told its events
   */
  public NewRun {
    Objects.requireNonNull(kind, "kind");
    Objects.requireNonNull(arguments, "arguments");
    Objects.requireNonNull(parameters, "parameters");
    checkName(name);
    if (dependsOn != null) {
      checkName(dependsOn);
    }
    if ((name + kind + arguments + dependsOn).indexOf('\0') >= 0) {
      throw new IllegalArgumentException(
          "name, kind, arguments and dependsOn without the character NUL required but one of them"
              + " has it");
    }
    if (name.equals(dependsOn)) {
      throw new IllegalArgumentException(
          "a dependency on another run required but it was on \"" + name + "\" itself");
    }
  }

  /**
   * A run that depends on none, succeeds when everything is done, and whose events nobody is told.
   *
   * @param name how people call it; while one of that name and arguments has not ended there is no
   *     second
   * @param kind which {@link RunKind} does it
   * @param arguments whatever the kind makes of it; may be empty
   * @param parameters what it begins with
   * @param held whether it waits for {@link Verb#START}
   */
  public NewRun(
      String name, String kind, String arguments, RunParameters parameters, boolean held) {
    this(name, kind, arguments, parameters, held, null, false, false);
  }

  private static void checkName(String name) {
    if (Objects.requireNonNull(name, "name").isBlank()) {
      throw new IllegalArgumentException("a name required but it was \"" + name + "\"");
    }
    if (name.length() > LONGEST_NAME) {
      throw new IllegalArgumentException(
          "a name of at most "
              + LONGEST_NAME
              + " characters required but it had "
              + name.length()
              + "; what tells runs apart can go into the arguments");
    }
  }

  /**
   * What it begins with.
   *
   * @param others instead of the present ones
   * @return the rest as it was
   */
  public NewRun parameters(RunParameters others) {
    return new NewRun(name, kind, arguments, others, held, dependsOn, gated, hooked);
  }

  /**
   * Whether it waits for {@link Verb#START}.
   *
   * @param waits true to wait
   * @return the rest as it was
   */
  public NewRun held(boolean waits) {
    return new NewRun(name, kind, arguments, parameters, waits, dependsOn, gated, hooked);
  }

  /**
   * What has to have succeeded before it is opened.
   *
   * @param other the name of another run
   * @return the rest as it was
   */
  public NewRun dependsOn(String other) {
    Objects.requireNonNull(other, "dependsOn");
    return new NewRun(name, kind, arguments, parameters, held, other, gated, hooked);
  }

  /**
   * Whether its kind is asked for a {@link Conclusion} when everything is done.
   *
   * @param asked false to succeed by itself
   * @return the rest as it was
   */
  public NewRun gated(boolean asked) {
    return new NewRun(name, kind, arguments, parameters, held, dependsOn, asked, hooked);
  }

  /**
   * Whether the {@linkplain RunKind#onEvent hooks of its kind} are told its events.
   *
   * @param told false for nobody
   * @return the rest as it was
   */
  public NewRun hooked(boolean told) {
    return new NewRun(name, kind, arguments, parameters, held, dependsOn, gated, told);
  }
}
