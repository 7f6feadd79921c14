package io.github.cursorstream.examples;

import io.github.cursorstream.examples.Example.Result;
import io.github.cursorstream.examples.Example.Stopwatch;
import io.github.cursorstream.r2dbc.keyset.CursorBasedRepository;
import io.github.cursorstream.r2dbc.keyset.Keyset;
import io.github.cursorstream.testing.HeapWatch;
import io.github.cursorstream.testing.TestDatabase;
import io.netty.buffer.ByteBufAllocator;
import io.netty.buffer.ByteBufAllocatorMetricProvider;
import java.lang.management.ManagementFactory;
import java.math.BigDecimal;
import java.util.List;
import java.util.concurrent.atomic.AtomicLong;

/** Reads a table that is much larger than the heap. */
public final class ConstantMemory {

  private static final int MEGABYTE = 1 << 20;
  private static final int SAMPLE = 20_000;

  private final CursorBasedRepository<User> users;
  private final HeapWatch heap = new HeapWatch();
  private final AtomicLong peakCommitted = new AtomicLong();
  private final AtomicLong peakDirect = new AtomicLong();

  // Written by doOnNext, one user at a time.
  private final AtomicLong count = new AtomicLong();
  private long lastId;
  private long disorder;
  private BigDecimal balance = BigDecimal.ZERO;

  private ConstantMemory(CursorBasedRepository<User> users) {
    this.users = users;
  }

  public static void main(String[] args) {
    Example.main("ConstantMemory", database -> run(database, 5_000_000));
  }

  static Result run(TestDatabase database, int rows) {
    long megabytes = Runtime.getRuntime().maxMemory() / MEGABYTE;
    System.out.printf("%,d rows are read in order, in a heap of %d MB.%n%n", rows, megabytes);
    Tables.createUsers(database, rows);
    return new ConstantMemory(
            CursorBasedRepository.create(
                Example.pool(database, 2), Keyset.table("users"), User.class))
        .read(database, rows);
  }

  private Result read(TestDatabase database, int rows) {
    Stopwatch time = Stopwatch.start();
    try (Progress progress = new Progress(() -> line(rows))) {
      progress.say("Reading, one page ahead:");
      users.cursorBasedStream(o -> o.prefetch(1)).doOnNext(this::take).then().block();
    }
    String seconds = time.toString();
    System.gc();
    return verdict(database, rows, seconds);
  }

  private void take(User user) {
    disorder += user.id() > lastId ? 0 : 1;
    lastId = user.id();
    balance = balance.add(user.balance());
    count.incrementAndGet();
  }

  private String line(int rows) {
    long committed = ManagementFactory.getMemoryMXBean().getHeapMemoryUsage().getCommitted();
    peakCommitted.accumulateAndGet(committed, Math::max);
    peakDirect.accumulateAndGet(direct(), Math::max);
    return "  %3d %%  %,9d users  heap %2d MB, after collection at most %2d MB  buffers %d MB"
        .formatted(
            100 * count.get() / rows,
            count.get(),
            Progress.heapMegabytes(),
            heap.peakMegabytes(),
            direct() / MEGABYTE);
  }

  /** Memory outside the heap, into which Netty reads. */
  private static long direct() {
    return ByteBufAllocator.DEFAULT instanceof ByteBufAllocatorMetricProvider provider
        ? provider.metric().usedDirectMemory()
        : 0;
  }

  private Result verdict(TestDatabase database, int rows, String seconds) {
    Object sum = database.query("SELECT sum(balance) FROM users").get(0).get(0);
    boolean complete = count.get() == rows && disorder == 0;
    boolean same = sum instanceof BigDecimal number && number.compareTo(balance) == 0;
    long peak = heap.peakMegabytes();
    System.out.printf(
        "Read %,d of %,d users, each in its place: %s%n", count.get(), rows, Example.yes(complete));
    System.out.printf(
        "The sum of their balances is the server's, %,.2f: %s%n", balance, Example.yes(same));
    System.out.printf("The heap held at most %d MB after a collection", peak);
    System.out.printf(" (%d MB committed),", peakCommitted.get() / MEGABYTE);
    System.out.printf(" Netty's buffers took %d MB.%n", peakDirect.get() / MEGABYTE);
    System.out.printf("A list of them all would take about %,d MB.%n", listMegabytes(rows));
    return new Result(
        "ConstantMemory",
        "rows=%d heap=%dMB committed=%dMB direct=%dMB time=%s"
            .formatted(
                count.get(),
                peak,
                peakCommitted.get() / MEGABYTE,
                peakDirect.get() / MEGABYTE,
                seconds.replace(" ", "")),
        complete && same && peak < 64);
  }

  /** Weighs a list of a few, and extrapolates. */
  private long listMegabytes(long rows) {
    long before = liveBytes();
    List<User> few = users.cursorBasedStream().take(SAMPLE).collectList().block();
    long bytes = liveBytes() - before;
    return few == null || few.isEmpty() ? 0 : bytes * rows / few.size() / MEGABYTE;
  }

  private static long liveBytes() {
    System.gc();
    return ManagementFactory.getMemoryMXBean().getHeapMemoryUsage().getUsed();
  }
}
