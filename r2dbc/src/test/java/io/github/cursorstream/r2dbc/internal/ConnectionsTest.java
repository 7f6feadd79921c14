package io.github.cursorstream.r2dbc.internal;

import static org.assertj.core.api.Assertions.assertThat;
import static reactor.test.publisher.TestPublisher.Violation.DEFER_CANCELLATION;

import io.r2dbc.spi.Connection;
import io.r2dbc.spi.R2dbcBadGrammarException;
import io.r2dbc.spi.R2dbcNonTransientResourceException;
import io.r2dbc.spi.R2dbcTimeoutException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Function;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import reactor.core.publisher.Mono;
import reactor.core.publisher.Sinks;
import reactor.test.StepVerifier;
import reactor.test.publisher.TestPublisher;
import reactor.test.scheduler.VirtualTimeScheduler;

/** What happens to a connection, told by one that only writes down what is done to it. */
class ConnectionsTest {

  private final FakeConnection connection = new FakeConnection();
  private final Connections connections = Connections.of(connection.factory());
  private VirtualTimeScheduler time;

  @BeforeEach
  void setTime() {
    time = VirtualTimeScheduler.getOrSet();
  }

  @AfterEach
  void resetTime() {
    VirtualTimeScheduler.reset();
  }

  private <T> Mono<T> use(Mono<T> work) {
    return connections.use(c -> work, null);
  }

  @Test
  void resultComesAfterTheClose() {
    Sinks.Empty<Void> closing = Sinks.empty();
    connection.close = closing.asMono();
    StepVerifier.create(use(Mono.just(1)))
        .expectSubscription()
        .then(() -> assertThat(connection.log).containsExactly("close"))
        .expectNoEvent(Duration.ofMillis(50))
        .then(closing::tryEmitEmpty)
        .expectNext(1)
        .verifyComplete();
  }

  @Test
  void eachSubscriptionTakesAConnection() {
    Mono<Integer> twice = use(Mono.just(1));
    StepVerifier.create(twice.concatWith(twice)).expectNext(1, 1).verifyComplete();
    assertThat(connection.log).containsExactly("close", "close");
  }

  @Test
  void aPoolIsAskedForOthersThanDeadConnectionsButNotForEver() {
    AtomicInteger dead = new AtomicInteger(10);
    Connections pool =
        Connections.of(
            connection.factory(
                Mono.defer(
                    () ->
                        dead.getAndDecrement() > 0
                            ? Mono.error(
                                new R2dbcNonTransientResourceException(
                                    "Connection validation failed"))
                            : Mono.just(connection.proxy()))));
    StepVerifier.create(pool.use(c -> Mono.just(1), null)).expectNext(1).verifyComplete();
    dead.set(11);
    StepVerifier.create(pool.use(c -> Mono.just(1), null))
        .verifyErrorMessage("Connection validation failed");
    assertThat(dead).hasValue(0);
  }

  @Test
  void sessionIsOverOneConnection() {
    List<Connection> used = new ArrayList<>();
    Function<Connection, Mono<Integer>> noted =
        c -> {
          used.add(c);
          assertThat(connection.log).isEmpty();
          return Mono.just(used.size());
        };
    StepVerifier.create(
            connections.session(
                same -> same.use(noted, null).then(same.use(noted, Duration.ofMillis(300)))))
        .expectNext(2)
        .verifyComplete();
    assertThat(used.get(0)).isSameAs(used.get(1));
    assertThat(connection.log).containsExactly("close");
  }

  @Test
  void sessionOutlivesAFailureThatItsWorkAnswersTo() {
    Mono<Integer> failure = Mono.error(new R2dbcBadGrammarException("planned"));
    StepVerifier.create(
            connections.session(
                same ->
                    same.use(c -> failure, null)
                        .onErrorResume(e -> same.use(c -> Mono.just(2), null))))
        .expectNext(2)
        .verifyComplete();
    assertThat(connection.log).containsExactly("close");
  }

  @Test
  void timeoutInASessionDestroysItsConnection() {
    StepVerifier.create(
            connections.session(
                same ->
                    same.use(c -> Mono.just(1), null)
                        .then(same.use(c -> Mono.never(), Duration.ofMillis(300)))))
        .expectSubscription()
        .then(() -> time.advanceTimeBy(Duration.ofMillis(300)))
        .expectError(R2dbcTimeoutException.class)
        .verify(Duration.ofSeconds(5));
    assertThat(connection.log).containsExactly("cancel request", "physical close", "close");
  }

  @Test
  void connectionThatIsStillInATransactionIsDestroyed() {
    Mono<Integer> begin = Mono.fromRunnable(() -> connection.autoCommit = false);
    for (Mono<Integer> work :
        List.<Mono<Integer>>of(
            Mono.just(1), Mono.error(new IllegalStateException()), Mono.never())) {
      connection.log.clear();
      connection.autoCommit = true;
      use(begin.then(work)).subscribe(i -> {}, e -> {}).dispose();
      assertThat(connection.log).endsWith("cancel request", "physical close", "close");
    }
  }

  @Test
  void connectionThatWasLentInATransactionIsLeftInIt() {
    connection.autoCommit = false;
    Connections spring = Connections.of(connection.factory());
    StepVerifier.create(spring.use(c -> Mono.just(1), null)).expectNext(1).verifyComplete();
    assertThat(connection.log).containsExactly("close");
  }

  @Test
  void connectionThatDoesNotSayIsClosed() {
    connection.autoCommit = null; // throws
    StepVerifier.create(use(Mono.just(1))).expectNext(1).verifyComplete();
    assertThat(connection.log).containsExactly("close");
  }

  @Test
  void failureToCloseDoesNotSpoilTheResult() {
    connection.close = Mono.error(new IllegalStateException("planned"));
    StepVerifier.create(use(Mono.just(1))).expectNext(1).verifyComplete();
    connection.close = null; // throws
    StepVerifier.create(use(Mono.just(1))).expectNext(1).verifyComplete();
  }

  @Test
  void failureToCloseDoesNotHideTheFailure() {
    connection.close = Mono.error(new IllegalStateException("planned"));
    StepVerifier.create(use(Mono.error(new R2dbcBadGrammarException("real"))))
        .verifyErrorMessage("real");
  }

  @Test
  void workThatThrowsIsAFailure() {
    StepVerifier.create(
            connections.use(
                c -> {
                  throw new IllegalArgumentException("planned");
                },
                null))
        .verifyErrorMessage("planned");
    assertThat(connection.log).containsExactly("ping", "close");
  }

  @Test
  void connectionThatArrivesAfterTheCancelIsClosed() {
    // A factory that cannot stop what it has begun.
    TestPublisher<Connection> late = TestPublisher.createNoncompliant(DEFER_CANCELLATION);
    Connections slow = Connections.of(connection.factory(late.mono()));
    StepVerifier.create(slow.use(c -> Mono.never(), null))
        .expectSubscription()
        .then(late::assertWasRequested)
        .thenCancel()
        .verify();
    assertThat(connection.log).isEmpty();
    late.next(connection.proxy());
    assertThat(connection.log).containsExactly("ping", "close");
  }

  @Test
  void cancelAsksAndGivesBack() {
    use(Mono.never()).subscribe().dispose();
    assertThat(connection.log).containsExactly("ping", "close");
  }

  @Test
  void connectionThatDoesNotAnswerAtOnceIsSentACancelRequestAndAskedAgain() {
    Sinks.Empty<Void> answer = Sinks.empty();
    connection.ping = answer.asMono();
    use(Mono.never()).subscribe().dispose();
    assertThat(connection.log).containsExactly("ping");
    time.advanceTimeBy(Duration.ofMillis(20));
    assertThat(connection.log).containsExactly("ping", "cancel request");
    connection.ping = Mono.empty();
    answer.tryEmitEmpty();
    assertThat(connection.log).containsExactly("ping", "cancel request", "ping", "close");
  }

  @Test
  void questionThatTheCancelRequestEndsIsAnAnswer() {
    connection.ping = Mono.error(new R2dbcNonTransientResourceException("cancelled", "57014"));
    use(Mono.never()).subscribe().dispose();
    assertThat(connection.log).containsExactly("ping", "close");
  }

  @Test
  void connectionThatFailsToAnswerIsDestroyed() {
    connection.ping = Mono.error(new R2dbcNonTransientResourceException("broken", "08006"));
    use(Mono.never()).subscribe().dispose();
    assertThat(connection.log).containsExactly("ping", "cancel request", "physical close", "close");
  }

  @Test
  void connectionThatNeverAnswersIsDestroyedAfterAWhile() {
    connection.ping = Mono.never();
    connection.cancelRequest = Mono.never();
    connection.physicalClose = Mono.never();
    connection.close = Mono.never();
    use(Mono.never()).subscribe().dispose();
    time.advanceTimeBy(Duration.ofSeconds(7));
    assertThat(connection.log)
        .containsExactly("ping", "cancel request", "cancel request", "physical close", "close");
  }

  @Test
  void timeoutDestroysTheConnectionAndIsAnError() {
    StepVerifier.create(connections.use(c -> Mono.never(), Duration.ofMillis(300)))
        .expectSubscription()
        .then(() -> time.advanceTimeBy(Duration.ofMillis(299)))
        .then(() -> assertThat(connection.log).isEmpty())
        .then(() -> time.advanceTimeBy(Duration.ofMillis(1)))
        .expectErrorSatisfies(
            e ->
                assertThat(e)
                    .isInstanceOf(R2dbcTimeoutException.class)
                    .hasMessageContaining("timeout of 300 ms"))
        .verify(Duration.ofSeconds(5));
    assertThat(connection.log).containsExactly("cancel request", "physical close", "close");
  }

  @Test
  void timeoutSurfacesEvenIfNothingAnswersAndTheCleanUpGoesOn() {
    connection.cancelRequest = Mono.never();
    connection.physicalClose = Mono.never();
    connection.close = Mono.never();
    StepVerifier.create(connections.use(c -> Mono.never(), Duration.ofMillis(300)))
        .expectSubscription()
        .then(() -> time.advanceTimeBy(Duration.ofMillis(400)))
        .expectError(R2dbcTimeoutException.class)
        .verify(Duration.ofSeconds(5));
    assertThat(connection.log).containsExactly("cancel request", "physical close");
    time.advanceTimeBy(Duration.ofSeconds(1));
    assertThat(connection.log).containsExactly("cancel request", "physical close", "close");
  }

  @Test
  void cancelDuringTheCleanUpDoesNotStopIt() {
    Sinks.Empty<Void> closing = Sinks.empty();
    connection.physicalClose = closing.asMono();
    StepVerifier.create(connections.use(c -> Mono.never(), Duration.ofMillis(300)))
        .expectSubscription()
        .then(() -> time.advanceTimeBy(Duration.ofMillis(300)))
        .thenCancel()
        .verify(Duration.ofSeconds(5));
    assertThat(connection.log).containsExactly("cancel request", "physical close");
    closing.tryEmitEmpty();
    assertThat(connection.log).containsExactly("cancel request", "physical close", "close");
  }

  @Test
  void timeoutOfTheWorksOwnIsNotOurs() {
    TimeoutException own = new TimeoutException("the mapper's");
    StepVerifier.create(connections.use(c -> Mono.error(own), Duration.ofMillis(300)))
        .expectErrorSatisfies(e -> assertThat(e).isSameAs(own))
        .verify(Duration.ofSeconds(5));
    assertThat(connection.log).containsExactly("ping", "close");
  }

  @Test
  void callersConnectionIsNeitherAskedNorClosed() {
    Connections callers = Connections.of(connection.proxy());
    StepVerifier.create(callers.use(c -> Mono.just(1), null)).expectNext(1).verifyComplete();
    StepVerifier.create(callers.use(c -> Mono.never(), null)).thenCancel().verify();
    StepVerifier.create(callers.use(c -> Mono.error(new IllegalStateException("planned")), null))
        .verifyErrorMessage("planned");
    StepVerifier.create(callers.use(c -> Mono.never(), Duration.ofMillis(300)))
        .expectSubscription()
        .then(() -> time.advanceTimeBy(Duration.ofMillis(300)))
        .expectError(R2dbcTimeoutException.class)
        .verify(Duration.ofSeconds(5));
    assertThat(connection.log).isEmpty();
  }
}
