package io.github.cursorstream.examples;

import io.netty.channel.ChannelOption;
import java.nio.charset.StandardCharsets;
import org.springframework.http.HttpStatus;
import org.springframework.http.client.reactive.ReactorClientHttpConnector;
import org.springframework.http.server.reactive.ReactorHttpHandlerAdapter;
import org.springframework.web.reactive.function.client.WebClient;
import org.springframework.web.reactive.function.server.HandlerStrategies;
import org.springframework.web.reactive.function.server.RouterFunction;
import org.springframework.web.reactive.function.server.RouterFunctions;
import org.springframework.web.server.ServerWebExchange;
import reactor.core.publisher.Mono;
import reactor.netty.DisposableServer;
import reactor.netty.http.client.HttpClient;
import reactor.netty.http.server.HttpServer;

/** WebFlux without Spring Boot: a server over routes, and a client for it. */
final class Http {

  /**
   * Small, so that a reader who stops is felt soon: the system would buffer megabytes. Only here:
   * with a fixed size at the receiver's end Linux drops what comes while the reader has stopped,
   * and the sender waits longer and longer, up to two minutes, before it sends that again.
   */
  private static final int SEND_BUFFER = 64 * 1024;

  private Http() {}

  static DisposableServer serve(RouterFunction<?> routes, int port) {
    HandlerStrategies strategies =
        HandlerStrategies.builder().exceptionHandler(Http::refuse).build();
    return HttpServer.create()
        .host("localhost")
        .port(port)
        .childOption(ChannelOption.SO_SNDBUF, SEND_BUFFER)
        .handle(new ReactorHttpHandlerAdapter(RouterFunctions.toHttpHandler(routes, strategies)))
        .bindNow();
  }

  static WebClient client(DisposableServer server) {
    HttpClient client = HttpClient.create().baseUrl("http://localhost:" + server.port());
    return WebClient.builder().clientConnector(new ReactorClientHttpConnector(client)).build();
  }

  /**
   * Answers 400 to a cursor that is damaged, forged or of another order, and to a size that is no
   * number: all are IllegalArgumentExceptions. A stream tells so only when it is subscribed, thus
   * not within the handler function; but it does before its first row, when the status can still be
   * set.
   */
  private static Mono<Void> refuse(ServerWebExchange exchange, Throwable failure) {
    if (!(failure instanceof IllegalArgumentException)
        || !exchange.getResponse().setStatusCode(HttpStatus.BAD_REQUEST)) {
      return Mono.error(failure);
    }
    exchange.getResponse().getHeaders().clear();
    byte[] message = String.valueOf(failure.getMessage()).getBytes(StandardCharsets.UTF_8);
    return exchange
        .getResponse()
        .writeWith(Mono.just(exchange.getResponse().bufferFactory().wrap(message)));
  }

  /** The body of an answer, waited for. */
  static <T> T get(WebClient client, Class<T> type, String uri) {
    return client.get().uri(uri).retrieve().bodyToMono(type).blockOptional().orElseThrow();
  }

  /** The status of an answer, waited for. */
  static int status(WebClient client, String uri) {
    return client
        .get()
        .uri(uri)
        .exchangeToMono(answer -> answer.releaseBody().thenReturn(answer.statusCode().value()))
        .blockOptional()
        .orElseThrow();
  }
}
