package io.github.cursorstream.r2dbc.keyset;

import org.slf4j.LoggerFactory;

/** Writes down how long something took, at a level that is only shown when it is asked for. */
final class Measured {

  private Measured() {}

  static void record(String what, long sinceNanos) {
    LoggerFactory.getLogger(Measured.class)
        .info("{} {} ms", what, (System.nanoTime() - sinceNanos) / 1_000_000);
  }
}
