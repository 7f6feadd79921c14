package io.github.cursorstream.r2dbc.keyset;

import io.github.cursorstream.r2dbc.internal.Connections;
import io.github.cursorstream.r2dbc.internal.Failures;
import java.time.Duration;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentMap;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicReference;
import org.jspecify.annotations.Nullable;
import reactor.core.publisher.Mono;
import reactor.util.Logger;
import reactor.util.Loggers;

/** What a repository and those derived from it have learnt from the catalog, by schema. */
final class KeysetCatalog {

  private static final Logger log = Loggers.getLogger(CursorBasedRepository.class);

  /** Only those who would wait for the same time ask together. */
  private record Question(String key, @Nullable Duration timeout) {}

  private final Keyset keyset;
  private final KeysetResolver resolver;
  private final ConcurrentMap<String, ResolvedKeyset> known = new ConcurrentHashMap<>();
  private final ConcurrentMap<Question, Mono<ResolvedKeyset>> loading = new ConcurrentHashMap<>();
  private final AtomicBoolean warned;

  KeysetCatalog(Keyset keyset) {
    this(keyset, new KeysetResolver(keyset), new AtomicBoolean());
  }

  private KeysetCatalog(Keyset keyset, KeysetResolver resolver, AtomicBoolean warned) {
    this.keyset = keyset;
    this.resolver = resolver;
    this.warned = warned;
  }

  boolean isQuery() {
    return keyset.query != null;
  }

  boolean isFiltered() {
    return keyset.filter != null;
  }

  /** How many values the user's query has; those of the filter follow. */
  int queryBinds() {
    return keyset.query == null ? 0 : keyset.query.names().size();
  }

  /**
   * The resolved keyset: known, or asked for once by all who want it at the same time.
   *
   * @param connections where to ask
   * @param shared whether others may wait for this question; not if it goes over a caller's
   *     connection, whose transaction they would depend on
   */
  Mono<ResolvedKeyset> get(Connections connections, boolean shared, StreamOptions options) {
    String key = key(options);
    return Mono.defer(
            () -> {
              ResolvedKeyset hit = known.get(key);
              if (hit != null) {
                return Mono.just(hit);
              }
              Mono<ResolvedKeyset> load =
                  connections
                      .use(
                          connection -> resolver.resolve(connection, options.schema()),
                          options.timeout())
                      .doOnNext(resolved -> known.put(key, resolved));
              return shared
                  ? loading.computeIfAbsent(
                      new Question(key, options.timeout()), question -> together(load, question))
                  : load;
            })
        .doOnNext(resolved -> checkIndex(resolved, options.check()));
  }

  /** Asked once for all who want it now, and taken back when none of them is left. */
  private Mono<ResolvedKeyset> together(Mono<ResolvedKeyset> load, Question question) {
    AtomicReference<@Nullable Mono<ResolvedKeyset>> self = new AtomicReference<>();
    // Forgotten before the answer is passed on: a retry, which may come at once, asks again.
    Runnable forget = () -> loading.remove(question, self.get());
    Mono<ResolvedKeyset> shared =
        load.doOnTerminate(forget).doOnCancel(forget).flux().replay(1).refCount().singleOrEmpty();
    self.set(shared);
    return shared;
  }

  /**
   * Nothing known yet, for a connection of the caller's: its transaction may see another table
   * under the name, or proofs that are rolled back.
   */
  KeysetCatalog fresh() {
    return new KeysetCatalog(keyset, resolver, warned);
  }

  /** After a failure that may come from a changed table, the catalog is read anew. */
  void forgetIfStale(StreamOptions options, Throwable failure) {
    if (Failures.isSchemaChange(failure)) {
      known.remove(key(options));
    }
  }

  private void checkIndex(ResolvedKeyset resolved, KeysetCheck check) {
    if (resolved.createIndex() == null || check == KeysetCheck.OFF) {
      return;
    }
    String message =
        "no index covers the order "
            + resolved.orderNames()
            + " of "
            + resolved.name()
            + ", so each page reads more than its rows; create one: "
            + resolved.createIndex();
    if (check == KeysetCheck.FAIL) {
      throw new InvalidKeysetException(message);
    }
    if (warned.compareAndSet(false, true)) {
      log.warn(message);
    }
  }

  private static String key(StreamOptions options) {
    return options.schema() == null ? "" : options.schema();
  }
}
