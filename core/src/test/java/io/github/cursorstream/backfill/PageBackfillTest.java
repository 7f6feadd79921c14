package io.github.cursorstream.backfill;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.cursorstream.run.Run;
import io.github.cursorstream.run.RunHandle;
import io.github.cursorstream.run.RunState;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import reactor.core.publisher.Mono;

/** Backfills over pages, as long as nothing fails. */
class PageBackfillTest extends VirtualRuns {

  private static final Duration WORK = Duration.ofMillis(100);

  // B5, B6
  @Test
  void batchesHaveTheSizeThatWasAskedForAndTheLastOneTheRest() {
    Songs songs = new Songs(100_000);
    Run run = succeeded(start(collecting(over(songs).batchSize(30_000))));

    assertThat(batches.stream().map(List::size)).containsExactly(30_000, 30_000, 30_000, 10_000);
    assertThat(done()).isEqualTo(ids(1, 100_000));
    assertThat(run.rows()).isEqualTo(100_000);
    assertThat(run.batches()).isEqualTo(4);
    assertThat(songs.requests).hasSize(4);
  }

  @Test
  void everyItemIsDoneOnceWhateverTheBatchSize() {
    for (int size = 1; size <= 13; size++) {
      for (int consumers : List.of(1, 3)) {
        batches.clear();
        Songs songs = new Songs(12);
        Run run = succeeded(start(collecting(over(songs).batchSize(size).consumers(consumers))));

        assertThat(done()).containsExactlyInAnyOrderElementsOf(ids(1, 12));
        assertThat(run.batches()).isEqualTo((12 + size - 1) / size);
        assertThat(songs.requests).hasSize((12 + size - 1) / size);
        runners.remove(0).shutdown(Duration.ZERO).subscribe();
      }
    }
  }

  // B1
  @Test
  void withoutConsumersNothingIsFetched() {
    Songs songs = new Songs(5);
    RunHandle run = start(collecting(over(songs).consumers(0)));
    pass(Duration.ofSeconds(5));
    assertThat(now(run).state()).isEqualTo(RunState.RUNNING);
    assertThat(songs.requests).isEmpty();

    run.addConsumer().block();
    succeeded(run);
    assertThat(done()).isEqualTo(ids(1, 5));
  }

  // B2
  @Test
  void consumersComeAndGoWhileItRuns() {
    Songs songs = new Songs(200);
    RunHandle run = start(over(songs).batchSize(2).process(batch -> slowly(batch, WORK)));
    for (int consumers : List.of(5, 1, 0)) {
      pass(WORK.multipliedBy(3));
      run.consumers(consumers).block();
    }
    pass(WORK.multipliedBy(2));
    long stopped = now(run).batches();
    assertThat(stopped).isPositive();
    pass(Duration.ofSeconds(10));
    assertThat(now(run).batches()).isEqualTo(stopped);

    run.consumers(4).block();
    pass(WORK.multipliedBy(4));
    assertThat(now(run).inFlight()).isEqualTo(4);
    assertThat(succeeded(run).rows()).isEqualTo(200);
    assertThat(done()).containsExactlyInAnyOrderElementsOf(ids(1, 200));
    assertThat(songs.requests).as("each page once").hasSize(100);
  }

  // B3, B10
  @Test
  void aPauseKeepsThePlace() {
    RunHandle run = start(over(new Songs(40)).batchSize(4).process(b -> slowly(b, WORK)));
    pass(WORK.multipliedBy(4));
    // It is answered while a batch is in flight, as no time passes.
    assertThat(run.pause().block().state()).isEqualTo(RunState.PAUSING);
    pass(WORK);
    assertThat(now(run).state()).isEqualTo(RunState.PAUSED);
    List<Integer> before = done();
    pass(Duration.ofMinutes(1));
    assertThat(done()).isEqualTo(before).hasSizeBetween(4, 36);

    run.resume().block();
    succeeded(run);
    assertThat(done()).isEqualTo(ids(1, 40));
  }

  // B12
  @Test
  void thereIsAPauseLessThanThereAreBatches() {
    List<Long> begun = new ArrayList<>();
    Duration pause = Duration.ofSeconds(2);
    RunHandle run =
        start(
            over(new Songs(40))
                .batchSize(10)
                .pauseBetween(pause)
                .process(
                    batch -> {
                      begun.add(time.now(TimeUnit.MILLISECONDS));
                      return batch.rows();
                    }));
    Run end = succeeded(run);

    assertThat(begun.stream().map(at -> at - begun.get(0)))
        .containsExactly(0L, 2000L, 4000L, 6000L);
    assertThat(Duration.between(end.startedAt(), end.endedAt())).isEqualTo(pause.multipliedBy(3));
  }

  @Test
  void rowsPerSecondAreHeldOverAllConsumers() {
    RunHandle run =
        start(
            collecting(
                over(new Songs(100))
                    .batchSize(5)
                    .consumers(2)
                    .parameters(parameters -> parameters.rowsPerSecond(10))));
    Run end = succeeded(run);

    // Ten batches each, with a second between two of them.
    assertThat(Duration.between(end.startedAt(), end.endedAt()))
        .isBetween(Duration.ofSeconds(9), Duration.ofSeconds(10));
  }

  // B14
  @Test
  void pagesWithoutItemsAreNotTheEnd() {
    Songs songs = new Songs(100);
    songs.every = 35;
    Run run = succeeded(start(collecting(over(songs).batchSize(10))));

    assertThat(batches).containsExactly(List.of(35), List.of(70));
    assertThat(run.batches()).isEqualTo(2);
    assertThat(songs.requests).hasSize(10);
  }

  // B18
  @Test
  void itIsDoneOnlyWhenTheWorkIsDone() {
    List<Integer> finished = new ArrayList<>();
    RunHandle run =
        start(
            over(new Songs(4))
                .batchSize(2)
                .consumers(2)
                .process(
                    batch ->
                        collect(batch)
                            .delayUntil(ids -> Mono.delay(Duration.ofSeconds(ids.get(0))))
                            .doOnNext(finished::addAll)));
    pass(Duration.ofMillis(2900));
    assertThat(done()).isEqualTo(ids(1, 4));
    assertThat(finished).isEqualTo(ids(1, 2));
    assertThat(now(run).state()).isEqualTo(RunState.RUNNING);

    succeeded(run);
    assertThat(finished).isEqualTo(ids(1, 4));
  }

  // M1
  @Test
  void itBeginsBehindACursor() {
    succeeded(start(collecting(over(new Songs(8)).batchSize(2).after(Songs.at(3)))));
    assertThat(batches).containsExactly(ids(4, 5), ids(6, 7), ids(8, 8));
  }

  // M3
  @Test
  void whereThereIsNothingItHasSucceeded() {
    Songs filtered = new Songs(20);
    filtered.every = 21;
    for (Backfill<Songs.Song> nothing :
        List.of(over(new Songs(0)), over(new Songs(3)).after(Songs.at(3)), over(filtered))) {
      Run run = succeeded(start(collecting(nothing.batchSize(5))));
      assertThat(run.rows() + run.batches()).isZero();
      runners.remove(0).shutdown(Duration.ZERO).subscribe();
    }
    assertThat(batches).isEmpty();
  }

  // M4
  @Test
  void aSingleItemIsDone() {
    succeeded(start(collecting(over(new Songs(1)))));
    assertThat(batches).containsExactly(ids(1, 1));
  }

  // M12
  @Test
  void anotherBatchSizeIsFeltAndLosesNothing() {
    RunHandle run = start(over(new Songs(60)).batchSize(10).process(b -> slowly(b, WORK)));
    pass(WORK.multipliedBy(2).minusMillis(50));
    run.change(parameters -> parameters.batchSize(3)).block();
    succeeded(run);

    assertThat(done()).isEqualTo(ids(1, 60));
    assertThat(batches.get(0)).hasSize(10);
    assertThat(batches.get(3)).hasSize(3);
  }

  @Test
  void onlyAFewPagesAreAheadOfTheWork() {
    Songs songs = new Songs(1000);
    start(over(songs).batchSize(1).consumers(2).process(batch -> Mono.never()));
    pass(Duration.ofSeconds(20));
    assertThat(songs.requests).hasSizeBetween(2, 4);
  }

  @Test
  void aBatchIsKnownByTheSameNameAtEachAttempt() {
    List<String> names = new ArrayList<>();
    RunHandle run =
        start(
            over(new Songs(6))
                .batchSize(3)
                .process(
                    batch -> {
                      names.add(batch.id());
                      return batch.attempt() < 2 ? Mono.error(new Failure()) : batch.rows();
                    }));
    succeeded(run);
    assertThat(names).hasSize(4);
    assertThat(names.stream().distinct()).hasSize(2);
  }

  private static final class Failure extends RuntimeException {
    private static final long serialVersionUID = 1L;
  }
}
