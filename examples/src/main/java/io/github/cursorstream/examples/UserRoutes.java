package io.github.cursorstream.examples;

import static org.springframework.web.reactive.function.server.RouterFunctions.route;

import io.github.cursorstream.cursor.Cursor;
import io.github.cursorstream.cursor.Page;
import io.github.cursorstream.r2dbc.keyset.CursorBasedRepository;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.springframework.http.MediaType;
import org.springframework.web.reactive.function.server.RouterFunction;
import org.springframework.web.reactive.function.server.ServerRequest;
import org.springframework.web.reactive.function.server.ServerResponse;
import reactor.core.publisher.Flux;
import reactor.core.publisher.Mono;

/** A table over HTTP: page by page, or whole, as fast as the client reads. */
final class UserRoutes {

  /** A page as JSON; {@code next} and {@code previous} are null at the ends. */
  record UserPage(List<User> users, @Nullable String previous, @Nullable String next) {}

  private final CursorBasedRepository<User> users;

  UserRoutes(CursorBasedRepository<User> users) {
    this.users = users;
  }

  RouterFunction<ServerResponse> routes() {
    return route().GET("/users.ndjson", this::export).GET("/users", this::page).build();
  }

  /** {@code GET /users.ndjson?after=token}: a user a line. */
  private Mono<ServerResponse> export(ServerRequest request) {
    Optional<Cursor> after = request.queryParam("after").map(Cursor::parse);
    Flux<User> all = users.cursorBasedStream(o -> after.map(o::after).orElse(o));
    return ServerResponse.ok().contentType(MediaType.APPLICATION_NDJSON).body(all, User.class);
  }

  /** {@code GET /users?after=token&size=50}, or {@code ?before=token} to go back. */
  private Mono<ServerResponse> page(ServerRequest request) {
    int size = Math.min(1000, request.queryParam("size").map(Integer::parseInt).orElse(50));
    Optional<Cursor> after = request.queryParam("after").map(Cursor::parse);
    Optional<Cursor> before = request.queryParam("before").map(Cursor::parse);
    return users
        .cursorBasedPage(
            o -> before.map(o::before).or(() -> after.map(o::after)).orElse(o).pageSize(size))
        .map(page -> json(page, before.isPresent(), after.isPresent()))
        .flatMap(page -> ServerResponse.ok().bodyValue(page));
  }

  private static UserPage json(Page<User> page, boolean wentBack, boolean wentOn) {
    boolean previous = wentBack ? !page.last() : wentOn;
    boolean next = wentBack || !page.last();
    return new UserPage(
        page.items(),
        previous && page.start() != null ? page.start().token() : null,
        next && page.cursor() != null ? page.cursor().token() : null);
  }
}
