package io.github.cursorstream.run;

import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Optional;

/** How much of a {@link MemoryRun}'s log was told to the hooks of its kind. */
final class MemoryTelling {

  private long told;
  private int attempt;
  private Instant until = Instant.MIN;

  /** The next event to be told, unless somebody is telling it. */
  Optional<RunEvent> next(List<RunEvent> log, Instant now) {
    return until.isAfter(now)
        ? Optional.empty()
        : log.stream().filter(event -> event.id() > told && event.type().isTold()).findFirst();
  }

  /** Gives back how often it has been begun. */
  int take(Instant now, Duration lease) {
    until = now.plus(lease);
    return ++attempt;
  }

  /** Gives back false if somebody else has taken it since. */
  boolean told(Telling telling) {
    if (told >= telling.event().id() || attempt != telling.attempt()) {
      return false;
    }
    told = telling.event().id();
    attempt = 0;
    until = Instant.MIN;
    return true;
  }
}
