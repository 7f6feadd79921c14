package io.github.cursorstream.run;

import java.util.Objects;
import org.reactivestreams.Publisher;
import reactor.core.publisher.Mono;

/** Told what happens to runs. */
@FunctionalInterface
public interface RunHook {

  /**
   * Told an event, perhaps not for the first time.
   *
   * @param run as it is by now
   * @param event of its log, which {@link RunEvent.Type#isTold}
   * @return done when it completes; nothing is begun before it is subscribed to
   */
  Publisher<?> on(Run run, RunEvent event);

  /**
   * Two hooks as one, which is done with an event when both are.
   *
   * @param next called when this one is done
   * @return a hook
   */
  default RunHook andThen(RunHook next) {
    Objects.requireNonNull(next, "next");
    return (run, event) ->
        Mono.when(on(run, event)).then(Mono.defer(() -> Mono.when(next.on(run, event))));
  }
}
