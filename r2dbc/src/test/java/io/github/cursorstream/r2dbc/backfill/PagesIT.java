package io.github.cursorstream.r2dbc.backfill;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.cursorstream.backfill.Backfill;
import io.github.cursorstream.cursor.Cursor;
import io.github.cursorstream.cursor.Page;
import io.github.cursorstream.cursor.PageRequest;
import io.github.cursorstream.r2dbc.keyset.CleanDatabase;
import io.github.cursorstream.run.DeadLetter;
import io.github.cursorstream.run.Run;
import io.github.cursorstream.run.RunHandle;
import io.github.cursorstream.run.RunKind;
import io.github.cursorstream.run.RunState;
import io.github.cursorstream.run.Runner;
import java.time.Duration;
import java.util.List;
import java.util.Queue;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import reactor.core.publisher.Mono;

/** Backfills over what is no table, whose runs are kept in PostgreSQL and shared. */
class PagesIT extends Nodes {

  @RegisterExtension static final CleanDatabase CLEAN = new CleanDatabase();

  private final Queue<Long> done = new ConcurrentLinkedQueue<>();
  private final Set<String> nodes = ConcurrentHashMap.newKeySet();

  PagesIT() {
    super(CLEAN);
  }

  /** The numbers from 1 to {@code last}, by a cursor that holds the last of a page. */
  private static Mono<Page<Long>> numbers(PageRequest request, long last) {
    Cursor after = request.after();
    long from = after == null ? 0 : Long.parseLong(String.valueOf(after.value("id")));
    long to = Math.min(last, from + request.size());
    List<Long> items = LongStream.rangeClosed(from + 1, to).boxed().toList();
    return Mono.just(to == last ? Page.last(items, null) : Page.of(items, Cursor.of("id", to)));
  }

  private static Backfill<Long> numbers(long last) {
    return Backfill.over("numbers", (PageRequest request) -> numbers(request, last))
        .batchSize(10)
        .attempts(1);
  }

  @Test
  void nodesShareThePages() { // B11, M3
    RunHandle run = null;
    for (String node : List.of("a", "b")) {
      RunKind kind =
          numbers(200)
              .consumers(4)
              .process(
                  batch -> {
                    nodes.add(node);
                    return batch
                        .rows()
                        .collectList()
                        .delayElement(Duration.ofMillis(10))
                        .doOnNext(done::addAll);
                  });
      run = start(runner(pool, o -> o.maxConsumers(2)), kind);
    }
    Run end = end(run);

    assertThat(end.state()).as(end.error()).isEqualTo(RunState.SUCCEEDED);
    assertThat(end.batches()).isEqualTo(20);
    assertThat(done).containsExactlyInAnyOrderElementsOf(ids(1, 200));
    assertThat(nodes).containsExactlyInAnyOrder("a", "b");
    assertThat(toEnd(numbers(0).process(batch -> Mono.empty())).state())
        .isEqualTo(RunState.SUCCEEDED);
  }

  @Test
  void anotherNodeGoesOnAndPutsAsideWhatFails() throws InterruptedException { // B7, M14
    CountDownLatch begun = new CountDownLatch(2);
    Runner first = runner();
    RunHandle run =
        start(
            first,
            numbers(35)
                .consumers(2)
                .deadLetters(1)
                .process(
                    batch -> {
                      begun.countDown();
                      return Mono.never();
                    }));
    assertThat(begun.await(SOON.toSeconds(), TimeUnit.SECONDS)).isTrue();
    first.shutdown(Duration.ZERO).block(SOON);

    runner()
        .register(
            numbers(35)
                .process(
                    batch ->
                        batch
                            .rows()
                            .doOnNext(
                                id -> {
                                  if (id == 17) {
                                    throw new IllegalArgumentException("it is seventeen");
                                  }
                                })
                            .collectList()
                            .doOnNext(done::addAll)));
    Run end = end(run);

    assertThat(end.state()).as(end.error()).isEqualTo(RunState.SUCCEEDED);
    assertThat(end.rows()).isEqualTo(34);
    assertThat(done)
        .containsExactlyInAnyOrderElementsOf(ids(1, 35).stream().filter(id -> id != 17).toList());
    DeadLetter letter = run.deadLetters().blockFirst(SOON);
    assertThat(letter.row()).isEqualTo("\"17\"");
    assertThat(letter.error()).contains("it is seventeen");
  }
}
