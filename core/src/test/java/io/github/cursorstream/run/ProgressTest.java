package io.github.cursorstream.run;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.DoubleUnaryOperator;
import java.util.function.IntFunction;
import org.assertj.core.data.Offset;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import reactor.core.publisher.Mono;
import reactor.test.scheduler.VirtualTimeScheduler;

/** What is told of the progress of runs, in virtual time. */
class ProgressTest {

  private static final Duration SECOND = Duration.ofSeconds(1);

  private static final Offset<Double> EXACT = Offset.offset(1e-9);

  private VirtualTimeScheduler time;
  private RunStore store;
  private Runner runner;

  /** What was told, and when. */
  private record Look(Duration at, Progress progress) {}

  private final List<Look> looks = new ArrayList<>();
  private @Nullable Duration ended;

  @BeforeEach
  void begin() {
    time = VirtualTimeScheduler.getOrSet();
    store = InMemoryRunStore.create(time);
    runner = Runner.create(store, o -> o.maxConsumers(16));
  }

  @AfterEach
  void end() {
    VirtualTimeScheduler.reset();
  }

  /** Steps that each take some time, of which the share is known exactly. */
  private static class Timed extends Steps {

    private final IntFunction<Duration> takes;

    Timed(int last, IntFunction<Duration> takes) {
      super("timed", last);
      this.takes = takes;
    }

    @Override
    public Mono<Double> share(Run run) {
      return Mono.just(Double.parseDouble(Objects.requireNonNull(run.position())) / last());
    }

    @Override
    public Mono<Lease> work(RunStore store, Lease lease, Duration time) {
      int step = Integer.parseInt(Objects.requireNonNull(lease.range()).upTo());
      return Mono.delay(takes.apply(step)).then(Mono.defer(() -> super.work(store, lease, time)));
    }
  }

  /** As PostgreSQL estimates it. */
  private static Timed estimated(Timed kind, DoubleUnaryOperator estimate) {
    return new Timed(kind.last(), kind.takes) {
      @Override
      public Mono<Double> share(Run run) {
        return super.share(run).map(estimate::applyAsDouble);
      }
    };
  }

  private RunHandle watch(RunKind kind, int consumers) {
    RunHandle run = runner.start(kind).block();
    run.consumers(consumers).block();
    watch(run);
    return run;
  }

  private void watch(RunHandle run) {
    run.progress()
        .doOnComplete(() -> ended = now())
        .subscribe(progress -> looks.add(new Look(now(), progress)));
  }

  private Duration now() {
    return Duration.ofNanos(time.now(TimeUnit.NANOSECONDS));
  }

  private void pass(Duration duration) {
    time.advanceTimeBy(duration);
  }

  private Progress last() {
    return looks.get(looks.size() - 1).progress;
  }

  private void assertNeverFallsNorEndsEarly() {
    assertThat(looks).extracting(look -> look.progress.share()).doesNotContainNull().isSorted();
    for (Look look : looks) {
      assertThat(look.progress.share() == 1).isEqualTo(look.progress.state() == RunState.SUCCEEDED);
    }
  }

  /** How many of the intervals held what then came. */
  private double truthful() {
    List<Look> told = looks.stream().filter(look -> look.progress.atMost() != null).toList();
    assertThat(told.size()).isGreaterThan(looks.size() / 2);
    return told.stream()
            .filter(
                look -> {
                  Duration left = Objects.requireNonNull(ended).minus(look.at);
                  // The end is seen with the look that follows it.
                  return look.progress.atLeast().compareTo(left) <= 0
                      && look.progress.atMost().plus(SECOND).compareTo(left) >= 0;
                })
            .count()
        / (double) told.size();
  }

  @Test
  void steadyWorkTellsItsEndFromTheFirstFewStepsOn() {
    watch(new Timed(500, step -> SECOND), 1);
    pass(Duration.ofMinutes(10));

    assertNeverFallsNorEndsEarly();
    assertThat(truthful()).isEqualTo(1);
    for (Look look : looks.subList(0, looks.size() - 1)) {
      assertThat(look.progress.share()).isCloseTo(look.progress.batches() / 500.0, EXACT);
    }
    Progress half = looks.get(250).progress;
    assertThat(half.rowsPerSecond()).isBetween(0.95, 1.05);
    assertThat(half.atMost().minus(half.atLeast())).isLessThan(Duration.ofSeconds(20));
    assertThat(last())
        .isEqualTo(
            new Progress(RunState.SUCCEEDED, 1.0, 500, 500, null, Duration.ZERO, Duration.ZERO));
  }

  @Test
  void theIntervalOfUnsteadyWorkHoldsTheTruthNearlyAlways() {
    Random random = new Random(1);
    watch(new Timed(2_000, step -> Duration.ofMillis(200 + random.nextInt(3_000))), 4);
    pass(Duration.ofSeconds(1_000));

    assertNeverFallsNorEndsEarly();
    assertThat(truthful()).isGreaterThan(0.8);
  }

  @Test
  void sharesThatComeInStepsTellTheTruth() {
    Timed kind = new Timed(3_000, step -> SECOND);
    watch(estimated(kind, share -> Math.floor(share * 100) / 100), 2);
    pass(Duration.ofSeconds(1_600));

    assertNeverFallsNorEndsEarly();
    assertThat(truthful()).isGreaterThan(0.8);
  }

  // M7
  @Test
  void noiseOfTheStatisticsDoesNotMakeItFallOrGoOver() {
    Random random = new Random(2);
    Timed kind = new Timed(300, step -> SECOND);
    watch(estimated(kind, share -> share + 0.1 * random.nextGaussian()), 3);
    pass(Duration.ofSeconds(200));

    assertNeverFallsNorEndsEarly();
    assertThat(looks).extracting(look -> look.progress.share()).allMatch(s -> s >= 0 && s <= 1);
  }

  @Test
  void batchesInFlightAreNotDone() {
    watch(new Timed(20, step -> Duration.ofSeconds(100)), 10);
    pass(Duration.ofSeconds(50));
    assertThat(last().share()).isZero();

    pass(Duration.ofSeconds(100)); // All are handed out.
    assertThat(last().share()).isEqualTo(0.5);
  }

  // M7
  @Test
  void whatFailedAndWaitsIsNotDone() {
    Timed kind =
        new Timed(10, step -> SECOND) {
          @Override
          public Mono<Lease> work(RunStore store, Lease lease, Duration time) {
            return Objects.requireNonNull(lease.range()).upTo().equals("3")
                ? Mono.error(new IllegalStateException("the third"))
                : super.work(store, lease, time);
          }
        };
    RunHandle run = watch(kind, 1);
    run.change(p -> p.backoff(Duration.ofHours(1), Duration.ofHours(1)).attempts(2)).block();
    pass(Duration.ofMinutes(2));
    assertThat(last().state()).isEqualTo(RunState.RUNNING);
    assertThat(last().batches()).isEqualTo(9);
    assertThat(last().share()).isEqualTo(0.9);

    pass(Duration.ofHours(3));
    assertThat(last().state()).isEqualTo(RunState.FAILED);
    assertThat(last().share()).isEqualTo(0.9);
    assertThat(last().atMost()).isNull();

    looks.clear();
    runner.shutdown(SECOND).block(); // Nobody is as fast as to fail it again.
    run.retry().block();
    watch(run);
    assertThat(last().share()).isEqualTo(0.9);
    assertThat(last().state()).isEqualTo(RunState.RUNNING);
  }

  // M7
  @Test
  void aBatchThatIsCutDoesNotMakeItFallOrGoOver() {
    Timed kind =
        new Timed(20, step -> SECOND) {
          @Override
          public Mono<Lease> work(RunStore store, Lease lease, Duration time) {
            return new Range("6", "7").equals(lease.range())
                ? Mono.error(new TimeoutException("it is too large"))
                : Mono.delay(SECOND).then(Mono.defer(() -> store.complete(lease, 1, time)));
          }

          @Override
          public boolean isTimeout(Throwable failure) {
            return failure instanceof TimeoutException;
          }

          @Override
          public Mono<String> middle(Lease lease) {
            return Mono.just("6.5");
          }
        };
    watch(kind, 2);
    pass(Duration.ofMinutes(1));

    assertNeverFallsNorEndsEarly();
    assertThat(last().state()).isEqualTo(RunState.SUCCEEDED);
    assertThat(last().batches()).isEqualTo(21);
  }

  @Test
  void anotherPassBeginsAnew() {
    Timed kind =
        new Timed(100, step -> SECOND) {
          @Override
          public NewRun newRun() {
            return super.newRun().gated(true);
          }

          @Override
          public Mono<Conclusion> conclude(RunStore store, Run run) {
            return Mono.just(
                "again".equals(run.gate())
                    ? Conclusion.succeeded()
                    : Conclusion.again("100", "again", "more came"));
          }
        };
    watch(kind, 1);
    pass(Duration.ofSeconds(99));
    assertThat(last().share()).isGreaterThan(0.98);
    pass(Duration.ofSeconds(20));
    assertThat(last().share()).isLessThan(0.25);
    pass(Duration.ofSeconds(100));
    assertThat(last().share()).isEqualTo(1);
  }

  @Test
  void whatIsMovedWhilePausedIsToDoAgain() {
    RunHandle run = watch(new Timed(100, step -> SECOND), 1);
    pass(Duration.ofSeconds(50));
    run.pause().block();
    pass(Duration.ofSeconds(5));
    assertThat(last().share()).isBetween(0.49, 0.52);

    Remaining now = store.remaining(run.id()).block();
    Remaining back = new Remaining("10", now.skipped(), 0, now.waiting(), now.putAside());
    store.move(run.id(), now, back, "operator", "back to 10").block();

    assertThat(last().share()).isCloseTo(0.1, EXACT);
    run.resume().block();
    pass(Duration.ofSeconds(10));
    assertThat(last().share()).isBetween(0.18, 0.21);
  }

  @Test
  void rowsThatWerePutAsideAreDone() {
    Timed kind =
        new Timed(4, step -> step == 4 ? Duration.ofHours(1) : SECOND) {
          @Override
          public Mono<Lease> work(RunStore store, Lease lease, Duration time) {
            return Objects.requireNonNull(lease.range()).upTo().equals("2")
                ? Mono.error(new IllegalStateException("the second"))
                : super.work(store, lease, time);
          }
        };
    RunHandle run = watch(kind, 1);
    run.change(p -> p.attempts(1).deadLetters(1)).block();
    pass(Duration.ofSeconds(10));
    assertThat(last().share()).isEqualTo(0.75);
  }

  @Test
  void whilePausedNothingIsKnownOfTheTimeLeft() {
    RunHandle run = watch(new Timed(100, step -> SECOND), 1);
    pass(Duration.ofSeconds(20));
    run.pause().block();
    pass(Duration.ofMinutes(5));
    assertThat(last().state()).isEqualTo(RunState.PAUSED);
    assertThat(last().share()).isBetween(0.19, 0.22);
    assertThat(last().rowsPerSecond()).isNull();
    assertThat(last().atLeast()).isNull();
    assertThat(last().atMost()).isNull();

    run.resume().block();
    pass(Duration.ofSeconds(20));
    assertThat(last().atLeast()).isBetween(Duration.ofSeconds(35), Duration.ofSeconds(62));
    assertThat(last().atMost()).isBetween(Duration.ofSeconds(58), Duration.ofSeconds(90));
  }

  @Test
  void withoutConsumersNothingIsKnownOfTheTimeLeft() {
    RunHandle run = watch(new Timed(100, step -> SECOND), 1);
    pass(Duration.ofSeconds(20));
    assertThat(last().atMost()).isNotNull();
    run.consumers(0).block();
    pass(Duration.ofSeconds(5));
    assertThat(last().state()).isEqualTo(RunState.RUNNING);
    assertThat(last().rowsPerSecond()).isNull();
    assertThat(last().atMost()).isNull();
  }

  @Test
  void moreConsumersBeginANewInterval() {
    RunHandle run = watch(new Timed(1_000, step -> SECOND), 1);
    pass(Duration.ofSeconds(200));
    run.consumers(8).block();
    pass(Duration.ofSeconds(20));
    assertThat(last().atMost()).isLessThan(Duration.ofMinutes(2));
  }

  @Test
  void aStandstillMakesTheLongestTimeGrow() {
    Duration stuck = Duration.ofHours(2);
    RunHandle run = watch(new Timed(100, step -> step == 51 ? stuck : SECOND), 1);
    run.change(p -> p.timeout(stuck.multipliedBy(2))).block();
    pass(Duration.ofSeconds(50));
    Duration before = last().atMost();
    pass(Duration.ofHours(1));
    assertThat(last().share()).isBetween(0.49, 0.51);
    assertThat(last().atMost()).isGreaterThan(before.multipliedBy(20));
  }

  // M7
  @Test
  void whereTheShareIsNotKnownRowsAndSpeedAre() {
    RunKind kind =
        new Timed(100, step -> SECOND) {
          @Override
          public Mono<Double> share(Run run) {
            return Mono.empty();
          }
        };
    watch(kind, 1);
    pass(Duration.ofSeconds(30));
    assertThat(last().share()).isNull();
    assertThat(last().atMost()).isNull();
    assertThat(last().rows()).isBetween(28L, 30L);
    assertThat(last().rowsPerSecond()).isBetween(0.9, 1.1);

    pass(Duration.ofSeconds(100));
    assertThat(last().share()).isEqualTo(1);
  }

  @Test
  void aShareThatCannotBeAskedForDoesNotEndIt() {
    RunKind kind =
        new Timed(100, step -> SECOND) {
          @Override
          public Mono<Double> share(Run run) {
            return Objects.equals(run.position(), "10")
                ? super.share(run)
                : Mono.error(new IllegalStateException("no database"));
          }
        };
    watch(kind, 1);
    pass(Duration.ofSeconds(30));
    assertThat(last().share()).isNull();
    assertThat(looks)
        .extracting(look -> look.progress.share())
        .filteredOn(Objects::nonNull)
        .isNotEmpty();
    pass(Duration.ofSeconds(90));
    assertThat(last().state()).isEqualTo(RunState.SUCCEEDED);
  }

  @Test
  void aNodeWithoutTheCodeDoesNotKnowTheShare() {
    RunHandle run = runner.start(new Timed(100, step -> SECOND)).block();
    pass(Duration.ofSeconds(10));
    watch(Runner.create(store).handle(run.id()));
    assertThat(last().share()).isNull();
    assertThat(last().batches()).isPositive();
  }

  // M7
  @Test
  void nothingToDoIsDone() {
    RunKind kind =
        new Steps("nothing", 0) {
          @Override
          public Mono<Range> bounds(Run run) {
            return Mono.delay(Duration.ofSeconds(5)).then(Mono.empty());
          }
        };
    watch(kind, 1);
    assertThat(last().state()).isEqualTo(RunState.ENQUEUED);
    assertThat(last().share()).isZero();
    pass(Duration.ofSeconds(10));
    assertThat(last().state()).isEqualTo(RunState.SUCCEEDED);
    assertThat(last().share()).isEqualTo(1);
    assertThat(last().rows()).isZero();
    assertThat(ended).isNotNull();
  }

  @Test
  void whatIsNotThereIsNotWatched() {
    watch(runner.handle(17));
    assertThat(looks).isEmpty();
    assertThat(ended).isNotNull();
  }
}
