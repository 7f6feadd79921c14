package io.github.cursorstream.testing;

import com.sun.management.GarbageCollectionNotificationInfo;
import java.lang.management.ManagementFactory;
import java.lang.management.MemoryPoolMXBean;
import java.lang.management.MemoryType;
import java.util.List;
import java.util.concurrent.atomic.AtomicLong;
import javax.management.Notification;
import javax.management.NotificationEmitter;
import javax.management.openmbean.CompositeData;

/** Notes what the heap still holds after each collection, garbage of older generations included. */
public final class HeapWatch {

  private final List<String> heapPools =
      ManagementFactory.getMemoryPoolMXBeans().stream()
          .filter(pool -> pool.getType() == MemoryType.HEAP)
          .map(MemoryPoolMXBean::getName)
          .toList();
  private final AtomicLong peak = new AtomicLong();

  /** Watches from now on, for as long as the JVM lives. */
  public HeapWatch() {
    for (var collector : ManagementFactory.getGarbageCollectorMXBeans()) {
      ((NotificationEmitter) collector)
          .addNotificationListener((event, handback) -> collected(event), null, null);
    }
  }

  private void collected(Notification event) {
    if (event.getUserData() instanceof CompositeData data) {
      var usage = GarbageCollectionNotificationInfo.from(data).getGcInfo().getMemoryUsageAfterGc();
      long used =
          usage.entrySet().stream()
              .filter(pool -> heapPools.contains(pool.getKey()))
              .mapToLong(pool -> pool.getValue().getUsed())
              .sum();
      peak.accumulateAndGet(used, Math::max);
    }
  }

  /** Forgets what was noted. */
  public void reset() {
    peak.set(0);
  }

  /**
   * The most that was held after a collection.
   *
   * @return in units of 2^20 bytes; 0 if nothing was collected
   */
  public long peakMegabytes() {
    return peak.get() >> 20;
  }
}
