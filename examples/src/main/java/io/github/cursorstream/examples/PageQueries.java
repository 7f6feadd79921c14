package io.github.cursorstream.examples;

import io.micrometer.observation.Observation;
import io.micrometer.observation.ObservationHandler;
import io.micrometer.observation.ObservationRegistry;
import java.util.concurrent.atomic.AtomicInteger;

/** Counts page queries, as the library reports them to Micrometer. */
final class PageQueries implements ObservationHandler<Observation.Context> {

  private final ObservationRegistry registry = ObservationRegistry.create();
  private final AtomicInteger sent = new AtomicInteger();

  PageQueries() {
    registry.observationConfig().observationHandler(this);
  }

  /** For {@code StreamOptions.observe}. */
  ObservationRegistry registry() {
    return registry;
  }

  /** How many page queries were sent so far. */
  int sent() {
    return sent.get();
  }

  @Override
  public boolean supportsContext(Observation.Context context) {
    return "cursorstream.page".equals(context.getName());
  }

  @Override
  public void onStart(Observation.Context context) {
    sent.incrementAndGet();
  }
}
