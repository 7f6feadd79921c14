package io.github.cursorstream.benchmarks;

import io.github.cursorstream.testing.TestDatabase;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.OptionalLong;
import java.util.stream.Stream;

/**
 * What Linux tells of the processors' time: that of the server's processes, where they run on this
 * machine, and that of all. NaN elsewhere.
 */
final class Processors {

  private static final Path PROC = Path.of("/proc");

  /** The unit of times in /proc, which is the same on every architecture in use. */
  private static final double TICKS = 100;

  // Of /proc/<pid>/stat, counted behind the name.
  private static final int PARENT = 1;
  private static final int USER = 11;
  private static final int SYSTEM = 12;
  private static final int CHILDREN_SYSTEM = 14;

  // Of the first line of /proc/stat, in which the name is 0.
  private static final int IDLE = 4;
  private static final int WAITING = 5;
  private static final int STOLEN = 8;

  private final OptionalLong postmaster;

  private Processors(OptionalLong postmaster) {
    this.postmaster = postmaster;
  }

  static Processors of(TestDatabase database) {
    try {
      var row = database.query("SELECT split_part(pg_read_file('postmaster.pid'), E'\\n', 1)");
      long pid = Long.parseLong(String.valueOf(row.get(0).get(0)).strip());
      // In a container or on another machine that is the number of somebody else.
      boolean here = Files.readString(PROC.resolve(pid + "/comm")).strip().equals("postgres");
      return new Processors(here ? OptionalLong.of(pid) : OptionalLong.empty());
    } catch (IOException | RuntimeException e) {
      return new Processors(OptionalLong.empty());
    }
  }

  /** Seconds of the server, of processes that have ended too. */
  double server() {
    if (postmaster.isEmpty()) {
      return Double.NaN;
    }
    long pid = postmaster.getAsLong();
    try (Stream<Path> processes = Files.list(PROC)) {
      long own = ticks(stat(PROC.resolve(String.valueOf(pid))), CHILDREN_SYSTEM);
      long children =
          processes
              .filter(path -> Character.isDigit(path.getFileName().toString().charAt(0)))
              .map(Processors::stat)
              .filter(stat -> stat.size() > PARENT && stat.get(PARENT).equals(String.valueOf(pid)))
              .mapToLong(stat -> ticks(stat, SYSTEM))
              .sum();
      return (own + children) / TICKS;
    } catch (IOException e) {
      return Double.NaN;
    }
  }

  /** Up to this field. */
  private static long ticks(List<String> stat, int last) {
    return stat.isEmpty()
        ? 0
        : stat.subList(USER, last + 1).stream().mapToLong(Long::parseLong).sum();
  }

  /** The fields behind the name, which may hold anything; none if the process is gone. */
  private static List<String> stat(Path process) {
    try {
      String line = Files.readString(process.resolve("stat"));
      return List.of(line.substring(line.lastIndexOf(')') + 2).split(" "));
    } catch (IOException e) {
      return List.of();
    }
  }

  /** Seconds of everybody, interrupts included, and what other guests took of this machine. */
  double all() {
    try (Stream<String> lines = Files.lines(PROC.resolve("stat"))) {
      String[] fields = lines.findFirst().orElseThrow().split(" +", -1);
      long ticks = 0;
      for (int i = 1; i <= STOLEN; i++) {
        ticks += i == IDLE || i == WAITING ? 0 : Long.parseLong(fields[i]);
      }
      return ticks / TICKS;
    } catch (IOException | RuntimeException e) {
      return Double.NaN;
    }
  }
}
