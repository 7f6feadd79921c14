package io.github.cursorstream.benchmarks;

import io.github.cursorstream.benchmarks.Goal.Verdict;
import io.github.cursorstream.testing.TestDatabase;
import io.github.cursorstream.testing.TestPostgres;
import java.lang.management.ManagementFactory;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.json.JsonMapper;

/**
 * Runs the groups that are named, or all, and says which goals are met.
 *
 * <p>Arguments: {@code [--rows 2000000] [--rounds 5] [--json FILE] [GROUP…]}.
 */
public final class Goals {

  static final List<Group> GROUPS =
      List.of(
          new Reading(),
          new Distance(),
          new ReadingScale(),
          new Position(),
          new Writing(),
          new WritingScale(),
          new Protocol(),
          new Heap(),
          new Operators());

  /** Enough memory for the tables, WAL without checkpoints in the middle, and durable. */
  private static final String[] SERVER = {
    "fsync=on",
    "synchronous_commit=on",
    "shared_buffers=1GB",
    "max_wal_size=8GB",
    "checkpoint_timeout=1h",
    "autovacuum=off"
  };

  /** What was measured, where, and what came out. */
  record Outcome(
      Map<String, String> environment,
      Map<String, List<Result>> races,
      Map<String, Spread> figures,
      List<Verdict> goals) {}

  private record Arguments(long rows, int rounds, @Nullable Path json, List<Group> groups) {

    static Arguments parse(String[] args) {
      long rows = 2_000_000;
      int rounds = 5;
      Path json = null;
      List<Group> groups = new ArrayList<>();
      for (int i = 0; i < args.length; i++) {
        switch (args[i]) {
          case "--rows" -> rows = Long.parseLong(args[++i]);
          case "--rounds" -> rounds = Integer.parseInt(args[++i]);
          case "--json" -> json = Path.of(args[++i]);
          default -> groups.add(group(args[i]));
        }
      }
      return new Arguments(rows, rounds, json, groups.isEmpty() ? GROUPS : groups);
    }

    private static Group group(String name) {
      return GROUPS.stream()
          .filter(group -> group.name().equals(name))
          .findFirst()
          .orElseThrow(
              () ->
                  new IllegalArgumentException(
                      "a group of %s required but it was \"%s\""
                          .formatted(GROUPS.stream().map(Group::name).toList(), name)));
    }
  }

  private Goals() {}

  /** See above. */
  public static void main(String[] args) {
    Locale.setDefault(Locale.ROOT);
    boolean pass = false;
    String figures = "";
    try {
      Arguments arguments = Arguments.parse(args);
      try (TestPostgres server = TestPostgres.start(SERVER);
          TestDatabase database = server.createDatabase("benchmarks")) {
        Outcome outcome =
            run(
                new Lab(database, arguments.rows, arguments.rounds),
                environment(server, arguments),
                arguments.groups);
        if (arguments.json != null) {
          JsonMapper.shared().writerWithDefaultPrettyPrinter().writeValue(arguments.json, outcome);
        }
        long met = outcome.goals.stream().filter(Verdict::met).count();
        pass = met == outcome.goals.size();
        figures = "met=%d of=%d".formatted(met, outcome.goals.size());
      }
    } catch (Throwable e) {
      e.printStackTrace();
      figures = "error=" + e.getClass().getSimpleName();
    }
    System.out.printf("%nRESULT Goals %s %s%n", figures, pass ? "PASS" : "FAIL");
    System.exit(pass ? 0 : 1);
  }

  static Outcome run(Lab lab, Map<String, String> environment, List<Group> groups)
      throws Exception {
    environment.forEach((name, value) -> System.out.printf("%s = %s%n", name, value));
    for (Group group : groups) {
      group.run(lab);
    }
    List<Verdict> verdicts =
        groups.stream()
            .flatMap(group -> group.goals(lab).stream())
            .map(g -> g.judge(lab.report()))
            .toList();
    System.out.printf("%nGoals%n");
    verdicts.forEach(System.out::println);
    return new Outcome(environment, lab.report().races(), lab.report().figures(), verdicts);
  }

  private static Map<String, String> environment(TestPostgres server, Arguments arguments) {
    Map<String, String> environment = new TreeMap<>(server.settings());
    environment.put("server", server.toString());
    environment.put("rows", String.valueOf(arguments.rows));
    environment.put("rounds", String.valueOf(arguments.rounds));
    environment.put("java", Runtime.version().toString());
    environment.put("processors", String.valueOf(Runtime.getRuntime().availableProcessors()));
    environment.put("heap", (Runtime.getRuntime().maxMemory() >> 20) + " MB");
    environment.put(
        "load",
        String.valueOf(ManagementFactory.getOperatingSystemMXBean().getSystemLoadAverage()));
    return environment;
  }
}
