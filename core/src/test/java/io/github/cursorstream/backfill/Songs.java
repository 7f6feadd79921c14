package io.github.cursorstream.backfill;

import io.github.cursorstream.cursor.Cursor;
import io.github.cursorstream.cursor.Page;
import io.github.cursorstream.cursor.PageRequest;
import io.github.cursorstream.cursor.PageSource;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.TreeSet;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;
import org.reactivestreams.Publisher;
import reactor.core.publisher.Mono;

/** Numbered songs in order, which may come and go, and what was asked of them. */
final class Songs implements PageSource<Songs.Song> {

  /** What is read. */
  record Song(int id) {}

  final TreeSet<Integer> ids = new TreeSet<>();
  final List<PageRequest> requests = new ArrayList<>();
  @Nullable RuntimeException failure;

  /** Only every so manieth is given, of as many as were asked for: pages may be empty. */
  int every = 1;

  Songs(int count) {
    ids.addAll(IntStream.rangeClosed(1, count).boxed().toList());
  }

  static Cursor at(int id) {
    return Cursor.of("id", id);
  }

  @Override
  public Publisher<Page<Song>> fetch(PageRequest request) {
    return Mono.fromCallable(
        () -> {
          requests.add(request);
          if (failure != null) {
            throw failure;
          }
          Cursor after = request.after();
          int from =
              after == null ? 0 : Integer.parseInt(Objects.requireNonNull(after.value("id")));
          List<Integer> found =
              ids.tailSet(from, false).stream().limit(request.size() + 1L).toList();
          boolean last = found.size() <= request.size();
          List<Integer> page = last ? found : found.subList(0, request.size());
          List<Song> songs = page.stream().filter(id -> id % every == 0).map(Song::new).toList();
          // The last page may well have no cursor.
          return last ? Page.last(songs, null) : Page.of(songs, at(page.get(page.size() - 1)));
        });
  }
}
