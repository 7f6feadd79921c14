package io.github.cursorstream.run;

import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.stream.Collectors;
import reactor.core.publisher.Flux;
import reactor.core.publisher.Mono;
import reactor.core.publisher.Sinks;
import reactor.util.Logger;
import reactor.util.Loggers;

/**
 * Tells the hooks of a node's kinds what happened to their runs, beside the work: of several runs
 * at once, and each event within a lease, after which others may take it.
 */
final class Teller {

  private static final Logger log = Loggers.getLogger(Runner.class);

  /** How often a hook is called for an event, over all nodes, before it is given up. */
  private static final int ATTEMPTS = 3;

  private static final int AT_ONCE = 4;

  private final RunStore store;
  private final Map<String, RunKind> kinds;
  private final RunnerOptions options;
  private final Set<Sinks.Empty<Void>> loops = ConcurrentHashMap.newKeySet();
  private final Sinks.Empty<Void> end = Sinks.empty();
  private volatile boolean ended;

  Teller(RunStore store, Map<String, RunKind> kinds, RunnerOptions options) {
    this.store = store;
    this.kinds = kinds;
    this.options = options;
  }

  /** Begins with what there is to tell, while there is room. */
  Mono<Void> look() {
    return loops.size() >= AT_ONCE || ended
        ? Mono.empty()
        : next()
            .flatMap(
                telling -> {
                  begin(telling);
                  return look();
                });
  }

  /** Asks nobody if this node has no hooks. */
  private Mono<Telling> next() {
    Set<String> hooked =
        kinds.values().stream()
            .filter(kind -> kind.onEvent() != null)
            .map(RunKind::name)
            .collect(Collectors.toSet());
    return hooked.isEmpty() ? Mono.empty() : store.untold(hooked, options.lease());
  }

  /** A life-cycle edge: goes on by itself while there is something to tell. */
  private void begin(Telling first) {
    Sinks.Empty<Void> loop = Sinks.empty();
    loops.add(loop);
    Mono.just(first)
        .expand(telling -> tell(telling).then(Mono.defer(this::next)))
        .takeUntilOther(end.asMono())
        .doFinally(
            signal -> {
              loops.remove(loop);
              loop.tryEmitEmpty();
            })
        .subscribe(
            told -> {}, e -> log.debug("looking for what is to be told failed: {}", e.toString()));
  }

  /** Tells what there is to tell, for as long as the patience lasts. */
  Mono<Void> finish(Duration patience) {
    return Mono.defer(this::look)
        .thenMany(Flux.defer(() -> Flux.fromIterable(List.copyOf(loops))))
        .flatMap(Sinks.Empty::asMono)
        .then()
        .timeout(patience)
        .onErrorResume(
            e -> {
              log.warn("what is left is to be told by others: {}", e.toString());
              return Mono.empty();
            })
        .doFinally(
            signal -> {
              ended = true;
              end.tryEmitEmpty();
            });
  }

  private Mono<Void> tell(Telling telling) {
    return failure(telling)
        .singleOptional()
        .flatMap(
            failure ->
                failure.isPresent() && telling.attempt() < ATTEMPTS
                    ? Mono.empty() // The lease runs out, and somebody takes it again.
                    : store.told(telling, options.owner(), failure.orElse(null)))
        .onErrorResume(
            e -> {
              log.warn("{} will be told again: {}", telling.event(), e.toString());
              return Mono.empty();
            });
  }

  /** Calls the hook; emits what went wrong, if anything did. */
  private Mono<String> failure(Telling telling) {
    if (telling.attempt() > ATTEMPTS) {
      return Mono.just(telling.event().type() + ": not done, nor failed, " + ATTEMPTS + " times");
    }
    RunKind kind = Objects.requireNonNull(kinds.get(telling.run().kind()));
    RunHook hook = Objects.requireNonNull(kind.onEvent());
    return Mono.defer(() -> Mono.when(hook.on(telling.run(), telling.event())))
        .then(Mono.<String>empty())
        // Before others may take it: the lease began with the question, on its way to the store.
        .timeout(options.lease().multipliedBy(9).dividedBy(10))
        .onErrorResume(
            e -> {
              log.warn(
                  "the hook of run {} failed, attempt {} of {} for {}",
                  telling.run().name(),
                  telling.attempt(),
                  ATTEMPTS,
                  telling.event(),
                  e);
              return Mono.just(telling.event().type() + ": " + BatchFailure.text(e));
            });
  }
}
