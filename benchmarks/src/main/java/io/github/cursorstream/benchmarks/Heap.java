package io.github.cursorstream.benchmarks;

import static io.github.cursorstream.benchmarks.Goal.atMost;
import static java.nio.charset.StandardCharsets.UTF_8;

import io.github.cursorstream.benchmarks.Dataset.Shape;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;

/** The biggest table, read by a JVM whose heap is small. */
final class Heap implements Group {

  private static final int MEGABYTES = 48;
  private static final Map<String, Integer> READ_AHEAD =
      Map.of("heap in MB, prefetch 1", 0, "heap in MB, readAhead 4", 4);

  @Override
  public String name() {
    return "heap";
  }

  @Override
  public void run(Lab lab) throws Exception {
    System.out.printf("%nheap of -Xmx%dm%n", MEGABYTES);
    Dataset items = lab.dataset(Shape.MIXED, lab.rows() * 5);
    for (var entry : READ_AHEAD.entrySet()) {
      lab.report().add(entry.getKey(), Spread.of(peak(lab, items, entry.getValue())));
    }
  }

  /** What was held at most after a collection; NaN if it was not enough. */
  private static double peak(Lab lab, Dataset items, int readAhead)
      throws IOException, InterruptedException {
    ProcessBuilder builder =
        new ProcessBuilder(
            Path.of(System.getProperty("java.home"), "bin", "java").toString(),
            "-Xmx" + MEGABYTES + "m",
            "-cp",
            System.getProperty("java.class.path"),
            HeapReader.class.getName(),
            items.table(),
            String.valueOf(readAhead));
    builder.environment().put(HeapReader.URL, url(lab));
    Process process = builder.redirectError(ProcessBuilder.Redirect.INHERIT).start();
    String answer = new String(process.getInputStream().readAllBytes(), UTF_8).strip();
    String[] words = answer.split(" ", -1);
    boolean right =
        process.waitFor() == 0
            && words.length == 3
            && new Total(Long.parseLong(words[0]), Long.parseLong(words[1])).equals(items.total());
    return right ? Double.parseDouble(words[2]) : Double.NaN;
  }

  private static String url(Lab lab) {
    return "r2dbc:postgresql://%s:%s@%s:%d/%s?forceBinary=true"
        .formatted(
            lab.database().user(),
            lab.database().password(),
            lab.database().host(),
            lab.database().port(),
            lab.database().name());
  }

  @Override
  public List<Goal> goals(Lab lab) {
    return READ_AHEAD.keySet().stream()
        .sorted()
        .map(
            name ->
                atMost(
                    MEGABYTES,
                    "%,d rows in -Xmx%dm: %s".formatted(lab.rows() * 5, MEGABYTES, name),
                    report -> report.figure(name)))
        .toList();
  }
}
