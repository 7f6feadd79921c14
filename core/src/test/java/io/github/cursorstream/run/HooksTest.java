package io.github.cursorstream.run;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.lang.reflect.Proxy;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import reactor.core.publisher.Flux;
import reactor.core.publisher.Mono;
import reactor.test.scheduler.VirtualTimeScheduler;

/** How nodes tell hooks, in virtual time. */
class HooksTest {

  private static final Duration LEASE = Duration.ofSeconds(10);

  private VirtualTimeScheduler time;
  private RunStore store;
  private final List<String> told = new ArrayList<>();

  @BeforeEach
  void begin() {
    time = VirtualTimeScheduler.getOrSet();
    store = InMemoryRunStore.create(time);
  }

  @AfterEach
  void end() {
    VirtualTimeScheduler.reset();
  }

  private Runner runner(String owner) {
    return Runner.create(store, o -> o.owner(owner).lease(LEASE));
  }

  private static RunKind hooked(RunHook hook) {
    return hooked("hooked", hook);
  }

  private static RunKind hooked(String name, RunHook hook) {
    return new Steps(name, 3) {
      @Override
      public RunHook onEvent() {
        return hook;
      }
    };
  }

  private RunHook telling(String who) {
    return (run, event) -> Mono.fromRunnable(() -> told.add(who + event.type()));
  }

  private void pass(Duration duration) {
    time.advanceTimeBy(duration);
  }

  private List<String> failures(RunHandle run) {
    return store
        .events(run.id(), 0)
        .filter(event -> event.type() == RunEvent.Type.HOOK_FAILED)
        .map(event -> event.detail())
        .collectList()
        .block();
  }

  @Test
  void aHookIsToldTheWholeLifeInOrder() {
    runner("node").start(hooked(telling(""))).block();
    pass(Duration.ofSeconds(2));
    assertThat(told).containsExactly("CREATED", "OPENED", "SUCCEEDED");
  }

  @Test
  void hooksAddUpInTheirOrder() {
    runner("node").start(hooked(telling("1 ").andThen(telling("2 ")))).block();
    pass(Duration.ofSeconds(2));
    assertThat(told.subList(0, 4))
        .containsExactly("1 CREATED", "2 CREATED", "1 OPENED", "2 OPENED");
  }

  // M10
  @Test
  void aHookThatFailsIsCalledThreeTimesAndStopsNothing() {
    AtomicInteger calls = new AtomicInteger();
    RunHook failing =
        (run, event) -> {
          if (event.type() == RunEvent.Type.OPENED) {
            calls.incrementAndGet();
            throw new IllegalStateException("no such service");
          }
          return telling("").on(run, event);
        };
    RunHandle run = runner("node").start(hooked(failing)).block();
    pass(Duration.ofSeconds(1));
    assertThat(run.run().block().state()).isEqualTo(RunState.SUCCEEDED);
    assertThat(told).containsExactly("CREATED");
    assertThat(failures(run)).isEmpty();

    pass(Duration.ofMinutes(5));

    assertThat(calls).hasValue(3);
    assertThat(failures(run)).singleElement().asString().contains("OPENED", "no such service");
    assertThat(told).containsExactly("CREATED", "SUCCEEDED");
  }

  @Test
  void aHookThatReturnsAnErrorHasFailedToo() {
    RunHandle run =
        runner("node").start(hooked((r, e) -> Flux.error(new IllegalStateException("no")))).block();
    pass(Duration.ofMinutes(5));
    assertThat(failures(run)).hasSize(3);
  }

  @Test
  void aHookThatNeverEndsIsCutOffWithTheLease() {
    AtomicInteger cut = new AtomicInteger();
    RunHandle run =
        runner("node")
            .start(
                hooked(
                    (r, event) ->
                        event.type() == RunEvent.Type.CREATED
                            ? Mono.never().doOnCancel(cut::incrementAndGet)
                            : telling("").on(r, event)))
            .block();
    pass(LEASE.minusSeconds(2));
    assertThat(cut).hasValue(0);
    pass(Duration.ofMinutes(5));
    assertThat(cut).hasValue(3);
    assertThat(failures(run)).singleElement().asString().contains("Timeout");
    assertThat(told).containsExactly("OPENED", "SUCCEEDED");
  }

  @Test
  void anEventThatNobodyEverFinishesIsGivenUp() {
    RunKind kind = hooked(telling(""));
    RunHandle run = runner("node").handle(1);
    store.create(kind.newRun(), "creator").block();
    for (int i = 0; i < 3; i++) {
      store.untold(Set.of("hooked"), LEASE).block();
      pass(LEASE.plusSeconds(1));
    }
    runner("last").register(kind);
    pass(Duration.ofSeconds(2));
    assertThat(told).containsExactly("OPENED", "SUCCEEDED");
    assertThat(failures(run)).singleElement().asString().contains("CREATED");
  }

  @Test
  void aHookThatHangsDoesNotKeepOthersFromBeingTold() {
    Runner runner = runner("node");
    runner.start(hooked("hanging", (run, event) -> Mono.never())).block();
    runner.start(hooked(telling(""))).block();
    pass(Duration.ofSeconds(2));
    assertThat(told).containsExactly("CREATED", "OPENED", "SUCCEEDED");
  }

  @Test
  void atShutdownWhatIsLeftIsTold() {
    Runner runner = runner("node");
    RunHandle run =
        runner
            .start(
                hooked(
                    (r, event) ->
                        Mono.delay(Duration.ofSeconds(2))
                            .doOnNext(tick -> told.add("" + event.type()))))
            .block();
    pass(Duration.ofMillis(1));
    assertThat(run.run().block().state()).isEqualTo(RunState.SUCCEEDED);
    assertThat(told).isEmpty();
    runner.shutdown(LEASE).doOnTerminate(() -> told.add("down")).subscribe();
    pass(LEASE);
    assertThat(told).containsExactly("CREATED", "OPENED", "SUCCEEDED", "down");
  }

  @Test
  void shutdownWaitsForTheHookThatIsBeingCalledButNotForEver() {
    AtomicInteger begun = new AtomicInteger();
    Runner runner = runner("node");
    RunHook slow =
        (run, event) ->
            Mono.delay(Duration.ofSeconds(event.type() == RunEvent.Type.CREATED ? 2 : 9))
                .doOnSubscribe(s -> begun.incrementAndGet())
                .doOnNext(tick -> told.add("" + event.type()));
    runner.start(hooked(slow)).block();
    pass(Duration.ofSeconds(1));
    AtomicInteger down = new AtomicInteger();
    runner.shutdown(Duration.ofSeconds(5)).doOnTerminate(down::incrementAndGet).subscribe();
    pass(Duration.ofSeconds(4));
    assertThat(told).containsExactly("CREATED");
    assertThat(down).hasValue(0);
    pass(Duration.ofSeconds(20));
    assertThat(down).hasValue(1);
    assertThat(begun).hasValue(2);
    assertThat(told).containsExactly("CREATED");
  }

  @Test
  void aNodeWithoutHooksDoesNotAskForEvents() {
    RunStore asked = store;
    store =
        (RunStore)
            Proxy.newProxyInstance(
                RunStore.class.getClassLoader(),
                new Class<?>[] {RunStore.class},
                (proxy, method, arguments) -> {
                  told.add(method.getName());
                  return method.invoke(asked, arguments);
                });
    runner("node").start(new Steps("plain", 3)).block();
    pass(Duration.ofSeconds(10));
    assertThat(told).contains("take").doesNotContain("untold");

    runner("other").start(hooked((run, event) -> Mono.empty())).block();
    pass(Duration.ofSeconds(10));
    assertThat(told).contains("untold");
  }

  @Test
  void aKindIsToldItsBatchesOnTheNodeThatDidThem() {
    List<Duration> took = new ArrayList<>();
    RunKind kind =
        new Steps("timed", 3) {
          @Override
          public Mono<Lease> work(RunStore store, Lease lease, Duration time) {
            return Mono.delay(Duration.ofSeconds(2))
                .then(Mono.defer(() -> super.work(store, lease, time)));
          }

          @Override
          public void completed(Lease lease, Duration time) {
            took.add(time);
            throw new IllegalStateException("of no consequence");
          }
        };
    RunHandle run = runner("node").start(kind).block();
    pass(Duration.ofSeconds(20));
    assertThat(took).containsExactly(LEASE.dividedBy(5), LEASE.dividedBy(5), LEASE.dividedBy(5));
    assertThat(run.run().block().state()).isEqualTo(RunState.SUCCEEDED);
    assertThat(run.run().block().failures()).isZero();
  }

  @Test
  void nullIsNoHook() {
    assertThatThrownBy(() -> telling("").andThen(null)).isInstanceOf(NullPointerException.class);
  }
}
