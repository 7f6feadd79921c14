package io.github.cursorstream;

import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.util.Arrays;
import java.util.Comparator;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.reactivestreams.tck.PublisherVerification;
import org.testng.SkipException;
import org.testng.annotations.Test;

/**
 * The Reactive Streams TCK as JUnit tests, so that none is reported as skipped.
 *
 * <p>The TCK's {@code untested_} methods check nothing and are left out. A test that the publisher
 * cannot take is left out only if the caller names it; one that skips itself otherwise fails.
 */
public final class TckTests {

  private TckTests() {}

  /**
   * One test for each rule.
   *
   * @param verification what to verify; {@code createFailedPublisher} must fail without demand
   * @param leftOut the names of the tests that do not apply; an unknown name is an error
   * @return the tests, by name
   */
  public static Stream<DynamicTest> of(PublisherVerification<?> verification, String... leftOut) {
    Set<String> unknown = new TreeSet<>(Arrays.asList(leftOut));
    Set<Method> tests =
        Arrays.stream(PublisherVerification.class.getMethods())
            .filter(method -> method.isAnnotationPresent(Test.class))
            .filter(method -> !method.getName().startsWith("untested_"))
            .collect(
                Collectors.toCollection(
                    () -> new TreeSet<>(Comparator.comparing(Method::getName))));
    tests.removeIf(method -> unknown.remove(method.getName()));
    if (tests.isEmpty() || !unknown.isEmpty()) {
      throw new IllegalArgumentException("names of TCK tests required but there was " + unknown);
    }
    return tests.stream()
        .map(method -> DynamicTest.dynamicTest(method.getName(), () -> run(verification, method)));
  }

  private static void run(PublisherVerification<?> verification, Method test) throws Throwable {
    verification.setUp();
    try {
      test.invoke(verification);
    } catch (InvocationTargetException e) {
      if (e.getCause() instanceof SkipException skip) {
        throw new AssertionError(test.getName() + " skipped itself: name it or cure it", skip);
      }
      throw e.getCause();
    }
  }
}
