package io.github.cursorstream.r2dbc.keyset;

import io.github.cursorstream.cursor.Cursor;
import io.github.cursorstream.cursor.CursorCodec;
import io.github.cursorstream.cursor.Page;
import io.github.cursorstream.r2dbc.keyset.ResolvedKeyset.OrderColumn;
import io.r2dbc.spi.Connection;
import io.r2dbc.spi.Row;
import io.r2dbc.spi.Statement;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.function.Consumer;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;
import reactor.core.publisher.Flux;
import reactor.core.publisher.Mono;

/**
 * Runs one page query and collects its rows. One for each page: it gathers while rows come.
 *
 * @param <T> what rows are mapped to
 */
final class PageReader<T> {

  /** Which cursors of a page anyone will look at. Reading key values costs time for each row. */
  enum Cursors {
    /** That of a full page's last row, to go on from. */
    TO_GO_ON,
    /** Those of the first and the last row. */
    ALL,
    /** As {@link #TO_GO_ON}, and the key values of each row. */
    EACH
  }

  private final ResolvedKeyset keyset;
  private final CursorCodec codec;
  private final Function<? super Row, ? extends T> mapper;
  private final int size;
  private final Cursors cursors;
  private final @Nullable Consumer<Cursor> end;

  private final List<T> items;
  private final Set<List<@Nullable String>> read = new HashSet<>();
  private int[] keyIndexes = {};
  private int lastIndex;
  private @Nullable Object[] firstKeys = {};
  private @Nullable Object[] lastKeys = {};
  private boolean more;

  PageReader(
      ResolvedKeyset keyset,
      CursorCodec codec,
      Function<? super Row, ? extends T> mapper,
      int size,
      Cursors cursors) {
    this(keyset, codec, mapper, size, cursors, null);
  }

  /**
   * One that tells where the page ends once its first row has.
   *
   * @param end null if the query does not tell
   */
  PageReader(
      ResolvedKeyset keyset,
      CursorCodec codec,
      Function<? super Row, ? extends T> mapper,
      int size,
      Cursors cursors,
      @Nullable Consumer<Cursor> end) {
    this.keyset = keyset;
    this.codec = codec;
    this.mapper = mapper;
    this.size = size;
    this.cursors = cursors;
    this.end = end;
    this.items = new ArrayList<>(Math.min(size, 1024));
  }

  /**
   * Reads the page. A row behind the page's size tells that there are more, and is not mapped.
   *
   * @param connection where to read
   * @param sql a query of {@code size} rows, or of one more
   * @param backwards whether the query reads in the opposite order
   * @param looksAhead whether the query asks for one row more
   */
  Mono<Page<T>> read(Connection connection, PageSql sql, boolean backwards, boolean looksAhead) {
    return read(connection, sql.text(), sql.binds(), backwards, looksAhead);
  }

  /** The same with something behind the query, such as locks. */
  Mono<Page<T>> read(
      Connection connection,
      String text,
      List<Object> binds,
      boolean backwards,
      boolean looksAhead) {
    Statement statement = connection.createStatement(text);
    for (int i = 0; i < binds.size(); i++) {
      statement.bind(i, binds.get(i));
    }
    // All rows at once: a portal would take a round trip more.
    statement.fetchSize(0);
    return Flux.from(statement.execute())
        .concatMap(result -> result.map((row, metadata) -> take(row)))
        .count() // Not then(), which would look up a discard hook for each row.
        .map(rows -> page(backwards, looksAhead));
  }

  private boolean take(Row row) {
    if (items.isEmpty()) {
      locateKeys(row);
      if (end != null) {
        tellEnd(row, end);
      }
    }
    if (items.size() == size) {
      more = true;
      if (!keyset.proven() && Boolean.TRUE.equals(row.get(lastIndex, Boolean.class))) {
        throw new TiedKeysException(cursor(lastKeys));
      }
      return true;
    }
    T item = mapper.apply(row);
    if (item == null) {
      throw new NullPointerException("the mapper returned null for a row of " + keyset.name());
    }
    items.add(item);
    if (cursors != Cursors.TO_GO_ON || items.size() == size) {
      lastKeys = keys(row);
      if (cursors == Cursors.EACH) {
        read.add(text(lastKeys));
      }
      if (items.size() == 1) {
        firstKeys = lastKeys;
      }
    }
    return true;
  }

  /** A page that is not full has no end to go on from. */
  private void tellEnd(Row row, Consumer<Cursor> listener) {
    String[] rendered = row.get(lastIndex, String[].class);
    if (rendered != null) {
      listener.accept(cursor(rendered));
    }
  }

  private void locateKeys(Row row) {
    List<OrderColumn> order = keyset.order();
    int appended = (int) order.stream().filter(column -> !PageSql.isRead(keyset, column)).count();
    int columns = row.getMetadata().getColumnMetadatas().size();
    lastIndex = columns - 1;
    int next = columns - appended - (keyset.proven() && end == null ? 0 : 1);
    keyIndexes = new int[order.size()];
    for (int i = 0; i < keyIndexes.length; i++) {
      keyIndexes[i] =
          PageSql.isRead(keyset, order.get(i))
              ? keyset.columns().indexOf(order.get(i).key().name())
              : next++;
    }
  }

  private @Nullable Object[] keys(Row row) {
    @Nullable Object[] keys = new Object[keyIndexes.length];
    for (int i = 0; i < keys.length; i++) {
      keys[i] = keyset.order().get(i).type().read(row, keyIndexes[i]);
    }
    return keys;
  }

  /** The key values of each row that was read, if they were asked for. */
  Set<List<@Nullable String>> keys() {
    return read;
  }

  private List<@Nullable String> text(@Nullable Object[] keys) {
    List<@Nullable String> values = new ArrayList<>(keys.length);
    for (int i = 0; i < keys.length; i++) {
      values.add(keyset.order().get(i).type().text(keys[i]));
    }
    return values;
  }

  private Cursor cursor(@Nullable Object[] keys) {
    return codec.issue(Cursor.ofText(keyset.orderNames(), text(keys)));
  }

  private Page<T> page(boolean backwards, boolean looksAhead) {
    boolean last = looksAhead ? !more : items.size() < size;
    Cursor start = firstKeys.length == 0 ? null : cursor(firstKeys);
    Cursor end = lastKeys.length == 0 ? null : cursor(lastKeys);
    if (!backwards) {
      return new Page<>(items, start, end, last);
    }
    Collections.reverse(items);
    return new Page<>(items, end, start, last);
  }
}
