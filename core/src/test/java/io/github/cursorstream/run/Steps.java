package io.github.cursorstream.run;

import java.time.Duration;
import java.util.List;
import java.util.Objects;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import reactor.core.publisher.Mono;

/** Work from 0 to {@code last} in steps of one, each of which counts one row. */
class Steps implements RunKind {

  private final String name;
  private final int last;

  Steps(String name, int last) {
    this.name = name;
    this.last = last;
  }

  final int last() {
    return last;
  }

  @Override
  public String name() {
    return name;
  }

  @Override
  public Mono<Range> bounds(Run run) {
    return Mono.just(new Range("0", "" + last));
  }

  @Override
  public Mono<List<String>> ends(Run run, int count) {
    int tail = Integer.parseInt(Objects.requireNonNull(run.tail()));
    Stream<String> ends =
        IntStream.rangeClosed(tail + 1, Math.min(last, tail + count)).mapToObj(String::valueOf);
    return Mono.just(ends.toList());
  }

  @Override
  public Mono<Lease> work(RunStore store, Lease lease, Duration time) {
    return store.complete(lease, 1, time);
  }

  @Override
  public Mono<String> middle(Lease lease) {
    return Mono.empty();
  }

  @Override
  public Mono<String> row(Lease lease) {
    return Mono.empty();
  }
}
