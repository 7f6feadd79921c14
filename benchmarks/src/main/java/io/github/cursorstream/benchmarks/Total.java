package io.github.cursorstream.benchmarks;

import reactor.core.publisher.Flux;

/**
 * What a pass read or wrote, to be compared with what the server says.
 *
 * @param rows how many
 * @param checksum over all columns, whatever the order of the rows
 */
record Total(long rows, long checksum) {

  static final Total NONE = new Total(0, 0);

  Total plus(Total other) {
    return new Total(rows + other.rows, checksum + other.checksum);
  }

  /** Reads all and adds it up; blocks. */
  static Total of(Flux<Item> items) {
    Tally tally = new Tally();
    items.doOnNext(tally::add).then().block();
    return tally.total();
  }

  /** Adds up, one item after the other. */
  static final class Tally {
    private long rows;
    private long checksum;

    void add(Item item) {
      rows++;
      checksum += item.checksum();
    }

    long rows() {
      return rows;
    }

    Total total() {
      return new Total(rows, checksum);
    }
  }
}
