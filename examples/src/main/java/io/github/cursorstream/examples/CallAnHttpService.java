package io.github.cursorstream.examples;

import io.github.cursorstream.examples.Example.Result;
import io.github.cursorstream.examples.Example.Stopwatch;
import io.github.cursorstream.r2dbc.backfill.Backfill;
import io.github.cursorstream.r2dbc.keyset.CursorBasedRepository;
import io.github.cursorstream.r2dbc.keyset.Keyset;
import io.github.cursorstream.r2dbc.store.PostgresRunStore;
import io.github.cursorstream.run.Run;
import io.github.cursorstream.run.RunHandle;
import io.github.cursorstream.run.RunKind;
import io.github.cursorstream.run.RunState;
import io.github.cursorstream.run.Runner;
import io.github.cursorstream.testing.TestDatabase;
import io.netty.handler.codec.http.HttpResponseStatus;
import io.r2dbc.spi.ConnectionFactory;
import java.time.Duration;
import java.util.Objects;
import java.util.concurrent.atomic.AtomicInteger;
import reactor.core.publisher.Mono;
import reactor.netty.http.client.HttpClient;
import reactor.util.retry.Retry;

/**
 * Each row is sent to a slow service, which is busy at times, and at times does its work and loses
 * the answer. No transaction can take a call back, so it is made at least once; the key that goes
 * with it makes it take effect once. The number of consumers is what bounds the load.
 */
public final class CallAnHttpService {

  /** The calls that one consumer makes at a time. */
  private static final int CALLS = 4;

  private final MailService service;
  private final HttpClient client;
  private final AtomicInteger now = new AtomicInteger();
  private final AtomicInteger most = new AtomicInteger();

  private CallAnHttpService(MailService service) {
    this.service = service;
    this.client = HttpClient.create().baseUrl(service.url());
  }

  /** Arguments: rows. */
  public static void main(String[] args) {
    int rows = args.length > 0 ? Integer.parseInt(args[0]) : 10_000;
    Example.main("CallAnHttpService", database -> run(database, rows));
  }

  private RunKind kind(ConnectionFactory connections) {
    return Backfill.over(
            "welcome", CursorBasedRepository.create(connections, Keyset.table("users"), User.class))
        .batchSize(20)
        .consumers(2)
        .attempts(5)
        .backoff(Duration.ofMillis(50), Duration.ofSeconds(1))
        .process(batch -> batch.rows().flatMap(user -> welcome(user), CALLS));
  }

  /**
   * The key is the row's and not {@code batch.id()}: that one is for a call for the whole batch,
   * and changes if the batch is halved.
   */
  private Mono<Void> welcome(User user) {
    Mono<Void> call =
        client
            .headers(headers -> headers.set(MailService.KEY, "welcome-" + user.id()))
            .post()
            .uri("/mails?to=" + user.email())
            .response()
            .flatMap(answer -> ok(answer.status()))
            // Busy: this call again. A lost answer is left to the batch, which begins anew.
            .retryWhen(
                Retry.backoff(8, Duration.ofMillis(20)).filter(BusyException.class::isInstance));
    return Mono.using(
        () -> most.accumulateAndGet(now.incrementAndGet(), Math::max),
        begun -> call,
        begun -> now.decrementAndGet());
  }

  private static Mono<Void> ok(HttpResponseStatus status) {
    return switch (status.code()) {
      case 200 -> Mono.empty();
      case 503 -> Mono.error(new BusyException());
      default -> Mono.error(new IllegalStateException("200 or 503 required but it was " + status));
    };
  }

  private static final class BusyException extends RuntimeException {
    private static final long serialVersionUID = 1;
  }

  static Result run(TestDatabase database, int rows) {
    System.out.printf("%,d users are welcomed, through a service that is slow.%n%n", rows);
    Tables.createUsers(database, rows);
    ConnectionFactory pool = Example.pool(database, 8);
    PostgresRunStore store = PostgresRunStore.create(pool);
    store.migrate().block();
    Runner runner = Runner.create(store, o -> o.maxConsumers(6));
    try (MailService service = new MailService()) {
      CallAnHttpService example = new CallAnHttpService(service);
      return example.steer(Objects.requireNonNull(runner.start(example.kind(pool)).block()), rows);
    } finally {
      runner.shutdown(Duration.ofSeconds(5)).block();
    }
  }

  private Result steer(RunHandle run, int rows) {
    Stopwatch time = Stopwatch.start();
    int two;
    int six;
    long without;
    Run ended;
    try (RunWatch watch = new RunWatch(run, rows)) {
      watch.say("Two consumers:");
      watch.until(now -> now.rows() >= rows / 4);
      two = most.get();
      run.consumers(6).block();
      watch.say("At most %d calls at once. Six consumers:".formatted(two));
      watch.until(now -> now.rows() >= rows * 3L / 4);
      six = most.get();
      run.consumers(0).block();
      watch.until(now -> now.inFlight() == 0);
      long before = service.calls();
      Mono.delay(Duration.ofMillis(300)).block();
      without = service.calls() - before;
      watch.say("At most %d. No consumers, and %d calls in 0.3 s.".formatted(six, without));
      run.consumers(3).block();
      watch.say("Three consumers:");
      ended = watch.end();
    }
    System.out.printf("%nThe service was called %,d times.%n", service.calls());
    System.out.printf("It was busy, and answered 503:          %,7d%n", service.busy());
    System.out.printf("It worked, and the answer was lost:     %,7d%n", service.lost());
    System.out.printf("It was asked for what it had done:      %,7d%n", service.repeated());
    System.out.printf("Mails that were sent:                   %,7d%n", service.sent());
    return new Result(
        "CallAnHttpService",
        "rows=%d calls=%d repeated=%d sent=%d failures=%d seconds=%.1f"
            .formatted(
                ended.rows(),
                service.calls(),
                service.repeated(),
                service.sent(),
                ended.failures(),
                time.seconds()),
        ended.state() == RunState.SUCCEEDED
            && ended.rows() == rows
            && service.sent() == rows
            && service.lost() > 0
            && service.repeated() >= service.lost()
            && two <= 2 * CALLS
            && six > two
            && six <= 6 * CALLS
            && without == 0);
  }
}
