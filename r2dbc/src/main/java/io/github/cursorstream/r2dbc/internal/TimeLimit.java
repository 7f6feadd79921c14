package io.github.cursorstream.r2dbc.internal;

import io.r2dbc.spi.R2dbcTimeoutException;
import java.time.Duration;
import org.jspecify.annotations.Nullable;
import reactor.core.publisher.Mono;

/** Our own time-out while a connection is in use, told apart from any of the work's. */
final class TimeLimit extends RuntimeException {

  private final Duration limit;

  private TimeLimit(Duration limit) {
    super(null, null, false, false);
    this.limit = limit;
  }

  static <T> Mono<T> of(@Nullable Duration limit, Mono<T> work) {
    return limit == null ? work : work.timeout(limit, Mono.error(() -> new TimeLimit(limit)));
  }

  /** What the user sees. */
  R2dbcTimeoutException toPublic() {
    return new R2dbcTimeoutException(
        "an answer within the timeout of " + limit.toMillis() + " ms required but there was none");
  }
}
