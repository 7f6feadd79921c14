package io.github.cursorstream.benchmarks;

import io.github.cursorstream.r2dbc.keyset.CursorBasedRepository;
import io.github.cursorstream.r2dbc.keyset.Keyset;
import io.github.cursorstream.testing.HeapWatch;
import io.r2dbc.pool.ConnectionPool;
import io.r2dbc.pool.ConnectionPoolConfiguration;
import io.r2dbc.spi.ConnectionFactories;
import java.util.Objects;

/** Reads a table and prints rows, checksum and the most that the heap held, for {@link Heap}. */
public final class HeapReader {

  /** The environment variable that says where; an argument would show the password. */
  static final String URL = "BENCHMARK_URL";

  private HeapReader() {}

  /** Arguments: table, pages read ahead at the same time, 0 for prefetch 1. */
  public static void main(String[] args) {
    HeapWatch heap = new HeapWatch();
    int readAhead = Integer.parseInt(args[1]);
    String url = Objects.requireNonNull(System.getenv(URL), URL);
    ConnectionPool pool =
        new ConnectionPool(
            ConnectionPoolConfiguration.builder(ConnectionFactories.get(url))
                .maxSize(readAhead + 2)
                .build());
    CursorBasedRepository<Item> items =
        CursorBasedRepository.create(
            pool, Keyset.table(args[0]).select(Item.COLUMNS.split(", ")), Item::of);
    Total total =
        Total.of(
            items.cursorBasedStream(o -> readAhead > 0 ? o.readAhead(readAhead) : o.prefetch(1)));
    System.gc();
    System.out.println(total.rows() + " " + total.checksum() + " " + heap.peakMegabytes());
    pool.disposeLater().block();
  }
}
