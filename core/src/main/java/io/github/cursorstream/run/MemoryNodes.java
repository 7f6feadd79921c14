package io.github.cursorstream.run;

import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.Collection;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/** The nodes of an {@link InMemoryRunStore}, whose lock guards them, and how they share a run. */
final class MemoryNodes {

  /** How long a free slot is left to those who hold fewer; they look for work oftener. */
  private static final Duration PATIENCE = Duration.ofSeconds(1);

  private final InstantSource clock;
  private final Collection<MemoryRun> runs;
  private final Map<String, Node> nodes = new HashMap<>();

  private record Node(String owner, Set<String> kinds, int room, Instant until) {}

  MemoryNodes(InstantSource clock, Collection<MemoryRun> runs) {
    this.clock = clock;
    this.runs = runs;
  }

  /** Tells whether that changes who is there. */
  boolean attend(String owner, Set<String> kinds, int room, Duration time) {
    Instant now = clock.instant();
    Node next = new Node(owner, kinds, room, now.plus(time));
    Node last = nodes.put(owner, next);
    return last == null
        || !last.until().isAfter(now)
        || last.room() != room
        || !last.kinds().equals(kinds);
  }

  /** Tells whether that changes who is there. */
  boolean leave(String owner) {
    return nodes.remove(owner) != null;
  }

  boolean mayTake(String owner, MemoryRun.Offer offer) {
    return offer.holdsRange()
        || offer.freeSince().plus(PATIENCE).isBefore(clock.instant())
        || !isOutdone(owner, offer.run(), 1);
  }

  /** A run of which one holds so much more than another that a slot is to change hands. */
  Optional<MemoryRun> surplus(String owner) {
    return runs.stream().filter(run -> run.isRunning() && isOutdone(owner, run, 2)).findFirst();
  }

  /** Whether another node that has room holds fewer slots of a run, by so many. */
  private boolean isOutdone(String owner, MemoryRun run, int by) {
    Instant now = clock.instant();
    int held = run.held(owner);
    return nodes.values().stream()
        .filter(node -> node.until().isAfter(now) && node.kinds().contains(run.kind()))
        .filter(node -> !node.owner().equals(owner) && run.held(node.owner()) + by <= held)
        .anyMatch(node -> runs.stream().mapToInt(r -> r.held(node.owner())).sum() < node.room());
  }
}
