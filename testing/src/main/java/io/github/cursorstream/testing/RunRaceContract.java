package io.github.cursorstream.testing;

import static io.github.cursorstream.testing.TestRuns.LAPSE;
import static io.github.cursorstream.testing.TestRuns.LONG;
import static io.github.cursorstream.testing.TestRuns.SHORT;
import static io.github.cursorstream.testing.TestRuns.again;
import static io.github.cursorstream.testing.TestRuns.ends;
import static io.github.cursorstream.testing.TestRuns.get;
import static io.github.cursorstream.testing.TestRuns.getOrNull;
import static io.github.cursorstream.testing.TestRuns.held;
import static org.assertj.core.api.Assertions.assertThat;

import io.github.cursorstream.run.Lease;
import io.github.cursorstream.run.LostLeaseException;
import io.github.cursorstream.run.NewRun;
import io.github.cursorstream.run.Range;
import io.github.cursorstream.run.Run;
import io.github.cursorstream.run.RunEvent;
import io.github.cursorstream.run.RunParameters;
import io.github.cursorstream.run.RunState;
import io.github.cursorstream.run.Verb;
import io.github.cursorstream.run.VerbResult;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Queue;
import java.util.concurrent.Callable;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** Many at once. */
interface RunRaceContract extends RunStoreUnderTest {

  int THREADS = 8;

  /** All begin together; gives back what they brought. */
  private static <T> List<T> together(List<Callable<T>> tasks) {
    ExecutorService threads = Executors.newFixedThreadPool(tasks.size());
    CyclicBarrier start = new CyclicBarrier(tasks.size());
    try {
      List<Future<T>> futures = new ArrayList<>();
      for (Callable<T> task : tasks) {
        futures.add(
            threads.submit(
                () -> {
                  start.await(10, TimeUnit.SECONDS);
                  return task.call();
                }));
      }
      List<T> results = new ArrayList<>();
      for (Future<T> future : futures) {
        results.add(future.get(60, TimeUnit.SECONDS));
      }
      return results;
    } catch (InterruptedException | ExecutionException | TimeoutException e) {
      throw new AssertionError(e);
    } finally {
      threads.shutdownNow();
    }
  }

  private static <T> List<T> together(int times, Callable<T> task) {
    return together(Stream.generate(() -> task).limit(times).toList());
  }

  private static List<Range> steps(int last) {
    return IntStream.rangeClosed(1, last).mapToObj(TestRuns::step).toList();
  }

  /** As a runner's consumer does it; what is completed goes into {@code done}. */
  private static void consume(TestRuns runs, Run run, double failing, Queue<Range> done) {
    while (!runs.state(run).isEnded()) {
      Lease taken = runs.takeOrNull();
      if (taken == null) {
        Thread.onSpinWait();
        continue;
      }
      try {
        Lease lease = taken;
        while (true) {
          Range range = lease.range();
          if (range != null && ThreadLocalRandom.current().nextDouble() < failing) {
            lease = runs.fail(lease, again(lease, Duration.ZERO));
          } else if (range != null) {
            lease = runs.complete(lease);
            done.add(range);
          } else if (lease.run().hasMore() && lease.run().state() == RunState.RUNNING) {
            int tail = Integer.parseInt(Objects.requireNonNull(lease.run().tail()));
            int upper = Integer.parseInt(Objects.requireNonNull(lease.run().upper()));
            getOrNull(runs.store.extend(lease.run(), ends(tail, Math.min(upper, tail + 7))));
            lease = get(runs.store.complete(lease, 0, LONG));
          } else {
            runs.release(lease);
            break;
          }
        }
      } catch (LostLeaseException forced) {
        // Somebody forced it; take the next.
      }
    }
  }

  // B20
  @Test
  default void theFirstOfTwentyDiesHalfWayAndTheRunEndsOnce() {
    TestRuns runs = runs();
    Run run = runs.ready(200, 20);
    Queue<Range> done = new ConcurrentLinkedQueue<>();
    Lease dying = runs.take(SHORT);
    for (int i = 0; i < 100; i++) {
      done.add(held(dying));
      dying = get(store().complete(dying, 1, SHORT));
    }
    pass(LAPSE);

    together(
        19,
        () -> {
          consume(runs, run, 0, done);
          return true;
        });

    assertThat(done).containsExactlyInAnyOrderElementsOf(steps(200));
    assertThat(runs.run(run).batches()).isEqualTo(200);
    assertThat(runs.run(run).inFlight() + runs.run(run).waiting()).isZero();
    assertThat(runs.types(run))
        .containsOnlyOnce(RunEvent.Type.TAKEN_OVER)
        .containsOnlyOnce(RunEvent.Type.SUCCEEDED);
  }

  // B11
  @Test
  default void everyRangeIsHandedOutOnceAndNoneIsMissing() {
    TestRuns runs = runs();
    Run run = runs.opened(500, RunParameters.DEFAULTS.consumers(THREADS));
    Queue<Range> done = new ConcurrentLinkedQueue<>();

    together(
        THREADS,
        () -> {
          consume(runs, run, 0, done);
          return true;
        });

    assertThat(done).containsExactlyInAnyOrderElementsOf(steps(500));
    Run succeeded = runs.run(run);
    assertThat(succeeded.state()).isEqualTo(RunState.SUCCEEDED);
    assertThat(succeeded.batches()).isEqualTo(500);
    assertThat(succeeded.rows()).isEqualTo(500);
    assertThat(succeeded.inFlight() + succeeded.waiting() + succeeded.ahead()).isZero();
    assertThat(runs.types(run)).containsOnlyOnce(RunEvent.Type.SUCCEEDED);
  }

  // B2, B3, B7
  @Test
  default void everyRangeIsCompletedOnceWhileBatchesFailAndVerbsAndChangesFall() {
    TestRuns runs = runs();
    Run run = runs.opened(300, RunParameters.DEFAULTS.consumers(THREADS));
    Queue<Range> done = new ConcurrentLinkedQueue<>();
    List<Callable<Boolean>> tasks = new ArrayList<>();
    for (int i = 0; i < THREADS - 1; i++) {
      tasks.add(
          () -> {
            consume(runs, run, 0.1, done);
            return true;
          });
    }
    tasks.add(
        () -> {
          for (int i = 0; i < 40 && !runs.state(run).isEnded(); i++) {
            Verb verb = i % 3 == 0 ? Verb.PAUSE : Verb.FORCE_PAUSE;
            runs.say(run, verb);
            int size = i;
            runs.change(run, now -> now.consumers(size % THREADS).batchSize(size + 1));
            runs.say(run, Verb.RESUME);
          }
          runs.change(run, now -> now.consumers(THREADS));
          return true;
        });

    together(tasks);

    assertThat(done).containsExactlyInAnyOrderElementsOf(steps(300));
    assertThat(runs.state(run)).isEqualTo(RunState.SUCCEEDED);
    assertThat(runs.run(run).batches()).isEqualTo(300);
    assertThat(runs.run(run).inFlight() + runs.run(run).waiting()).isZero();
  }

  // M15
  @Test
  default void manyWhoCreateTheSameGetOneRun() {
    TestRuns runs = runs();
    NewRun plan = runs.plan("a", RunParameters.DEFAULTS);

    List<Long> ids = together(THREADS, () -> get(store().create(plan, "who")).id());

    assertThat(ids).containsOnly(ids.get(0));
  }

  @Test
  default void manyWhoOpenAgreeOnTheBounds() {
    TestRuns runs = runs();
    Run run = runs.created(RunParameters.DEFAULTS);
    Queue<String> bounds = new ConcurrentLinkedQueue<>(ends(0, THREADS));

    List<Run> opened =
        together(
            THREADS,
            () -> get(store().open(run.id(), "0", Objects.requireNonNull(bounds.poll()), "node")));

    assertThat(opened).extracting(Run::upper).containsOnly(runs.run(run).upper());
    assertThat(runs.types(run)).containsOnlyOnce(RunEvent.Type.OPENED);
  }

  // B11
  @Test
  default void oneOfManyGetsTheSlot() {
    TestRuns runs = runs();
    runs.ready(9, 3);

    List<Boolean> got = together(THREADS, () -> runs.takeOrNull() != null);

    assertThat(got).filteredOn(taken -> taken).hasSize(3);
  }

  @Test
  default void oneOfManyAddsTheEnds() {
    TestRuns runs = runs();
    Run run = runs.opened(9, RunParameters.DEFAULTS);

    together(
        THREADS,
        () -> {
          runs.extend(run, 0, 5);
          return true;
        });

    assertThat(runs.run(run).ahead()).isEqualTo(5);
  }

  @Test
  default void oneOfManyCompletesTheBatch() {
    TestRuns runs = runs();
    Run run = runs.ready(9, 1);
    Lease lease = runs.take();

    List<Boolean> completed =
        together(
            THREADS,
            () -> {
              try {
                runs.complete(lease);
                return true;
              } catch (LostLeaseException late) {
                return false;
              }
            });

    assertThat(completed).filteredOn(passed -> passed).hasSize(1);
    assertThat(runs.run(run).batches()).isEqualTo(1);
    assertThat(runs.run(run).inFlight()).isEqualTo(1);
  }

  // M6
  @Test
  default void pauseCancelAndFinishRacingHaveOneResult() {
    for (int round = 0; round < 20; round++) {
      TestRuns runs = runs();
      Run run = runs.ready(1, 1);
      Lease lease = runs.take();
      assertThat(held(lease)).isEqualTo(TestRuns.step(1));

      List<VerbResult> said =
          together(
              List.of(
                  () -> runs.say(run, Verb.PAUSE),
                  () -> runs.say(run, Verb.CANCEL),
                  () -> {
                    runs.complete(lease);
                    return new VerbResult(
                        VerbResult.Kind.NOTHING_TO_DO, RunState.SUCCEEDED, "not a verb");
                  }));

      Run over = runs.run(run);
      assertThat(over.batches()).isEqualTo(1);
      assertThat(over.inFlight()).isZero();
      assertThat(over.state())
          .as("pause %s, cancel %s", said.get(0), said.get(1))
          .isEqualTo(said.get(1).isAccepted() ? RunState.CANCELLED : RunState.SUCCEEDED);
    }
  }
}
