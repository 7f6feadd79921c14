package io.github.cursorstream.benchmarks;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** What came out: races, and figures that stand alone. */
final class Report {

  private final Map<String, List<Result>> races = new LinkedHashMap<>();
  private final Map<String, Spread> figures = new LinkedHashMap<>();

  void add(String race, List<Result> results) {
    races.put(race, List.copyOf(results));
  }

  void add(String name, Spread figure) {
    figures.put(name, figure);
    System.out.printf("%s: %s%n", name, figure.text());
  }

  Map<String, List<Result>> races() {
    return races;
  }

  Map<String, Spread> figures() {
    return figures;
  }

  Result result(String race, String contender) {
    return races.getOrDefault(race, new ArrayList<>()).stream()
        .filter(result -> result.contender().equals(contender))
        .findFirst()
        .orElseThrow(
            () -> new IllegalArgumentException("no " + contender + " in the race " + race));
  }

  Spread figure(String name) {
    Spread figure = figures.get(name);
    if (figure == null) {
      throw new IllegalArgumentException("no figure " + name);
    }
    return figure;
  }
}
