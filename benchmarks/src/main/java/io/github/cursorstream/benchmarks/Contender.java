package io.github.cursorstream.benchmarks;

import java.util.concurrent.Callable;
import java.util.function.Function;

/**
 * One way to do the work.
 *
 * @param name for tables and goals
 * @param expected what every pass must come to
 * @param over makes a pass that connects to a target; it is called any number of times, one at a
 *     time. Connections and what else can be kept belong to the target.
 */
record Contender(String name, Total expected, Function<Target, Callable<Total>> over) {}
