package io.github.cursorstream.benchmarks;

/**
 * What one pass made the server do, counted while no time is taken.
 *
 * @param statements executions that were asked for, BEGIN and COMMIT among them
 * @param roundTrips how often a client waited for an answer, over all its connections
 * @param buffers of tables and indexes that were read, cached or not
 */
record Counts(long statements, long roundTrips, long buffers) {}
