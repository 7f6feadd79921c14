package io.github.cursorstream.cursor;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Objects;
import java.util.Queue;
import java.util.SplittableRandom;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Consumer;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.reactivestreams.Publisher;
import org.reactivestreams.Subscription;
import reactor.core.CoreSubscriber;
import reactor.core.publisher.Operators;
import reactor.util.context.Context;

/** Requests, pages and cancellation from three threads at once, tens of thousands of times. */
class CursorStreamRaceTest {

  private static final int ROUNDS = 20_000;
  private static final int PAGES = 4;
  private static final int PAGE = 2;

  private static final List<Telling> TELLINGS = List.of(Telling.values());

  private static ExecutorService threads;

  @BeforeAll
  static void start() {
    threads = Executors.newFixedThreadPool(3);
  }

  @AfterAll
  static void stop() {
    threads.shutdownNow();
  }

  @Test
  void withoutCancelEveryItemIsDeliveredOnce() throws Exception {
    int begunInVain = 0;
    for (int i = 0; i < ROUNDS; i++) {
      Round round = new Round(i, -1, false);
      round.run();
      assertThat(round.received).as("%s", round).isEqualTo(Numbers.list(1, PAGES * PAGE));
      assertThat(round.end).as("%s", round).isEqualTo("complete");
      assertThat(round.discarded)
          .as("%s", round)
          .hasSize(round.handedOver.get() - round.received.size());
      assertThat(round.discarded.isEmpty() || round.telling == Telling.WRONGLY)
          .as("%s", round)
          .isTrue();
      begunInVain += round.discarded.isEmpty() ? 0 : 1;
    }
    assertThat(begunInVain).as("rounds with pages begun in vain").isGreaterThan(ROUNDS / 100);
  }

  @Test
  void anErrorComesAfterEveryItemBeforeIt() throws Exception {
    for (int i = 0; i < ROUNDS; i++) {
      Round round = new Round(i, -1, true);
      round.run();
      assertThat(round.received).as("%s", round).isEqualTo(Numbers.list(1, (PAGES - 1) * PAGE));
      assertThat(round.end).as("%s", round).isEqualTo("error");
    }
  }

  @Test
  void withCancelEveryItemIsDeliveredOrDiscardedOnce() throws Exception {
    int cutShort = 0;
    for (int i = 0; i < ROUNDS; i++) {
      Round round = new Round(i, i % 40, false);
      round.run();
      List<Integer> all = new ArrayList<>(round.received);
      assertThat(all).as("%s", round).isEqualTo(Numbers.list(1, all.size()));
      all.addAll(round.discarded);
      assertThat(all).as("%s", round).hasSize(round.handedOver.get());
      if (round.telling != Telling.WRONGLY) {
        Collections.sort(all);
        assertThat(all).as("%s", round).isEqualTo(Numbers.list(1, all.size()));
      }
      cutShort += round.end == null ? 1 : 0;
    }
    assertThat(cutShort).as("rounds in which the cancel won").isBetween(ROUNDS / 100, ROUNDS);
  }

  /** What a source says about where a page will end, before the page arrives. */
  private enum Telling {
    NOTHING,
    RIGHTLY,
    /** Now and then a place before or behind it, also of the last one. */
    WRONGLY
  }

  /**
   * One subscription under fire: requests, each page and the cancel come from their own threads.
   */
  private static final class Round implements CoreSubscriber<Integer>, PageSource<Integer> {

    private final int number;
    private final int cancelAfterSpins;
    private final boolean fails;
    private final Telling telling;
    private final SplittableRandom random;
    private final Queue<Future<?>> running = new ConcurrentLinkedQueue<>();
    private final AtomicInteger handedOver = new AtomicInteger();
    private final AtomicInteger inside = new AtomicInteger();
    private final List<Integer> received = new ArrayList<>();
    private final List<Integer> discarded = Collections.synchronizedList(new ArrayList<>());
    private final Context context =
        Operators.enableOnDiscard(Context.empty(), item -> discarded.add((Integer) item));
    private final ManualPages pages = new ManualPages();
    private final int spins;
    private volatile Subscription subscription;
    private volatile String end;
    private volatile String violation;

    Round(int number, int cancelAfterSpins, boolean fails) {
      this.number = number;
      this.cancelAfterSpins = cancelAfterSpins;
      this.fails = fails;
      this.random = new SplittableRandom(number);
      this.spins = random.nextInt(100);
      this.telling = TELLINGS.get(number % 3);
    }

    void run() throws Exception {
      int burst = 1 + random.nextInt(3);
      CursorStream.of(this).pageSize(PAGE).prefetch(random.nextInt(3)).items().subscribe(this);
      if (cancelAfterSpins >= 0) {
        running.add(threads.submit(this::cancel));
      }
      for (int i = 0; i < PAGES * PAGE + 1; i += burst) {
        subscription.request(burst);
        spin(spins);
      }
      // Only pages make fetches now, so when none is on its way any more all is over.
      for (Future<?> task = running.poll(); task != null; task = running.poll()) {
        task.get(10, TimeUnit.SECONDS);
      }
      assertThat(violation).as("%s", this).isNull();
    }

    private void cancel() {
      spin(cancelAfterSpins * 50);
      subscription.cancel();
    }

    @Override
    public Publisher<Page<Integer>> fetch(PageRequest request) {
      return answered((ManualPages.Fetch) pages.fetch(request), 0);
    }

    @Override
    public Publisher<Page<Integer>> fetch(PageRequest request, Consumer<Cursor> end) {
      int wrong = telling == Telling.WRONGLY ? random.nextInt(-1, 3) : 0;
      return answered((ManualPages.Fetch) pages.fetch(request, end), wrong);
    }

    private Publisher<Page<Integer>> answered(ManualPages.Fetch fetch, int wrong) {
      return fetch.doOnSubscribe(s -> running.add(threads.submit(() -> answer(fetch, wrong))));
    }

    /** Whether it was cancelled or not: that is the race. */
    private void answer(ManualPages.Fetch fetch, int wrong) {
      spin(spins);
      Cursor after = fetch.request.after();
      int from = after == null ? 0 : Integer.parseInt(Objects.requireNonNull(after.value("n")));
      boolean last = from + PAGE >= PAGES * PAGE;
      boolean tells = last ? telling == Telling.WRONGLY : telling != Telling.NOTHING;
      if (tells && fetch.maySayWhereItEnds()) {
        fetch.endsAt(from + PAGE + wrong);
        spin(spins);
      }
      if (fails && from >= (PAGES - 1) * PAGE) {
        fetch.subscriber().onError(new IOException("planned"));
        return;
      }
      Integer[] items = Numbers.list(from + 1, from + PAGE).toArray(Integer[]::new);
      handedOver.addAndGet(items.length);
      if (last) {
        fetch.isLast(items);
      } else {
        fetch.arrives(items);
      }
      fetch.subscriber().onComplete();
    }

    private static void spin(int times) {
      for (int i = 0; i < times; i++) {
        Thread.onSpinWait();
      }
    }

    @Override
    public Context currentContext() {
      return context;
    }

    @Override
    public void onSubscribe(Subscription s) {
      subscription = s;
    }

    @Override
    public void onNext(Integer item) {
      check(inside.getAndIncrement() == 0, "two signals at once");
      check(end == null, "an item after the end");
      received.add(item);
      inside.decrementAndGet();
    }

    @Override
    public void onError(Throwable e) {
      terminate("error");
    }

    @Override
    public void onComplete() {
      terminate("complete");
    }

    private void terminate(String how) {
      check(inside.getAndIncrement() == 0, "two signals at once");
      check(end == null, "a second end");
      end = how;
      inside.decrementAndGet();
    }

    private void check(boolean holds, String what) {
      if (!holds) {
        violation = what;
      }
    }

    @Override
    public String toString() {
      return "round " + number + ": " + received + " " + end + " " + Arrays.asList(violation);
    }
  }
}
