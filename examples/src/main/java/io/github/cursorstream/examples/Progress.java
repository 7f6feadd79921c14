package io.github.cursorstream.examples;

import java.time.Duration;
import java.util.function.Supplier;
import reactor.core.Disposable;
import reactor.core.publisher.Flux;

/**
 * A live line about work that runs: rewritten in place on a terminal, else a new line every three
 * seconds.
 */
final class Progress implements AutoCloseable {

  @SuppressWarnings("SystemConsoleNull") // Null as before with the pom's -Djdk.console=java.base.
  private static final boolean TERMINAL = System.console() != null;

  private static final Duration PERIOD = Duration.ofMillis(TERMINAL ? 200 : 3000);
  private static final String TO_LINE_START = "\r\033[K";

  private final Supplier<String> line;
  private final Disposable ticks;

  Progress(Supplier<String> line) {
    this.line = line;
    this.ticks = Flux.interval(PERIOD).subscribe(tick -> print());
  }

  private synchronized void print() {
    if (TERMINAL) {
      System.out.print(TO_LINE_START + line.get());
      System.out.flush();
    } else {
      System.out.println(line.get());
    }
  }

  /** Prints a line that stays. */
  synchronized void say(String text) {
    System.out.println((TERMINAL ? TO_LINE_START : "") + text);
  }

  /** Prints the line a last time, and lets it stay. */
  @Override
  public void close() {
    ticks.dispose();
    print();
    System.out.println();
  }

  /** Heap in use, garbage included. */
  static long heapMegabytes() {
    Runtime runtime = Runtime.getRuntime();
    return (runtime.totalMemory() - runtime.freeMemory()) >> 20;
  }
}
