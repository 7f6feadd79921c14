package io.github.cursorstream.run;

import java.time.Duration;
import reactor.core.publisher.Flux;

/** When to look again at what may have changed: on hints, which may be lost, and now and then. */
final class Turns {

  private Turns() {}

  /**
   * At once, on each hint, and at the latest after the poll interval. Turns that come while nobody
   * asks are one.
   */
  static Flux<Long> of(Flux<Long> hints, Duration poll) {
    // The hints first: what changes after the first look must not be missed.
    return Flux.merge(hints, Flux.just(RunStore.ANY))
        .switchMap(hint -> Flux.concat(Flux.just(hint), Flux.interval(poll)))
        .onBackpressureLatest();
  }

  /** The hints that one run may have changed. */
  static Flux<Long> about(long run, Flux<Long> changes) {
    return changes.filter(changed -> changed == run || changed == RunStore.ANY);
  }
}
