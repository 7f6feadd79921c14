package io.github.cursorstream.run;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import reactor.core.publisher.Flux;
import reactor.core.publisher.Mono;

/** How nodes of one store share the consumers of a run. */
@Timeout(60)
class SharingTest {

  private static final Duration SOON = Duration.ofSeconds(10);
  private static final Duration BATCH = Duration.ofMillis(10);

  private final RunStore store = InMemoryRunStore.create();
  private final List<Runner> runners = new ArrayList<>();

  /** Which node did the last batch of a slot. */
  private final Map<Integer, String> workers = new ConcurrentHashMap<>();

  @AfterEach
  void shutDown() {
    Flux.fromIterable(runners).flatMap(runner -> runner.shutdown(SOON)).blockLast();
  }

  /** Far more than is done in a test, of which one tells who did it. */
  private RunKind work(String node, int consumers) {
    return new Steps("work", 1_000_000) {
      @Override
      public Mono<Lease> work(RunStore session, Lease lease, Duration time) {
        workers.put(lease.number(), node);
        return Mono.delay(BATCH).then(super.work(session, lease, time));
      }

      @Override
      public NewRun newRun() {
        RunParameters parameters = RunParameters.DEFAULTS.consumers(consumers);
        return new NewRun("work", "work", "", parameters, false);
      }
    };
  }

  private Runner node(String name, int room) {
    Runner runner = Runner.create(store, o -> o.owner(name).maxConsumers(room));
    runners.add(runner);
    return runner;
  }

  private void awaitSlots(Integer... counts) {
    List<Integer> wanted = Arrays.stream(counts).sorted().toList();
    await()
        .atMost(SOON)
        .pollInterval(Duration.ofMillis(5))
        .until(
            () -> {
              List<String> owners = List.copyOf(workers.values());
              return owners.stream()
                  .distinct()
                  .map(owner -> Collections.frequency(owners, owner))
                  .sorted()
                  .toList()
                  .equals(wanted);
            });
  }

  private int slots(String node) {
    return Collections.frequency(List.copyOf(workers.values()), node);
  }

  /** Nothing changes hands any more. */
  private void assertSettled() {
    Map<Integer, String> before = Map.copyOf(workers);
    await()
        .during(Duration.ofSeconds(2))
        .atMost(Duration.ofSeconds(3))
        .until(() -> workers.equals(before));
  }

  @Test
  void threeNodesSettleAtTwoOneAndOneOfFour() {
    for (String name : List.of("a", "b", "c")) {
      node(name, 4).register(work(name, 4));
    }
    store.create(work("a", 4).newRun(), "me").block();
    awaitSlots(1, 1, 2);
    assertSettled();
  }

  @Test
  void nodeThatComesLateGetsItsShareAtOnce() {
    node("a", 8).start(work("a", 8)).block();
    awaitSlots(8);
    long begun = System.nanoTime();
    node("b", 8).start(work("b", 8)).block();
    awaitSlots(4, 4);
    Duration took = Duration.ofNanos(System.nanoTime() - begun);
    System.out.printf("four of eight slots are the second node's: %d ms%n", took.toMillis());
    assertThat(took).isLessThan(Duration.ofSeconds(3));
    assertSettled();
  }

  @Test
  void smallNodeDoesNotHoldTheOthersBack() {
    node("small", 1).start(work("small", 6)).block();
    awaitSlots(1);
    node("large", 9).start(work("large", 6)).block();
    awaitSlots(1, 5);
    assertThat(slots("small")).isEqualTo(1);
    assertSettled();
  }

  @Test
  void nodeThatShutsDownLeavesItsShareToTheOthers() {
    Runner first = node("a", 4);
    first.start(work("a", 4)).block();
    node("b", 4).start(work("b", 4)).block();
    awaitSlots(2, 2);
    first.shutdown(SOON).block();
    await().atMost(SOON).until(() -> slots("b") == 4);
    // Nothing is kept for one that has left.
    assertThat(store.attend("b", Set.of("work"), 4, SOON).block()).isNull();
  }
}
