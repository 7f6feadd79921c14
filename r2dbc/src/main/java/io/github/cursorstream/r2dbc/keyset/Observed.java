package io.github.cursorstream.r2dbc.keyset;

import io.micrometer.observation.ObservationRegistry;
import reactor.core.observability.micrometer.Micrometer;
import reactor.core.publisher.Mono;

/** The one class that needs Micrometer, loaded only when a registry was given. */
final class Observed {

  private Observed() {}

  static <R> Mono<R> by(ObservationRegistry registry, String what, String table, Mono<R> work) {
    return work.name("cursorstream." + what)
        .tag("table", table)
        .tap(Micrometer.observation(registry));
  }
}
