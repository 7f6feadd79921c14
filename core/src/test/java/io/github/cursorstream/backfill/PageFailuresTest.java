package io.github.cursorstream.backfill;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.cursorstream.run.DeadLetter;
import io.github.cursorstream.run.Run;
import io.github.cursorstream.run.RunHandle;
import io.github.cursorstream.run.RunKind;
import io.github.cursorstream.run.RunState;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.IntPredicate;
import org.junit.jupiter.api.Test;
import reactor.core.publisher.Mono;

/** Backfills over pages whose work fails, whose source fails, and whose process ends. */
class PageFailuresTest extends VirtualRuns {

  private static final Duration WORK = Duration.ofMillis(100);

  private final List<Integer> poison = new ArrayList<>();

  private static Backfill<Songs.Song> quick(Songs songs) {
    return over(songs).attempts(2).backoff(Duration.ofMillis(50), Duration.ofMillis(50));
  }

  /** Fails before it keeps anything if one of the ids is poison. */
  private RunKind careful(Backfill<Songs.Song> backfill) {
    return backfill.process(
        batch -> batch.rows().map(Songs.Song::id).collectList().map(this::keep));
  }

  private List<Integer> keep(List<Integer> ids) {
    if (ids.stream().anyMatch(poison::contains)) {
      throw new IllegalArgumentException("cannot do all of " + ids);
    }
    batches.add(ids);
    return ids;
  }

  private static List<Integer> without(List<Integer> ids, IntPredicate gone) {
    return ids.stream().filter(id -> !gone.test(id)).toList();
  }

  // B7, M2
  @Test
  void aBatchThatFailsIsTriedAgain() {
    AtomicInteger attempts = new AtomicInteger();
    List<Integer> told = new ArrayList<>();
    Songs songs = new Songs(9);
    RunHandle run =
        start(
            quick(songs)
                .batchSize(3)
                .onError((batch, failure) -> told.add(batch.attempt()))
                .process(
                    batch ->
                        attempts.incrementAndGet() == 2
                            ? Mono.error(new IllegalStateException("once"))
                            : collect(batch)));
    Run end = succeeded(run);

    assertThat(batches).containsExactlyInAnyOrder(ids(1, 3), ids(4, 6), ids(7, 9));
    assertThat(end.failures()).isEqualTo(1);
    assertThat(told).containsExactly(1);
    assertThat(songs.requests).as("what failed was held").hasSize(3);
  }

  // B7
  @Test
  void itemsThatKeepFailingAreIsolatedAndPutAside() {
    for (int size : List.of(1, 2, 7, 10, 30)) {
      for (List<Integer> bad : List.of(List.of(1), List.of(20), List.of(7, 8), List.of(10, 11))) {
        batches.clear();
        poison.clear();
        poison.addAll(bad);
        Songs songs = new Songs(20);
        RunHandle run = start(careful(quick(songs).batchSize(size).deadLetters(2)));
        Run end = succeeded(run);

        assertThat(done()).containsExactlyInAnyOrderElementsOf(without(ids(1, 20), bad::contains));
        assertThat(end.rows()).isEqualTo(20 - bad.size());
        assertThat(run.deadLetters().map(DeadLetter::row).collectList().block())
            .containsExactlyInAnyOrderElementsOf(
                bad.stream().map("\"Song[id=%d]\""::formatted).toList());

        poison.clear();
        batches.clear();
        run.retryDeadLetters().block();
        succeeded(run);
        assertThat(done()).containsExactlyInAnyOrderElementsOf(bad);
        assertThat(songs.requests).as("of all that, nothing twice").hasSize((20 + size - 1) / size);
        runners.remove(0).shutdown(Duration.ZERO).subscribe();
      }
    }
  }

  @Test
  void pastTheBudgetTheRunFailsAndKeepsItsPlace() {
    poison.addAll(List.of(4, 12));
    RunHandle run = start(careful(quick(new Songs(20)).batchSize(5).deadLetters(1)));
    assertThat(end(run).state()).isEqualTo(RunState.FAILED);

    poison.clear();
    run.retry().block();
    succeeded(run);
    assertThat(run.deadLetters().count().block()).isEqualTo(1);
    assertThat(done()).containsAnyOf(4, 12).doesNotHaveDuplicates().hasSize(19);
  }

  // M11
  @Test
  void whoeverWaitsForTheEndIsGivenTheError() {
    poison.add(4);
    List<Throwable> thrown = new ArrayList<>();
    node().runToEnd(careful(quick(new Songs(9)).batchSize(3))).subscribe(run -> {}, thrown::add);
    pass(Duration.ofSeconds(5));

    assertThat(thrown).singleElement().asString().contains("FAILED", "cannot do all of [4]");
    assertThat(done()).doesNotContain(4);
  }

  // M19
  @Test
  void aBatchThatTakesTooLongIsCutInHalves() {
    RunHandle run =
        start(
            over(new Songs(8))
                .batchSize(8)
                .parameters(parameters -> parameters.timeout(Duration.ofSeconds(1)))
                .process(
                    batch ->
                        batch
                            .rows()
                            .map(Songs.Song::id)
                            .collectList()
                            .delayUntil(ids -> Mono.delay(Duration.ofMillis(400L * ids.size())))
                            .doOnNext(batches::add)));
    succeeded(run);
    assertThat(batches).containsExactly(ids(1, 2), ids(3, 4), ids(5, 6), ids(7, 8));
  }

  @Test
  void workThatTakesItsItemsAwayIsDoneInHalvesToo() {
    Songs songs = new Songs(40);
    poison.add(13);
    RunHandle run =
        start(
            quick(songs)
                .batchSize(10)
                .deadLetters(1)
                .process(
                    batch ->
                        batch
                            .rows()
                            .map(Songs.Song::id)
                            .doOnNext(id -> keep(List.of(id)))
                            .doOnNext(songs.ids::remove)));
    succeeded(run);
    assertThat(songs.ids).containsExactly(13);
  }

  // B8
  @Test
  void aSourceThatFailsForAWhileIsAskedAgain() {
    Songs songs = new Songs(30);
    RunHandle run = start(over(songs).batchSize(5).process(batch -> slowly(batch, WORK)));
    pass(WORK.multipliedBy(2));
    songs.failure = new IllegalStateException("away");
    pass(Duration.ofSeconds(1));
    songs.failure = null;

    assertThat(succeeded(run).failures()).isZero();
    assertThat(done()).isEqualTo(ids(1, 30));
  }

  // B8, B13
  @Test
  void whenASourceKeepsFailingTheRunFailsAndGoesOnFromItsPlace() {
    Songs songs = new Songs(30);
    RunHandle run = start(quick(songs).batchSize(5).process(batch -> slowly(batch, WORK)));
    pass(WORK.multipliedBy(3));
    songs.failure = new IllegalStateException("gone");
    Run failed = end(run);
    assertThat(failed.state()).isEqualTo(RunState.FAILED);
    assertThat(failed.error()).startsWith("java.lang.IllegalStateException: gone");
    List<Integer> before = done();
    assertThat(before).hasSizeBetween(5, 25);

    songs.failure = null;
    run.retry().block();
    assertThat(succeeded(run).rows()).isEqualTo(30);
    assertThat(done()).isEqualTo(ids(1, 30));
  }

  /** Another node goes on, which has no page. */
  private void restart(RunKind kind) {
    runners.forEach(runner -> runner.shutdown(Duration.ZERO).subscribe());
    pass(WORK);
    node().register(kind);
  }

  // M14
  @Test
  void whoeverDoesNotHoldAPageFetchesItAgain() {
    Songs songs = new Songs(30);
    poison.add(8);
    Backfill<Songs.Song> backfill = quick(songs).batchSize(10).consumers(2).deadLetters(1);
    RunHandle run = start(backfill.process(batch -> Mono.never()));
    pass(WORK);
    assertThat(now(run).inFlight()).isEqualTo(2);
    int before = songs.requests.size();

    restart(careful(backfill));
    succeeded(run);
    assertThat(done()).containsExactlyInAnyOrderElementsOf(without(ids(1, 30), id -> id == 8));
    assertThat(songs.requests.subList(before, songs.requests.size())).hasSize(3);
  }

  @Test
  void aPageThatHasChangedWhenItIsFetchedAgainFailsTheRun() {
    Songs songs = new Songs(30);
    Backfill<Songs.Song> backfill = quick(songs).batchSize(10);
    RunHandle run = start(backfill.process(batch -> Mono.never()));
    pass(WORK);
    songs.ids.remove(3);

    restart(careful(backfill));
    Run end = end(run);
    assertThat(end.state()).isEqualTo(RunState.FAILED);
    assertThat(end.error())
        .contains(
            "the same page required when it is fetched again but the one of 10 items after null has"
                + " changed");
    assertThat(end.failures()).isEqualTo(1);
    assertThat(end.waiting()).isEqualTo(1);

    songs.ids.add(3);
    run.retry().block();
    succeeded(run);
    assertThat(done()).containsExactlyInAnyOrderElementsOf(ids(1, 30));
  }

  @Test
  void whileAPageCannotBeFetchedAgainNoItemIsToBlame() {
    Songs songs = new Songs(10);
    Backfill<Songs.Song> backfill = quick(songs).batchSize(10).deadLetters(100);
    RunHandle run = start(backfill.process(batch -> Mono.never()));
    pass(WORK);
    songs.failure = new IllegalStateException("away");

    restart(careful(backfill));
    // Long enough for a bad row to be looked for, and for the breaker to end it.
    Run failed = end(run);
    assertThat(failed.state()).isEqualTo(RunState.FAILED);
    assertThat(failed.failures()).isEqualTo(50);
    songs.failure = null;
    run.retry().block();
    assertThat(succeeded(run).deadLetters()).isZero();
    assertThat(done()).containsExactlyInAnyOrderElementsOf(ids(1, 10));
  }

  @Test
  void pagesOfBatchesThatWaitAreHeldWithinALimit() {
    Songs songs = new Songs(200);
    RunHandle run =
        start(
            over(songs)
                .batchSize(1)
                .backoff(Duration.ofMinutes(1), Duration.ofMinutes(1))
                .process(
                    batch ->
                        batch.attempt() == 1 && Math.floorMod(batch.id().hashCode(), 5) < 2
                            ? Mono.error(new IllegalStateException("not yet"))
                            : collect(batch)));
    Run end = succeeded(run);
    assertThat(done()).containsExactlyInAnyOrderElementsOf(ids(1, 200));
    int again = songs.requests.size() - 200;
    assertThat(again).as("more waited than is held").isPositive().isLessThan((int) end.failures());
  }
}
