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

  /**
   * Checks for nulls and an empty name.
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
  }
}
