package io.github.cursorstream.cursor;

import static io.github.cursorstream.cursor.Numbers.at;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.ArrayList;
import java.util.List;
import java.util.NavigableMap;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;
import org.reactivestreams.Publisher;
import reactor.core.publisher.Mono;
import reactor.test.StepVerifier;

class CursorStreamTest {

  // tag::list[]
  /** Users by e-mail, the way any sorted source is read. */
  static final class Users implements PageSource<String> {

    private final NavigableMap<String, String> byEmail = new TreeMap<>();
    private final CursorCodec codec = CursorCodec.forOrder("users: email asc");

    @Override
    public Publisher<Page<String>> fetch(PageRequest request) {
      return Mono.fromCallable(
          () -> {
            Cursor after = request.after();
            NavigableMap<String, String> rest =
                after == null
                    ? byEmail
                    : byEmail.tailMap(codec.accept(after).value("email"), false);
            List<String> emails = rest.keySet().stream().limit(request.size()).toList();
            List<String> names = emails.stream().map(rest::get).toList();
            if (emails.isEmpty()) {
              return Page.last(names, null);
            }
            Cursor end = codec.issue(Cursor.of("email", emails.get(emails.size() - 1)));
            return emails.size() < request.size() ? Page.last(names, end) : Page.of(names, end);
          });
    }
  }

  // end::list[]

  private static Users users() {
    Users users = new Users();
    for (int i = 1; i <= 5; i++) {
      users.byEmail.put(i + "@test.com", "user " + i);
    }
    return users;
  }

  @Test
  void aListIsReadPageByPage() {
    StepVerifier.create(CursorStream.of(users()).pageSize(2).items().map(String::toUpperCase))
        .expectNext("USER 1", "USER 2", "USER 3", "USER 4", "USER 5")
        .verifyComplete();
  }

  @Test // S6, S15
  void oneHttpPageAndThenTheNextByItsToken() {
    Page<String> first = CursorStream.of(users()).pageSize(2).page().block();
    assertThat(first.items()).containsExactly("user 1", "user 2");
    String token = first.cursor().token();
    Page<String> second =
        CursorStream.of(users()).pageSize(20).after(Cursor.parse(token)).page().block();
    assertThat(second.items()).containsExactly("user 3", "user 4", "user 5");
    assertThat(second.last()).isTrue();
    StepVerifier.create(CursorStream.of(users()).after(Cursor.of("email", "1@test.com")).items())
        .expectNext("user 2", "user 3", "user 4", "user 5")
        .verifyComplete();
  }

  @Test // S31
  void anotherOrdersTokenIsAnErrorOfTheStream() {
    String other = CursorCodec.forOrder("users: email desc").issue(Cursor.of("email", "1")).token();
    StepVerifier.create(CursorStream.of(users()).after(Cursor.parse(other)).items())
        .verifyError(InvalidCursorException.class);
  }

  @Test
  void pagesCarryTheirPositions() {
    StepVerifier.create(CursorStream.of(new Numbers(3)).pageSize(2).pages())
        .expectNext(new Page<>(List.of(1, 2), null, at(2), false))
        .expectNext(new Page<>(List.of(3), null, at(3), true))
        .verifyComplete();
    StepVerifier.create(CursorStream.of(new Numbers(2)).pageSize(2).pages())
        .expectNext(new Page<>(List.of(1, 2), null, at(2), false))
        .verifyComplete();
    StepVerifier.create(CursorStream.of(new Numbers(0)).pages()).verifyComplete();
    StepVerifier.create(CursorStream.of(new Numbers(0)).page())
        .expectNext(new Page<>(List.of(), null, null, true))
        .verifyComplete();
  }

  @Test
  void theDefaultsAreAThousandFromTheBeginning() {
    List<PageRequest> requests = new ArrayList<>();
    Numbers numbers = new Numbers(3);
    StepVerifier.create(
            CursorStream.<Integer>of(
                    r -> {
                      requests.add(r);
                      return numbers.fetch(r);
                    })
                .items())
        .expectNextCount(3)
        .verifyComplete();
    assertThat(requests).containsExactly(new PageRequest(null, CursorStream.DEFAULT_PAGE_SIZE));
    assertThat(CursorStream.DEFAULT_PAGE_SIZE).isEqualTo(1000);
  }

  @Test // S30
  void wrongOptionsAreRefusedAtTheCall() {
    CursorStream<Integer> stream = CursorStream.of(new Numbers(1));
    assertThatThrownBy(() -> stream.pageSize(0))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("pageSize >= 1 required but it was 0");
    assertThatThrownBy(() -> stream.pageSize(-1))
        .hasMessage("pageSize >= 1 required but it was -1");
    assertThatThrownBy(() -> stream.prefetch(-1))
        .hasMessage("prefetch >= 0 required but it was -1");
    assertThatThrownBy(() -> stream.retry(null)).hasMessage("retry");
    assertThatThrownBy(() -> CursorStream.of(null)).hasMessage("source");
    assertThatThrownBy(() -> new PageRequest(null, 0))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("size >= 1 required but it was 0");
  }

  @Test
  void optionsDoNotChangeTheStreamTheyAreCalledOn() {
    CursorStream<Integer> stream = CursorStream.of(new Numbers(5)).pageSize(2);
    assertThat(stream.after(at(4)).pageSize(3).prefetch(2)).isNotSameAs(stream);
    StepVerifier.create(stream.pages().map(page -> page.items().size()))
        .expectNext(2, 2, 1)
        .verifyComplete();
    StepVerifier.create(stream.after(at(4)).after(null).items())
        .expectNextCount(5)
        .verifyComplete();
  }

  @Test
  void aPageKeepsWhatItWasGiven() {
    List<String> items = new ArrayList<>(List.of("a", "b"));
    Page<String> page = new Page<>(items, at(1), at(2), false);
    items.clear();
    assertThat(page.items()).containsExactly("a", "b");
    assertThatThrownBy(() -> page.items().add("c"))
        .isInstanceOf(UnsupportedOperationException.class);
    assertThat(page.map(String::length)).isEqualTo(new Page<>(List.of(1, 1), at(1), at(2), false));
    assertThatThrownBy(() -> page.map(item -> null)).isInstanceOf(NullPointerException.class);
  }

  @Test
  void aPageThatLeadsNowhereIsRefused() {
    assertThatThrownBy(() -> Page.of(List.of(), null))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("a cursor required");
    // A source that reads on from its pages only need not tell where the last one ended.
    assertThat(Page.last(List.of(1), null).cursor()).isNull();
    assertThat(Page.last(List.of(), null).last()).isTrue();
    assertThat(Page.last(List.of(), at(1)).cursor()).isEqualTo(at(1));
  }
}
