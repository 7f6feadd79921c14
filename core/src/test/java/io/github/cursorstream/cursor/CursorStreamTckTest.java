package io.github.cursorstream.cursor;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.github.cursorstream.TckTests;
import java.io.IOException;
import java.util.List;
import java.util.function.Function;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.reactivestreams.Publisher;
import org.reactivestreams.tck.PublisherVerification;
import org.reactivestreams.tck.TestEnvironment;
import reactor.core.publisher.Flux;
import reactor.core.publisher.Mono;
import reactor.core.scheduler.Schedulers;

class CursorStreamTckTest {

  private static final int PAGE = 3;

  @TestFactory
  Stream<DynamicTest> items() {
    return TckTests.of(new Verification<>(1, stream -> stream.items()));
  }

  @TestFactory
  Stream<DynamicTest> itemsWithPrefetch() {
    return TckTests.of(new Verification<>(1, stream -> stream.prefetch(2).items()));
  }

  @TestFactory
  Stream<DynamicTest> itemsFromAnotherThread() {
    return TckTests.of(
        new Verification<>(
            1, stream -> stream.prefetch(1).items().subscribeOn(Schedulers.single())));
  }

  @TestFactory
  Stream<DynamicTest> pages() {
    return TckTests.of(new Verification<>(PAGE, stream -> stream.pages()));
  }

  @Test
  void aPublisherThatBreaksARuleIsCaught() {
    Verification<Integer> tooMany =
        new Verification<>(1, stream -> stream.items().concatWithValues(0));
    assertThat(failures(TckTests.of(tooMany)))
        .contains("required_createPublisher3MustProduceAStreamOfExactly3Elements");
  }

  @Test
  void aTestThatSkipsItselfMustBeNamed() {
    Verification<Integer> noFailure =
        new Verification<>(1, stream -> stream.items()) {
          @Override
          public Publisher<Integer> createFailedPublisher() {
            return null;
          }
        };
    String[] names = {
      "optional_spec104_mustSignalOnErrorWhenFails",
      "required_spec109_mayRejectCallsToSubscribeIfPublisherIsUnableOrUnwillingToServeThem"
          + "RejectionMustTriggerOnErrorAfterOnSubscribe"
    };
    assertThat(failures(TckTests.of(noFailure))).containsExactly(names);
    assertThat(TckTests.of(noFailure, names).map(DynamicTest::getDisplayName))
        .isNotEmpty()
        .doesNotContain(names);
    assertThatThrownBy(() -> TckTests.of(noFailure, "required_spec000"))
        .hasMessageContaining("required_spec000");
  }

  private static List<String> failures(Stream<DynamicTest> tests) {
    return tests
        .filter(
            test -> {
              try {
                test.getExecutable().execute();
                return false;
              } catch (Throwable e) {
                return true;
              }
            })
        .map(DynamicTest::getDisplayName)
        .toList();
  }

  private static class Verification<T> extends PublisherVerification<T> {

    private final int itemsPerElement;
    private final Function<CursorStream<Integer>, Flux<T>> what;

    Verification(int itemsPerElement, Function<CursorStream<Integer>, Flux<T>> what) {
      super(new TestEnvironment(200, 50));
      this.itemsPerElement = itemsPerElement;
      this.what = what;
    }

    @Override
    public Publisher<T> createPublisher(long elements) {
      int rows =
          (int)
              Math.min(Math.min(elements, Integer.MAX_VALUE) * itemsPerElement, Integer.MAX_VALUE);
      return what.apply(CursorStream.of(new Numbers(rows)).pageSize(PAGE));
    }

    /** Fails without demand: publishOn asks for items before anybody asks it. */
    @Override
    public Publisher<T> createFailedPublisher() {
      return what.apply(CursorStream.<Integer>of(r -> Mono.error(new IOException("planned"))))
          .publishOn(Schedulers.immediate());
    }
  }
}
