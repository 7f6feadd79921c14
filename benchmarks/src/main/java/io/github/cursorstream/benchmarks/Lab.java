package io.github.cursorstream.benchmarks;

import io.github.cursorstream.benchmarks.Dataset.Shape;
import io.github.cursorstream.testing.TestDatabase;
import java.util.HashMap;
import java.util.Map;

/** What all groups share: a database, how big and how long, the tables, what came out. */
final class Lab {

  private final TestDatabase database;
  private final Meter meter;
  private final long rows;
  private final int rounds;
  private final Map<String, Dataset> datasets = new HashMap<>();
  private final Report report = new Report();

  /**
   * @param rows of the table that is read; the other sizes follow it
   * @param rounds in which every contender has one pass that counts
   */
  Lab(TestDatabase database, long rows, int rounds) {
    this.database = database;
    this.meter = new Meter(database);
    this.rows = rows;
    this.rounds = rounds;
  }

  TestDatabase database() {
    return database;
  }

  Meter meter() {
    return meter;
  }

  long rows() {
    return rows;
  }

  int rounds() {
    return rounds;
  }

  Report report() {
    return report;
  }

  /** Made when it is asked for the first time. */
  Dataset dataset(Shape shape, long size) {
    return datasets.computeIfAbsent(
        shape + " " + size, key -> Dataset.create(database, shape, size));
  }
}
