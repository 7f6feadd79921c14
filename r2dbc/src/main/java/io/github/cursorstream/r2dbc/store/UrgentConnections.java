package io.github.cursorstream.r2dbc.store;

import io.github.cursorstream.r2dbc.internal.Connections;
import io.github.cursorstream.r2dbc.internal.Failures;
import io.r2dbc.spi.Connection;
import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;
import reactor.core.publisher.Flux;
import reactor.core.publisher.Mono;

/**
 * Connections of a pool, or beside it if the pool has had none to give for a while: for what must
 * not wait until the work, which may have exhausted it, is done.
 *
 * @param pool asked first
 * @param beside opens one for the use
 * @param patience how long the pool may take
 */
record UrgentConnections(Connections pool, Connections beside, Duration patience)
    implements Connections {

  @Override
  public <T> Mono<T> use(Function<Connection, Mono<T>> work, @Nullable Duration timeout) {
    return Mono.defer(
        () -> {
          AtomicReference<@Nullable Connections> first = new AtomicReference<>();
          Mono<Optional<T>> own = ifFirst(beside, first, work, timeout);
          Mono<Optional<T>> pooled =
              ifFirst(pool, first, work, timeout)
                  // It has a time limit of its own.
                  .onErrorResume(
                      e ->
                          first.get() == beside || (first.get() == null && Failures.isOfThePool(e)),
                      e -> own);
          Mono<Optional<T>> late =
              Mono.delay(patience)
                  .filter(tick -> first.get() == null)
                  .flatMap(tick -> own)
                  // The server has no connection left either; the pool still may.
                  .onErrorResume(e -> first.get() != beside, e -> Mono.empty());
          return Flux.merge(pooled, late).next().flatMap(Mono::justOrEmpty);
        });
  }

  /** Whichever connection is there first is worked on; the other one goes back unused. */
  private static <T> Mono<Optional<T>> ifFirst(
      Connections from,
      AtomicReference<@Nullable Connections> first,
      Function<Connection, Mono<T>> work,
      @Nullable Duration timeout) {
    return from.use(
        connection ->
            first.compareAndSet(null, from)
                ? work.apply(connection).singleOptional()
                : Mono.empty(),
        timeout);
  }

  @Override
  public <T> Mono<T> session(Function<Connections, Mono<T>> work) {
    return pool.session(work);
  }
}
