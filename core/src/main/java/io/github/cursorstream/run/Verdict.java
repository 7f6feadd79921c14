package io.github.cursorstream.run;

import java.time.Duration;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import reactor.core.publisher.Mono;

/** What becomes of a batch that failed: it is done again, in halves, or its row is put aside. */
final class Verdict {

  /**
   * How much oftener than a batch that fails by itself one is tried whose connection broke: the
   * database may restart, but a batch that breaks it must not circulate for ever.
   */
  private static final int PATIENCE = 10;

  private Verdict() {}

  /** How often a batch may be begun, if it is never said why it did not end. */
  static int mostAttempts(RunParameters parameters) {
    return parameters.attempts() * PATIENCE;
  }

  static Mono<BatchFailure> of(RunKind kind, Lease held, Throwable failure) {
    RunParameters parameters = held.run().parameters();
    Range range = Objects.requireNonNull(held.range());
    String error = BatchFailure.text(failure);
    if (kind.isFatal(failure)) {
      Again kept = new Again(range, held.attempt() - 1, Duration.ZERO);
      return Mono.just(new BatchFailure(error, List.of(kept), null, true));
    }
    boolean tooLong = kind.isTimeout(failure);
    boolean ofTheRows = tooLong || kind.isOfTheRows(failure);
    int attempts = ofTheRows ? parameters.attempts() : mostAttempts(parameters);
    Again again = new Again(range, held.attempt(), parameters.backoff(held.attempt()));
    BatchFailure whole = new BatchFailure(error, List.of(again), null, false);
    if (held.concludes()) {
      boolean last = held.attempt() >= attempts;
      return Mono.just(new BatchFailure(error, List.of(again), null, last));
    }
    if (held.attempt() < attempts && !tooLong) {
      return Mono.just(whole);
    }
    return kind.middle(held)
        .map(
            middle -> {
              // Too long: each half has all its attempts. Else one each, to find the bad row soon.
              int begun = tooLong ? 0 : Math.min(held.attempt(), mostAttempts(parameters)) - 1;
              List<Again> halves =
                  List.of(
                      new Again(new Range(range.after(), middle), begun, Duration.ZERO),
                      new Again(new Range(middle, range.upTo()), begun, Duration.ZERO));
              return new BatchFailure(error, halves, null, false);
            })
        .switchIfEmpty(
            Mono.defer(
                () ->
                    held.attempt() < attempts
                        ? Mono.just(whole)
                        : kind.row(held)
                            .map(row -> putAside(held, error, row))
                            .switchIfEmpty(Mono.fromSupplier(() -> putAside(held, error, null)))))
        // Of a table that is gone there are no halves; while the database is away neither.
        .onErrorResume(
            e -> Mono.just(new BatchFailure(error, List.of(again), null, kind.isOfTheRows(e))));
  }

  private static BatchFailure putAside(Lease held, String error, @Nullable String row) {
    Range range = Objects.requireNonNull(held.range());
    return new BatchFailure(
        error,
        List.of(),
        new DeadLetter(held.run().id(), range, row, error, held.attempt(), null),
        false);
  }
}
