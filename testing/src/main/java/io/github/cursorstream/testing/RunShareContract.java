package io.github.cursorstream.testing;

import static io.github.cursorstream.testing.TestRuns.LAPSE;
import static io.github.cursorstream.testing.TestRuns.LONG;
import static io.github.cursorstream.testing.TestRuns.SHORT;
import static io.github.cursorstream.testing.TestRuns.getOrNull;
import static org.assertj.core.api.Assertions.assertThat;

import io.github.cursorstream.run.Lease;
import io.github.cursorstream.run.Run;
import io.github.cursorstream.run.Verb;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.UUID;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;

/** How the nodes that are there share the slots of a run. */
interface RunShareContract extends RunStoreUnderTest {

  /** After which a slot is nobody's turn any more. */
  Duration TURN = Duration.ofMillis(1_100);

  /** A node, as far as a store knows it. */
  final class Node {

    private final TestRuns runs;
    private final String owner = "node-" + UUID.randomUUID();
    private final List<Lease> leases = new ArrayList<>();

    Node(TestRuns runs) {
      this.runs = runs;
    }

    @Nullable Long attend(int room, Duration time) {
      return getOrNull(runs.store.attend(owner, Set.of(runs.kind), room, time));
    }

    /** Is there, for long, and says whether it is to hand a slot back. */
    boolean isToHandBack() {
      return attend(9, LONG) != null;
    }

    boolean takes() {
      return takes(LONG);
    }

    boolean takes(Duration time) {
      Lease lease = getOrNull(runs.store.take(owner, Set.of(runs.kind), time));
      if (lease != null) {
        leases.add(lease);
      }
      return lease != null;
    }

    void handsBack() {
      runs.release(leases.remove(0));
    }

    void leaves() {
      getOrNull(runs.store.leave(owner));
    }
  }

  /** Nodes that are there, with much room. */
  private static List<Node> nodes(TestRuns runs, int count) {
    List<Node> nodes = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      Node node = new Node(runs);
      assertThat(node.isToHandBack()).isFalse();
      nodes.add(node);
    }
    return nodes;
  }

  @Test
  default void aNodeThatIsAloneHasAllSlots() {
    TestRuns runs = runs();
    runs.ready(9, 4);
    Node alone = nodes(runs, 1).get(0);

    for (int i = 0; i < 4; i++) {
      assertThat(alone.takes()).isTrue();
      assertThat(alone.isToHandBack()).isFalse();
    }
    assertThat(alone.takes()).isFalse();
  }

  @Test
  default void threeNodesShareFourSlotsEvenly() {
    TestRuns runs = runs();
    runs.ready(9, 4);
    List<Node> nodes = nodes(runs, 3);

    // Each takes what it can get.
    for (Node node : nodes) {
      while (node.takes()) {}
    }

    assertThat(nodes).extracting(node -> node.leases.size()).containsExactlyInAnyOrder(2, 1, 1);
    assertThat(nodes).noneMatch(Node::isToHandBack);
  }

  @Test
  default void aSlotIsLeftToWhoHoldsFewerButNotForLong() {
    TestRuns runs = runs();
    runs.ready(9, 3);
    List<Node> nodes = nodes(runs, 2);
    Node first = nodes.get(0);
    assertThat(first.takes()).isTrue();
    assertThat(first.takes()).isFalse();

    pass(TURN);

    assertThat(first.takes()).isTrue();
    assertThat(nodes.get(1).takes()).isTrue();
  }

  @Test
  default void aNodeThatComesLateGetsItsShare() {
    TestRuns runs = runs();
    Run run = runs.ready(20, 4);
    Node first = nodes(runs, 1).get(0);
    while (first.takes()) {}
    Node late = new Node(runs);
    assertThat(late.isToHandBack()).isFalse();
    assertThat(late.takes()).isFalse();

    int handedBack = 0;
    while (first.isToHandBack()) {
      assertThat(first.attend(9, LONG)).isEqualTo(run.id());
      first.handsBack();
      handedBack++;
      assertThat(first.takes()).as("its own again").isFalse();
      assertThat(late.takes()).isTrue();
    }

    assertThat(handedBack).isEqualTo(2);
    assertThat(late.isToHandBack()).isFalse();
    assertThat(late.takes()).isFalse();
  }

  @Test
  default void aNodeWithoutRoomIsLeftNothing() {
    TestRuns runs = runs();
    runs.ready(9, 4);
    Node small = new Node(runs);
    small.attend(1, LONG);
    assertThat(small.takes()).isTrue();
    Node large = nodes(runs, 1).get(0);

    for (int i = 0; i < 3; i++) {
      assertThat(large.takes()).isTrue();
    }
    assertThat(large.isToHandBack()).isFalse();
  }

  @Test
  default void aNodeOfOtherKindsIsLeftNothing() {
    TestRuns runs = runs();
    runs.ready(9, 2);
    nodes(runs(), 1);
    Node node = nodes(runs, 1).get(0);

    assertThat(node.takes()).isTrue();
    assertThat(node.takes()).isTrue();
    assertThat(node.isToHandBack()).isFalse();
  }

  @Test
  default void aNodeThatGivesNoSignOfLifeIsLeftNothing() {
    TestRuns runs = runs();
    runs.ready(9, 3);
    Node dead = new Node(runs);
    dead.attend(9, SHORT);
    Node node = nodes(runs, 1).get(0);
    assertThat(node.takes()).isTrue();
    assertThat(node.takes()).isFalse();

    pass(LAPSE);

    assertThat(node.takes()).isTrue();
    assertThat(node.isToHandBack()).isFalse();
    dead.attend(9, LONG);
    assertThat(node.isToHandBack()).isTrue();
    assertThat(node.takes()).isFalse();
  }

  @Test
  default void aNodeThatLeavesIsLeftNothing() {
    TestRuns runs = runs();
    runs.ready(9, 2);
    List<Node> nodes = nodes(runs, 2);
    Node node = nodes.get(0);
    assertThat(node.takes()).isTrue();
    assertThat(node.takes()).isFalse();
    nodes.get(1).leaves();
    nodes.get(1).leaves();

    assertThat(node.takes()).isTrue();
    assertThat(node.isToHandBack()).isFalse();
  }

  // M14: whoever is there does what a node left behind.
  @Test
  default void aSlotThatHoldsARangeIsTakenByWhoeverComes() {
    TestRuns runs = runs();
    runs.ready(9, 2);
    Node dead = new Node(runs);
    assertThat(dead.takes(SHORT)).isTrue();
    List<Node> nodes = nodes(runs, 2);
    Node node = nodes.get(0);
    assertThat(node.takes()).isTrue();
    pass(LAPSE);

    assertThat(node.takes()).isTrue();
    assertThat(node.leases.get(1).range()).isEqualTo(dead.leases.get(0).range());
  }

  @Test
  default void onlyRunsThatRunAreShared() {
    TestRuns runs = runs();
    Run run = runs.ready(9, 2);
    Node first = nodes(runs, 1).get(0);
    assertThat(first.takes()).isTrue();
    assertThat(first.takes()).isTrue();
    nodes(runs, 1);
    assertThat(first.isToHandBack()).isTrue();
    runs.say(run, Verb.PAUSE);

    assertThat(first.isToHandBack()).isFalse();
  }

  // Whoever waits for work learns of it.
  @Test
  default void whoComesAndGoesIsHeardOf() {
    TestRuns runs = runs();
    Node node = new Node(runs);
    try (TestHints hears = new TestHints(runs)) {
      assertThat(hears.ofAny(() -> node.attend(1, LONG))).isTrue();
      assertThat(hears.ofAny(() -> node.attend(1, LONG))).isFalse();
      assertThat(hears.ofAny(() -> node.attend(2, LONG))).isTrue();
      assertThat(hears.ofAny(node::leaves)).isTrue();
    }
  }
}
