package io.github.cursorstream.run;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.cursorstream.run.VerbResult.Kind;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

// M5
class TransitionsTest {

  /**
   * Where a verb leads; {@code -} is nothing to do, {@code x} is refused, {@code going} is RUNNING
   * if it was opened and ENQUEUED if not, {@code A/B} is A if nothing is in flight and else B.
   */
  private static final String TABLE =
      """
      .              HELD      ENQUEUED  RUNNING              PAUSING              PAUSED    CANCELLING CANCELLED FAILED    SUCCEEDED
      START          ENQUEUED  -         -                    x                    x         x          x         x         x
      PAUSE          x         PAUSED    PAUSED/PAUSING       -                    -         x          x         x         x
      RESUME         x         -         -                    going                going     x          x         x         x
      CANCEL         CANCELLED CANCELLED CANCELLED/CANCELLING CANCELLED/CANCELLING CANCELLED -          -         CANCELLED x
      RETRY          x         -         -                    x                    x         x          x         going     x
      FORCE_PAUSE    x         PAUSED    PAUSED               PAUSED               -         x          x         x         x
      FORCE_CANCEL   CANCELLED CANCELLED CANCELLED            CANCELLED            CANCELLED CANCELLED  -         CANCELLED x
      MARK_SUCCEEDED SUCCEEDED x         x                    x                    SUCCEEDED x          SUCCEEDED SUCCEEDED -
      """;

  private static final Map<String, String> CELLS = cells();

  private static Map<String, String> cells() {
    List<List<String>> lines =
        TABLE.lines().map(line -> Arrays.asList(line.trim().split(" +"))).toList();
    Map<String, String> cells = new TreeMap<>();
    for (List<String> line : lines.subList(1, lines.size())) {
      for (int column = 1; column < line.size(); column++) {
        cells.put(line.get(0) + " " + lines.get(0).get(column), line.get(column));
      }
    }
    return cells;
  }

  private record Case(RunState state, Verb verb, boolean opened, boolean idle) {

    VerbResult result() {
      return Transitions.of(state, verb, opened, idle);
    }
  }

  private static Stream<Case> cases() {
    List<Case> cases = new ArrayList<>();
    for (RunState state : RunState.values()) {
      for (Verb verb : Verb.values()) {
        for (boolean opened : new boolean[] {false, true}) {
          for (boolean idle : new boolean[] {false, true}) {
            cases.add(new Case(state, verb, opened, idle));
          }
        }
      }
    }
    return cases.stream();
  }

  @ParameterizedTest
  @MethodSource("cases")
  void everyVerbDoesInEveryStateWhatTheTableSays(Case given) {
    String cell = CELLS.get(given.verb() + " " + given.state());
    assertThat(cell).isNotNull();
    Kind kind =
        switch (cell) {
          case "-" -> Kind.NOTHING_TO_DO;
          case "x" -> Kind.REFUSED;
          default -> Kind.DONE;
        };
    RunState state =
        kind != Kind.DONE
            ? given.state()
            : switch (cell) {
              case "going" -> given.opened() ? RunState.RUNNING : RunState.ENQUEUED;
              default -> {
                String[] either = cell.split("/", -1);
                yield RunState.valueOf(either[given.idle() ? 0 : either.length - 1]);
              }
            };

    assertThat(given.result().kind()).isEqualTo(kind);
    assertThat(given.result().state()).isEqualTo(state);
    assertThat(given.result().reason()).isNotBlank();
    assertThat(given.result().isAccepted()).isEqualTo(kind != Kind.REFUSED);
  }

  @Test
  void theTableHasNoOtherCells() {
    assertThat(CELLS).hasSize(RunState.values().length * Verb.values().length);
  }

  @Test
  void whatIsDoneChangesTheStateAndNothingElseDoes() {
    assertThat(cases())
        .allSatisfy(
            given ->
                assertThat(given.result().state() != given.state())
                    .isEqualTo(given.result().kind() == Kind.DONE));
  }

  @Test
  void endedStatesAreLeftOnlyBySomebodyWhoKnows() {
    Map<RunState, Set<Verb>> ways =
        Map.of(
            RunState.FAILED,
            Set.of(Verb.RETRY, Verb.CANCEL, Verb.FORCE_CANCEL, Verb.MARK_SUCCEEDED),
            RunState.CANCELLED,
            Set.of(Verb.MARK_SUCCEEDED),
            RunState.SUCCEEDED,
            Set.of());

    assertThat(cases().filter(given -> given.state().isEnded()))
        .hasSize(ways.size() * Verb.values().length * 4)
        .allSatisfy(
            given ->
                assertThat(given.result().kind() == Kind.DONE)
                    .isEqualTo(ways.get(given.state()).contains(given.verb())));
  }

  @Test
  void nothingWaitsForBatchesThatThereAreNot() {
    assertThat(cases().filter(Case::idle))
        .filteredOn(given -> given.result().kind() == Kind.DONE)
        .extracting(given -> given.result().state())
        .isNotEmpty()
        .doesNotContain(RunState.PAUSING, RunState.CANCELLING);
  }

  @Test
  void everyStateThatHasNotEndedCanBeCancelled() {
    assertThat(cases().filter(given -> !given.state().isEnded()))
        .filteredOn(given -> given.verb() == Verb.CANCEL || given.verb() == Verb.FORCE_CANCEL)
        .isNotEmpty()
        .allSatisfy(given -> assertThat(given.result().isAccepted()).isTrue());
  }
}
