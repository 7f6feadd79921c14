package io.github.cursorstream;

import static com.tngtech.archunit.base.DescribedPredicate.not;
import static com.tngtech.archunit.core.domain.JavaClass.Predicates.resideInAPackage;
import static com.tngtech.archunit.core.domain.JavaClass.Predicates.resideInAnyPackage;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static com.tngtech.archunit.library.dependencies.SlicesRuleDefinition.slices;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.core.importer.ImportOption;
import io.github.cursorstream.cursor.Cursor;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** The rooms of this module and who may import whom. */
class ArchitectureTest {

  private static final String ROOT = "io.github.cursorstream";
  private static final String PLANTED = ROOT + ".planted";

  /** Each room, and the rooms it may import. */
  private static final Map<String, List<String>> ROOMS =
      Map.of(
          "cursor", List.of(),
          "concurrency", List.of(),
          "pace", List.of(),
          "run", List.of(),
          "backfill", List.of("cursor", "concurrency", "pace", "run"));

  private static final JavaClasses OURS =
      new ClassFileImporter()
          .withImportOption(ImportOption.Predefined.DO_NOT_INCLUDE_TESTS)
          .importPackages(ROOT);
  private static final JavaClasses ALL_PLANTED = new ClassFileImporter().importPackages(PLANTED);

  @Test
  void roomsImportOnlyWhatTheyMay() {
    assertThat(OURS).isNotEmpty();
    assertThat(OURS.contain(Cursor.class)).isTrue();
    assertThat(OURS.contain(ArchitectureTest.class)).isFalse();
    roomsOf(OURS, ROOT);
  }

  @Test
  void roomsHaveNoCycles() {
    assertThat(OURS).isNotEmpty();
    noCycles(OURS, ROOT);
  }

  @Test
  void noDatabaseAndNoFrameworkIsNamed() {
    assertThat(OURS).isNotEmpty();
    reactorOnly(OURS);
  }

  @Test
  void noClassLivesOutsideTheRooms() {
    assertThat(OURS)
        .allSatisfy(
            type ->
                assertThat(ROOMS.keySet())
                    .anyMatch(
                        room -> (type.getPackageName() + ".").startsWith(ROOT + "." + room + ".")));
  }

  @Test
  void aPlantedCycleIsFound() {
    assertThat(ALL_PLANTED).isNotEmpty();
    assertThatThrownBy(() -> noCycles(ALL_PLANTED, PLANTED))
        .isInstanceOf(AssertionError.class)
        .hasMessageContaining("Cycle detected: Slice concurrency")
        .hasMessageContaining("Slice cursor");
  }

  @Test
  void aPlantedImportAgainstTheDirectionIsFound() {
    JavaClasses cursor = new ClassFileImporter().importPackages(PLANTED + ".cursor");
    assertThatThrownBy(() -> roomsOf(cursor, PLANTED))
        .isInstanceOf(AssertionError.class)
        .hasMessageContaining("PlantedCursor");
    JavaClasses pace = new ClassFileImporter().importPackages(PLANTED + ".pace");
    assertThatThrownBy(() -> roomsOf(pace, PLANTED))
        .isInstanceOf(AssertionError.class)
        .hasMessageContaining("PlantedPace");
    JavaClasses allowed = new ClassFileImporter().importPackages(PLANTED + ".backfill");
    assertThat(allowed).isNotEmpty();
    assertThatCode(() -> roomsOf(allowed, PLANTED)).doesNotThrowAnyException();
  }

  @Test
  void aPlantedDatabaseIsFound() {
    JavaClasses run = new ClassFileImporter().importPackages(PLANTED + ".run");
    assertThatThrownBy(() -> reactorOnly(run))
        .isInstanceOf(AssertionError.class)
        .hasMessageContaining("java.sql");
  }

  private static void roomsOf(JavaClasses classes, String root) {
    ROOMS.forEach(
        (room, mayImport) -> {
          String[] allowed =
              Stream.concat(Stream.of(room), mayImport.stream())
                  .map(name -> root + "." + name + "..")
                  .toArray(String[]::new);
          noClasses()
              .that()
              .resideInAPackage(root + "." + room + "..")
              .should()
              .dependOnClassesThat(
                  resideInAPackage(ROOT + "..").and(not(resideInAnyPackage(allowed))))
              .as(room + " imports of ours only " + Arrays.asList(allowed))
              .allowEmptyShould(true)
              .check(classes);
        });
  }

  private static void noCycles(JavaClasses classes, String root) {
    slices()
        .matching(root + ".(*)..")
        .should()
        .beFreeOfCycles()
        .allowEmptyShould(true)
        .check(classes);
  }

  private static void reactorOnly(JavaClasses classes) {
    noClasses()
        .should()
        .dependOnClassesThat()
        .resideInAnyPackage("io.r2dbc..", "java.sql..", "javax.sql..", "org.springframework..")
        .check(classes);
  }
}
