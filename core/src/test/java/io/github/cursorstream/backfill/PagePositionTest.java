package io.github.cursorstream.backfill;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.cursorstream.cursor.Cursor;
import io.github.cursorstream.cursor.Page;
import java.util.List;
import org.junit.jupiter.api.Test;

class PagePositionTest {

  private static final Cursor A = Cursor.of("a", "one.two").and("b", null);
  private static final Cursor Z = Cursor.prefix("z", "");

  @Test
  void textIsLossless() {
    for (PagePosition position :
        List.of(
            PagePosition.at(A),
            new PagePosition(null, 1, 1, 1, null),
            new PagePosition(null, 5, 3, 2, Z),
            new PagePosition(A, 5, 3, 2, null),
            new PagePosition(A, 1_000_000, 3, 2, Z))) {
      assertThat(PagePosition.parse(position.text())).isEqualTo(position);
    }
  }

  @Test
  void theEndOfAPageTellsWhetherItWasTheLast() {
    assertThat(PagePosition.endOf(Page.of(List.of(1, 2), Z), A, 5))
        .isEqualTo(new PagePosition(A, 5, 2, 2, Z));
    assertThat(PagePosition.endOf(Page.last(List.of(1, 2), Z), A, 5))
        .isEqualTo(new PagePosition(A, 5, 2, 2, null));
  }

  @Test
  void positionsAreOnOnePageWhateverTheirOffset() {
    PagePosition end = new PagePosition(A, 5, 3, 3, Z);
    assertThat(end.offset(1).isOnPageOf(end)).isTrue();
    assertThat(new PagePosition(A, 5, 2, 2, Z).isOnPageOf(end)).isFalse();
    assertThat(new PagePosition(A, 4, 3, 3, Z).isOnPageOf(end)).isFalse();
    assertThat(new PagePosition(A, 5, 3, 3, null).isOnPageOf(end)).isFalse();
    assertThat(new PagePosition(null, 5, 3, 3, Z).isOnPageOf(end)).isFalse();
  }
}
