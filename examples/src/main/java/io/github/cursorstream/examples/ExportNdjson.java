package io.github.cursorstream.examples;

import io.github.cursorstream.concurrency.Concurrency;
import io.github.cursorstream.cursor.Cursor;
import io.github.cursorstream.examples.Example.Result;
import io.github.cursorstream.examples.UserRoutes.UserPage;
import io.github.cursorstream.r2dbc.keyset.CursorBasedRepository;
import io.github.cursorstream.r2dbc.keyset.Keyset;
import io.github.cursorstream.testing.TestDatabase;
import io.r2dbc.pool.ConnectionPool;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.springframework.web.reactive.function.client.WebClient;
import reactor.core.publisher.Flux;
import reactor.core.publisher.Mono;
import reactor.netty.DisposableServer;

/** Serves a table over HTTP: page by page, and whole, as fast as the client reads. */
public final class ExportNdjson {

  private static final byte[] SECRET = "change this secret".getBytes(StandardCharsets.UTF_8);
  private static final Duration PATIENCE = Duration.ofMinutes(2);

  private final ConnectionPool pool;
  private final PageQueries queries = new PageQueries();
  private final CursorBasedRepository<User> users;

  private ExportNdjson(TestDatabase database) {
    pool = Example.pool(database, 4);
    users =
        CursorBasedRepository.create(pool, Keyset.table("users"), User.class)
            .defaults(o -> o.tokenKey(SECRET).observe(queries.registry()));
  }

  /** With {@code --serve} the server keeps running, for curl. */
  public static void main(String[] args) {
    boolean serve = List.of(args).contains("--serve");
    Example.main("ExportNdjson", database -> run(database, serve ? 100_000 : 200_000, serve));
  }

  static Result run(TestDatabase database, int rows, boolean serve) {
    System.out.printf("A table is served over HTTP, as fast as each client reads.%n%n");
    Tables.createUsers(database, rows);
    ExportNdjson export = new ExportNdjson(database);
    DisposableServer server = Http.serve(new UserRoutes(export.users).routes(), serve ? 8080 : 0);
    try {
      if (serve) {
        System.out.printf(
            "curl 'localhost:8080/users?size=3'   or   /users.ndjson; Ctrl-C ends.%n");
        server.onDispose().block();
      }
      return export.check(Http.client(server), rows);
    } finally {
      server.disposeNow();
    }
  }

  private Result check(WebClient client, int rows) {
    boolean pass = slowClient(client, rows);
    pass &= cancelled(client, rows);
    pass &= paged(client, rows);
    return new Result("ExportNdjson", "rows=%d queries=%d".formatted(rows, queries.sent()), pass);
  }

  private boolean slowClient(WebClient client, int rows) {
    Concurrency brake = Concurrency.of(16); // 0 is a client that does not read.
    CompletableFuture<Long> received =
        download(client, "/users.ndjson")
            .transform(brake.flatMap(Mono::just))
            .index((index, user) -> index)
            .doOnNext(
                index -> {
                  if (index == rows / 10) {
                    brake.set(0);
                  }
                })
            .count()
            .toFuture();
    Flux.interval(Duration.ofMillis(20)).filter(tick -> brake.get() == 0).blockFirst(PATIENCE);
    int before = settled();
    Mono.delay(Duration.ofSeconds(1)).block();
    int meanwhile = queries.sent() - before;
    int held = acquired();
    System.out.printf(
        "A client stops reading after %,d users. What is on the way fills the%n", rows / 10);
    System.out.printf(
        "  sockets' buffers, then nothing moves: %d of %d pages were read,%n", before, rows / 1000);
    System.out.printf("  %d page queries in a second, %d connections held.%n", meanwhile, held);
    brake.set(16);
    long count = received.orTimeout(PATIENCE.toSeconds(), TimeUnit.SECONDS).join();
    System.out.printf("  It reads on, and has %,d of %,d users.%n", count, rows);
    return meanwhile == 0 && held == 0 && before < rows / 1000 && count == rows;
  }

  private boolean cancelled(WebClient client, int rows) {
    int before = queries.sent();
    download(client, "/users.ndjson").take(rows / 10).blockLast(PATIENCE);
    int sent = settled() - before;
    System.out.printf("A client that hangs up after as many: %d pages were read,", sent);
    System.out.printf(" %d connections held.%n", acquired());
    return sent < rows / 1000 && acquired() == 0;
  }

  private boolean paged(WebClient client, int rows) {
    UserPage first = Http.get(client, UserPage.class, "/users?size=50");
    UserPage second = Http.get(client, UserPage.class, "/users?size=50&after=" + first.next());
    UserPage back = Http.get(client, UserPage.class, "/users?size=50&before=" + second.previous());
    long rest =
        download(client, "/users.ndjson?after=" + second.next())
            .count()
            .blockOptional(PATIENCE)
            .orElse(0L);
    boolean there = back.equals(first) && rest == rows - 100;
    System.out.printf(
        "Two pages of 50 on, one back: the first again: %s. From the second's%n",
        Example.yes(there));
    System.out.printf("  token the export goes on with the %,d users that are left.%n", rest);
    int forged = Http.status(client, "/users?after=" + Cursor.of("id", 7).token());
    int damaged = Http.status(client, "/users.ndjson?after=abc");
    int exported = Http.status(client, "/users.ndjson?after=" + Cursor.of("id", 7).token());
    System.out.printf(
        "Tokens that are unsigned or damaged are answered with %d, %d and %d.%n",
        forged, exported, damaged);
    return there && forged == 400 && exported == 400 && damaged == 400;
  }

  private static Flux<User> download(WebClient client, String uri) {
    return client.get().uri(uri).retrieve().bodyToFlux(User.class);
  }

  /** Waits until no page is asked for any more, and tells how many were. */
  private int settled() {
    Flux.interval(Duration.ofMillis(200))
        .map(tick -> queries.sent())
        .buffer(3, 1)
        .filter(last -> last.get(0).equals(last.get(2)))
        .blockFirst(PATIENCE);
    return queries.sent();
  }

  private int acquired() {
    return pool.getMetrics().orElseThrow().acquiredSize();
  }
}
