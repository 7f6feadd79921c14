package io.github.cursorstream.run;

import java.util.concurrent.CompletableFuture;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;
import reactor.core.publisher.Mono;

/**
 * Batches of one slot, one after the other. The next one may be asked for while the answer to the
 * one before is on its way, so that the server need not wait: if something has come in between, the
 * fence refuses it.
 */
final class Pipeline {

  private final Function<Lease, Mono<Lease>> work;
  private @Nullable CompletableFuture<Lease> ahead;

  /** The run as it was known when that was asked for. */
  private @Nullable Run known;

  /**
   * @param work of a batch; completes it, and tells what is held then
   */
  Pipeline(Function<Lease, Mono<Lease>> work) {
    this.work = work;
  }

  /** Whether a batch was asked for whose answer nobody has waited for. */
  boolean isAhead() {
    return ahead != null;
  }

  /**
   * Does a batch, unless it was asked for before.
   *
   * @param held what the answer before said
   * @param goingOn whether the next one may be asked for
   * @return what is held then
   */
  @SuppressWarnings("ReferenceEquality") // the same, not an equal one
  Mono<Lease> answer(Lease held, boolean goingOn) {
    CompletableFuture<Lease> before = ahead;
    CompletableFuture<Lease> sent = before == null ? work.apply(held).toFuture() : before;
    Lease following = goingOn ? held.following() : null;
    CompletableFuture<Lease> next = following == null ? null : work.apply(following).toFuture();
    Run knownBefore = known;
    ahead = next;
    known = held.run();
    Mono<Lease> answer =
        Mono.fromFuture(sent)
            // Whoever has nothing to tell of the run gives back what it was asked with.
            .map(lease -> lease.run() == knownBefore ? lease.withRun(held.run()) : lease);
    if (before != null) { // It may have overtaken the one before it, if that took two attempts.
      answer = answer.onErrorResume(LostLeaseException.class, e -> work.apply(held));
    }
    return next == null
        ? answer
        : answer
            .flatMap(
                lease ->
                    lease.serial() == held.serial() + 1
                        ? Mono.just(lease)
                        : refused(next).thenReturn(lease))
            .onErrorResume(e -> refused(next).then(Mono.error(e)))
            .doOnCancel(() -> next.cancel(true));
  }

  /** Its connection must not be given to others before it has ended. */
  private Mono<Lease> refused(CompletableFuture<Lease> next) {
    ahead = null;
    return Mono.fromFuture(next).onErrorComplete();
  }
}
