package io.github.cursorstream.testing;

import io.github.cursorstream.run.Run;
import io.github.cursorstream.run.RunParameters;
import io.github.cursorstream.run.RunStore;
import java.time.Duration;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import reactor.core.Disposable;

/** Listens to a store, and tells what it heard of a run since something was done. */
final class TestHints implements AutoCloseable {

  private static final Duration PATIENCE = Duration.ofSeconds(10);

  private final TestRuns runs;
  private final BlockingQueue<Long> heard = new LinkedBlockingQueue<>();
  private final Disposable subscription;

  /** Hears everything from here on. */
  TestHints(TestRuns runs) {
    this.runs = runs;
    this.subscription = runs.store.changes().subscribe(heard::add);
    long since = System.nanoTime();
    while (!hearsOf(created().id(), Duration.ofMillis(20))) {
      if (System.nanoTime() - since > PATIENCE.toNanos()) {
        throw new AssertionError("nothing was heard within " + PATIENCE);
      }
    }
  }

  private Run created() {
    return runs.created(RunParameters.DEFAULTS);
  }

  /** Whether somebody who waits hears that the run changed when this is done. */
  boolean of(Run run, Runnable done) {
    return of(run.id(), done);
  }

  /** Whether somebody who waits hears that any run may have changed when this is done. */
  boolean ofAny(Runnable done) {
    return of(RunStore.ANY, done);
  }

  private boolean of(long run, Runnable done) {
    // Hints come in order: whatever was done before is heard before this.
    if (!hearsOf(created().id(), PATIENCE)) {
      throw new AssertionError("a new run is not heard of");
    }
    done.run();
    long end = created().id();
    for (Long id = next(PATIENCE); id != null && id != end; id = next(PATIENCE)) {
      if (id == run) {
        return true;
      }
    }
    return false;
  }

  private boolean hearsOf(long run, Duration within) {
    for (Long id = next(within); id != null; id = next(within)) {
      if (id == run) {
        return true;
      }
    }
    return false;
  }

  private Long next(Duration within) {
    try {
      return heard.poll(within.toNanos(), TimeUnit.NANOSECONDS);
    } catch (InterruptedException e) {
      throw new IllegalStateException(e);
    }
  }

  @Override
  public void close() {
    subscription.dispose();
  }
}
