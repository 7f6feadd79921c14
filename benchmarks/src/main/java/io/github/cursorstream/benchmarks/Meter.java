package io.github.cursorstream.benchmarks;

import com.sun.management.OperatingSystemMXBean;
import com.sun.management.ThreadMXBean;
import io.github.cursorstream.testing.HeapWatch;
import io.github.cursorstream.testing.TcpProxy;
import io.github.cursorstream.testing.TestDatabase;
import java.lang.management.ManagementFactory;
import java.util.Arrays;
import java.util.concurrent.Callable;
import java.util.function.Consumer;

/** Takes the {@link Cost} of a pass, and its {@link Counts}. */
final class Meter {

  /** What a pass came to, and took. */
  record Measured(Total total, Cost cost) {}

  private final TestDatabase database;
  private final Processors processors;
  private final HeapWatch heap = new HeapWatch();
  private final OperatingSystemMXBean system =
      (OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();
  private final ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();

  Meter(TestDatabase database) {
    this.database = database;
    this.processors = Processors.of(database);
  }

  Measured measure(Callable<Total> pass) throws Exception {
    System.gc(); // Lest one pays for what another left.
    heap.reset();
    double client = clientCpu();
    double server = processors.server();
    double all = processors.all();
    double allocated = allocated();
    long begin = System.nanoTime();
    Total total = pass.call();
    double seconds = (System.nanoTime() - begin) / 1e9;
    allocated = allocated() - allocated;
    all = processors.all() - all;
    server = processors.server() - server;
    client = clientCpu() - client;
    double others = Math.max(0, all - client - server);
    double megabytes = heap.peakMegabytes();
    return new Measured(
        total,
        new Cost(
            seconds,
            client,
            server,
            Double.isNaN(all - server) ? Double.NaN : others,
            allocated,
            megabytes == 0 ? Double.NaN : megabytes));
  }

  private double clientCpu() {
    return system.getProcessCpuTime() / 1e9;
  }

  /** By threads that live; passes do their work on threads that outlive them. */
  private double allocated() {
    return Arrays.stream(threads.getThreadAllocatedBytes(threads.getAllThreadIds()))
        .filter(bytes -> bytes > 0)
        .sum();
  }

  /** Runs a contender once, through a proxy that counts. */
  Counts count(Contender contender, Consumer<Total> check) throws Exception {
    Wire wire = new Wire();
    long buffers = buffers();
    try (Target target =
        Target.through(TcpProxy.to(database.host(), database.port(), wire), database)) {
      check.accept(contender.over().apply(target).call());
    }
    return new Counts(wire.statements(), wire.roundTrips(), buffers() - buffers);
  }

  private long buffers() {
    return database.count(
        """
        SELECT coalesce(sum(heap_blks_read + heap_blks_hit + coalesce(idx_blks_read + idx_blks_hit, 0)
                            + coalesce(toast_blks_read + toast_blks_hit, 0)
                            + coalesce(tidx_blks_read + tidx_blks_hit, 0)), 0)::bigint
        FROM pg_statio_user_tables""");
  }
}
