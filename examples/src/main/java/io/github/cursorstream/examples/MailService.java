package io.github.cursorstream.examples;

import java.time.Duration;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicLong;
import org.reactivestreams.Publisher;
import reactor.core.publisher.Mono;
import reactor.netty.DisposableChannel;
import reactor.netty.DisposableServer;
import reactor.netty.http.server.HttpServer;
import reactor.netty.http.server.HttpServerRequest;
import reactor.netty.http.server.HttpServerResponse;

/** Somebody else's service: slow, busy at times, and not always able to answer. */
final class MailService implements AutoCloseable {

  /** Of two requests with the same value, the second one is answered and not done. */
  static final String KEY = "Idempotency-Key";

  private static final Duration SLOWNESS = Duration.ofMillis(15);
  private static final int BUSY = 40;
  private static final int LOST = 170;

  private final Set<String> sent = ConcurrentHashMap.newKeySet();
  private final AtomicLong calls = new AtomicLong();
  private final AtomicLong busy = new AtomicLong();
  private final AtomicLong lost = new AtomicLong();
  private final AtomicLong repeated = new AtomicLong();
  private final DisposableServer server;

  MailService() {
    server =
        HttpServer.create()
            .host("localhost")
            .route(routes -> routes.post("/mails", this::mail))
            .bindNow();
  }

  String url() {
    return "http://localhost:" + server.port();
  }

  private Publisher<Void> mail(HttpServerRequest request, HttpServerResponse response) {
    long call = calls.incrementAndGet();
    String key = request.requestHeaders().get(KEY);
    return Mono.delay(SLOWNESS).then(Mono.defer(() -> answer(call, key, response)));
  }

  private Mono<Void> answer(long call, String key, HttpServerResponse response) {
    if (call % BUSY == 0) {
      busy.incrementAndGet();
      return response.status(503).send();
    }
    if (!sent.add(key)) {
      repeated.incrementAndGet();
    }
    if (call % LOST == 0) {
      lost.incrementAndGet();
      response.withConnection(DisposableChannel::dispose);
      return Mono.empty();
    }
    return response.send();
  }

  long calls() {
    return calls.get();
  }

  long busy() {
    return busy.get();
  }

  /** Calls that were done and not answered. */
  long lost() {
    return lost.get();
  }

  /** Calls for what had been done before. */
  long repeated() {
    return repeated.get();
  }

  /** Each with another key. */
  long sent() {
    return sent.size();
  }

  @Override
  public void close() {
    server.disposeNow();
  }
}
