package io.github.cursorstream.run;

import java.util.Objects;

/**
 * A run to be created.
 *
 * @param name how people call it; while one of that name and arguments has not ended there is no
 *     second
 * @param kind which {@link RunKind} does it
 * @param arguments whatever the kind makes of it; may be empty
 * @param parameters what it begins with
 * @param held whether it waits for {@link Verb#START}
 */
public record NewRun(
    String name, String kind, String arguments, RunParameters parameters, boolean held) {

  /** As long as an index takes, in any script. */
  private static final int LONGEST_NAME = 500;

  /**
   * Checks for nulls, the length of the name, and characters that no database takes.
   *
   * @param name how people call it; while one of that name and arguments has not ended there is no
   *     second
   * @param kind which {@link RunKind} does it
   * @param arguments whatever the kind makes of it; may be empty
   * @param parameters what it begins with
   * @param held whether it waits for {@link Verb#START}
   */
  public NewRun {
    Objects.requireNonNull(kind, "kind");
    Objects.requireNonNull(arguments, "arguments");
    Objects.requireNonNull(parameters, "parameters");
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
    if ((name + kind + arguments).indexOf('\0') >= 0) {
      throw new IllegalArgumentException(
          "name, kind and arguments without the character NUL required but one of them has it");
    }
  }
}
