package io.github.cursorstream.benchmarks;

import io.github.cursorstream.r2dbc.keyset.CursorBasedRepository;
import io.github.cursorstream.r2dbc.keyset.Keyset;
import io.github.cursorstream.r2dbc.keyset.StreamOptions;
import java.util.Objects;
import java.util.function.UnaryOperator;
import reactor.core.publisher.Flux;

/** This library. */
final class OurReaders {

  private OurReaders() {}

  /** One ordered stream. */
  static Contender stream(String name, Dataset data, UnaryOperator<StreamOptions> options) {
    return stream(name, data, true, options);
  }

  static Contender stream(
      String name, Dataset data, boolean binary, UnaryOperator<StreamOptions> options) {
    return new Contender(
        name,
        data.total(),
        target -> {
          Flux<Item> items = items(target, data, 6, binary).cursorBasedStream(options);
          return () -> Total.of(items);
        });
  }

  /** Ranges that are read at the same time, each summed up where it is read. */
  static Contender ranges(String name, Dataset data, int count) {
    return new Contender(
        name,
        data.total(),
        target -> {
          CursorBasedRepository<Item> items = items(target, data, count, true);
          Flux<Total> totals =
              items
                  .ranges(count)
                  .flatMap(
                      range ->
                          items
                              .cursorBasedStream(o -> o.within(range))
                              .collect(Total.Tally::new, Total.Tally::add)
                              .map(Total.Tally::total),
                      count);
          return () -> Objects.requireNonNull(totals.reduce(Total.NONE, Total::plus).block());
        });
  }

  private static CursorBasedRepository<Item> items(
      Target target, Dataset data, int connections, boolean binary) {
    return CursorBasedRepository.create(
        target.pool(connections, binary),
        Keyset.table(data.table()).select(data.shape().columns().split(", ")),
        data.shape()::map);
  }
}
