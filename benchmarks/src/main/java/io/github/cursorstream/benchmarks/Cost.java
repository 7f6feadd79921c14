package io.github.cursorstream.benchmarks;

/**
 * What one pass took. What could not be found out is NaN.
 *
 * @param seconds by the clock
 * @param clientCpu seconds of this JVM, its compiler and collector included
 * @param serverCpu seconds of all of the server's processes
 * @param otherCpu seconds of everybody else on this machine, who should not be there
 * @param allocated bytes, by this JVM's threads
 * @param heap the most that the heap held after a collection, in MB
 */
record Cost(
    double seconds,
    double clientCpu,
    double serverCpu,
    double otherCpu,
    double allocated,
    double heap) {}
