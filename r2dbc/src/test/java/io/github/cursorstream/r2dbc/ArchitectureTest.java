package io.github.cursorstream.r2dbc;

import static com.tngtech.archunit.library.dependencies.SlicesRuleDefinition.slices;
import static org.assertj.core.api.Assertions.assertThat;

import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.domain.JavaCodeUnit;
import com.tngtech.archunit.core.domain.JavaField;
import com.tngtech.archunit.core.domain.JavaMember;
import com.tngtech.archunit.core.domain.JavaModifier;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** The rooms of this module, and which of our packages each may import. */
class ArchitectureTest {

  private static final String OURS = "io.github.cursorstream";
  private static final String PLANTED = OURS + ".r2dbc.planted";

  /** Whose arrows never turn back. */
  private static final Map<String, Set<String>> IMPORTS =
      Map.of(
          "r2dbc.internal", Set.of(),
          "r2dbc.keyset", Set.of("cursor", "r2dbc.internal"),
          "r2dbc.store", Set.of("run", "r2dbc.internal"),
          "r2dbc.backfill",
              Set.of("cursor", "run", "backfill", "r2dbc.keyset", "r2dbc.store", "r2dbc.internal"),
          "r2dbc.schema", Set.of("run", "r2dbc.store", "r2dbc.internal"),
          "r2dbc.health", Set.of("pace", "r2dbc.internal"));

  private static final JavaClasses classes =
      new ClassFileImporter()
          .withImportOption(location -> !location.contains("/test-classes/"))
          .importPackages(OURS + ".r2dbc");

  private static final JavaClasses planted = new ClassFileImporter().importPackages(PLANTED);

  private static Stream<String> forbiddenImports(JavaClasses classes, String root) {
    return classes.stream()
        .flatMap(
            from ->
                from.getDirectDependenciesFromSelf().stream()
                    .map(dependency -> dependency.getTargetClass().getBaseComponentType())
                    .filter(to -> to.getPackageName().startsWith(root + "."))
                    .filter(to -> !isAllowed(room(from, root), room(to, root)))
                    .map(to -> from.getName() + " imports " + to.getName()))
        .distinct();
  }

  private static boolean isAllowed(String from, String to) {
    return from.equals(to) || IMPORTS.getOrDefault(from, Set.of()).contains(to);
  }

  private static String room(JavaClass type, String root) {
    return type.getPackageName().substring(root.length() + 1);
  }

  private static Stream<String> leaks(JavaClasses classes) {
    return classes.stream()
        .filter(type -> type.getModifiers().contains(JavaModifier.PUBLIC))
        .filter(type -> !type.getPackageName().endsWith(".internal"))
        .flatMap(type -> type.getMembers().stream())
        .filter(
            member ->
                member.getModifiers().contains(JavaModifier.PUBLIC)
                    || member.getModifiers().contains(JavaModifier.PROTECTED))
        .flatMap(
            member ->
                signature(member)
                    .filter(type -> type.getPackageName().endsWith(".internal"))
                    .map(type -> member.getFullName() + " shows " + type.getName()))
        .distinct();
  }

  private static Stream<JavaClass> signature(JavaMember member) {
    if (member instanceof JavaField field) {
      return field.getType().getAllInvolvedRawTypes().stream();
    }
    JavaCodeUnit unit = (JavaCodeUnit) member;
    return Stream.of(
            unit.getReturnType().getAllInvolvedRawTypes().stream(),
            unit.getParameterTypes().stream().flatMap(p -> p.getAllInvolvedRawTypes().stream()),
            unit.getExceptionTypes().stream())
        .flatMap(types -> types);
  }

  private static List<String> cycles(JavaClasses classes, String root) {
    return slices()
        .matching(root + ".(**)")
        .should()
        .beFreeOfCycles()
        .evaluate(classes)
        .getFailureReport()
        .getDetails();
  }

  @Test
  void classesOfEveryRoomAreImported() {
    assertThat(classes.size()).isGreaterThan(30);
    assertThat(classes.stream().map(type -> room(type, OURS)).distinct())
        .contains("r2dbc.keyset", "r2dbc.internal")
        .isSubsetOf(IMPORTS.keySet());
    assertThat(planted.size()).isEqualTo(2);
  }

  @Test
  void roomsImportOnlyWhatTheyMay() {
    assertThat(forbiddenImports(classes, OURS)).isEmpty();
    assertThat(forbiddenImports(planted, PLANTED))
        .as("planted")
        .contains(PLANTED + ".r2dbc.internal.Leaf imports " + PLANTED + ".r2dbc.keyset.Room");
  }

  @Test
  void thereIsNoCycle() {
    assertThat(cycles(classes, OURS)).isEmpty();
    assertThat(cycles(planted, PLANTED)).as("planted").isNotEmpty();
  }

  @Test
  void publicSignaturesDoNotShowInternalTypes() {
    assertThat(leaks(classes)).isEmpty();
    assertThat(leaks(planted)).as("planted").hasSize(2);
  }
}
