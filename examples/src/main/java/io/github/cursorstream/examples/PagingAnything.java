package io.github.cursorstream.examples;

import static org.springframework.web.reactive.function.server.RouterFunctions.route;

import io.github.cursorstream.backfill.Backfill;
import io.github.cursorstream.cursor.Cursor;
import io.github.cursorstream.cursor.CursorStream;
import io.github.cursorstream.cursor.Page;
import io.github.cursorstream.cursor.PageRequest;
import io.github.cursorstream.cursor.PageSource;
import io.github.cursorstream.examples.Example.Result;
import io.github.cursorstream.run.InMemoryRunStore;
import io.github.cursorstream.run.Run;
import io.github.cursorstream.run.Runner;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;
import org.springframework.http.HttpStatus;
import org.springframework.web.reactive.function.client.WebClient;
import org.springframework.web.reactive.function.client.WebClientResponseException.ServiceUnavailable;
import org.springframework.web.reactive.function.server.ServerRequest;
import org.springframework.web.reactive.function.server.ServerResponse;
import reactor.core.publisher.Mono;
import reactor.netty.DisposableServer;
import reactor.util.retry.Retry;

/** Reads and backfills what is no table: a list, and somebody's HTTP API. No database is needed. */
public final class PagingAnything {

  private static final int PAGE = 10;

  record Song(int id, String title) {}

  /** What the API answers; {@code next} is opaque, and null on its last page. */
  record Songs(List<Song> songs, @Nullable String next) {}

  private final List<Song> songs;
  private final AtomicInteger requests = new AtomicInteger();
  private final AtomicInteger failures = new AtomicInteger();

  private PagingAnything(int count) {
    songs = IntStream.rangeClosed(1, count).mapToObj(i -> new Song(i, "Song " + i)).toList();
  }

  /** A list: the cursor is the id of the last song. */
  private Mono<Page<Song>> fromList(PageRequest request) {
    requests.incrementAndGet();
    Cursor after = request.after();
    int from = after == null ? 0 : Integer.parseInt(String.valueOf(after.value("id")));
    int to = Math.min(songs.size(), from + request.size());
    List<Song> items = songs.subList(from, to);
    Cursor cursor = Cursor.of("id", to);
    return Mono.just(to == songs.size() ? Page.last(items, cursor) : Page.of(items, cursor));
  }

  /** An API: the cursor is whatever it calls next. */
  private static Mono<Page<Song>> fromApi(WebClient client, PageRequest request) {
    Optional<String> next = Optional.ofNullable(request.after()).map(after -> after.value("next"));
    return client
        .get()
        .uri(
            uri ->
                uri.path("/songs")
                    .queryParam("limit", request.size())
                    .queryParamIfPresent("next", next)
                    .build())
        .retrieve()
        .bodyToMono(Songs.class)
        .map(
            answer ->
                answer.next() == null
                    ? Page.last(answer.songs(), null)
                    : Page.of(answer.songs(), Cursor.of("next", answer.next())));
  }

  public static void main(String[] args) {
    Example.main("PagingAnything", () -> run(95));
  }

  static Result run(int count) {
    PagingAnything example = new PagingAnything(count);
    DisposableServer server = Http.serve(route().GET("/songs", example::answer).build(), 0);
    try {
      return example.read(Http.client(server));
    } finally {
      server.disposeNow();
    }
  }

  private Result read(WebClient client) {
    PageSource<Song> api = request -> fromApi(client, request);
    CursorStream<Song> list = CursorStream.of(this::fromList).pageSize(PAGE);
    CursorStream<Song> http =
        CursorStream.of(api)
            .pageSize(PAGE)
            .retry(
                Retry.backoff(3, Duration.ofMillis(50))
                    .filter(failure -> failure instanceof ServiceUnavailable));

    System.out.printf(
        "%d songs in pages of %d. As many pages are asked for as are needed:%n%n",
        songs.size(), PAGE);
    System.out.printf("%12s %10s %10s%n", "songs", "list", "HTTP API");
    boolean exact = true;
    for (int wanted : new int[] {1, PAGE, PAGE + 1, 25, songs.size()}) {
      int needed = (wanted + PAGE - 1) / PAGE;
      int fromList = requestsFor(list, wanted);
      int fromApi = requestsFor(http, wanted);
      System.out.printf("%7s(%3d) %10d %10d%n", "take", wanted, fromList, fromApi);
      exact &= fromList == needed && fromApi == needed;
    }

    failures.set(2);
    requests.set(0);
    List<Song> all = http.items().collectList().blockOptional().orElseThrow();
    int repeated = requests.get() - (songs.size() + PAGE - 1) / PAGE;
    System.out.printf("%nThe API fails twice with 503: %d more requests,", repeated);
    System.out.printf(" and %d of %d songs, each once, in order.%n", all.size(), songs.size());
    boolean pass = exact && repeated == 2 && all.equals(songs) && backfill(api);
    return new Result(
        "PagingAnything", "songs=%d retries=%d".formatted(all.size(), repeated), pass);
  }

  /** The same API as long work: two consumers, and a song that cannot be played. */
  private boolean backfill(PageSource<Song> api) {
    Set<Song> played = ConcurrentHashMap.newKeySet();
    Runner runner = Runner.create(InMemoryRunStore.create());
    Run run =
        runner
            .runToEnd(
                Backfill.over("play", api)
                    .batchSize(PAGE)
                    .consumers(2)
                    .attempts(1)
                    .deadLetters(1)
                    .process(batch -> batch.rows().doOnNext(song -> play(song, played))))
            .blockOptional()
            .orElseThrow();
    System.out.printf("%nA backfill of the API, in memory: %d songs played,", played.size());
    System.out.printf(" %d put aside.%n", run.deadLetters());
    runner.shutdown(Duration.ofSeconds(1)).block();
    return played.size() == songs.size() - 1 && run.deadLetters() == 1;
  }

  private static void play(Song song, Set<Song> played) {
    if (song.id() == 13) {
      throw new IllegalStateException(song + " is scratched");
    }
    played.add(song);
  }

  private int requestsFor(CursorStream<Song> stream, int wanted) {
    requests.set(0);
    List<Song> taken = stream.items().take(wanted).collectList().blockOptional().orElseThrow();
    return taken.equals(songs.subList(0, wanted)) ? requests.get() : -1;
  }

  /** The API's side: pages by an offset that it keeps to itself. */
  private Mono<ServerResponse> answer(ServerRequest request) {
    int number = requests.incrementAndGet();
    if (number > 2 && failures.getAndUpdate(left -> Math.max(0, left - 1)) > 0) {
      return ServerResponse.status(HttpStatus.SERVICE_UNAVAILABLE).build();
    }
    int from = request.queryParam("next").map(next -> Integer.parseInt(next, 36)).orElse(0);
    int limit = request.queryParam("limit").map(Integer::parseInt).orElse(PAGE);
    int to = Math.min(songs.size(), from + limit);
    String next = to == songs.size() ? null : Integer.toString(to, 36);
    return ServerResponse.ok().bodyValue(new Songs(new ArrayList<>(songs.subList(from, to)), next));
  }
}
