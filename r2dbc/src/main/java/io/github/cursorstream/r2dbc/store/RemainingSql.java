package io.github.cursorstream.r2dbc.store;

import io.github.cursorstream.run.Range;
import io.github.cursorstream.run.Remaining;
import io.r2dbc.spi.Connection;
import java.util.List;
import reactor.core.publisher.Flux;
import reactor.core.publisher.Mono;

/** What is still to be done, read and moved while the run is locked. */
final class RemainingSql {

  static final String READ =
      """
      SELECT r.position, r.skip_after, r.skip_upto, r.skips_passed,
        ARRAY(SELECT after FROM cursorstream.waiting WHERE run = r.id ORDER BY id) AS waiting_after,
        ARRAY(SELECT upto FROM cursorstream.waiting WHERE run = r.id ORDER BY id) AS waiting_upto,
        ARRAY(SELECT after FROM cursorstream.dead_letter WHERE run = r.id ORDER BY id)
          AS letter_after,
        ARRAY(SELECT upto FROM cursorstream.dead_letter WHERE run = r.id ORDER BY id)
          AS letter_upto
      FROM cursorstream.run AS r WHERE r.id = $1""";

  private static final String DROP =
      """
      DELETE FROM cursorstream.%s AS w USING unnest($2::text[], $3::text[]) AS g (after, upto)
      WHERE w.run = $1 AND w.after IS NOT DISTINCT FROM g.after AND w.upto = g.upto""";

  private RemainingSql() {}

  static Mono<Remaining> read(Connection connection, long run) {
    return Statements.query(connection, READ, Rows::remaining, run).next();
  }

  static Mono<Void> move(Connection connection, long run, Remaining from, Remaining to) {
    return Flux.concat(
            drop(connection, run, "waiting", without(from.waiting(), to.waiting())),
            drop(connection, run, "dead_letter", without(from.putAside(), to.putAside())),
            add(connection, run, without(to.waiting(), from.waiting())),
            Statements.update(
                connection,
                """
                UPDATE cursorstream.run SET position = $2::text, tail = $2::text, ends = '{}',
                  skip_after = $3, skip_upto = $4, skips_passed = $5,
                  waiting = $6, dead_letters = $7
                WHERE id = $1""",
                run,
                Statements.text(to.position()),
                Statements.afters(to.skipped()),
                Statements.upTos(to.skipped()),
                to.passed(),
                to.waiting().size(),
                to.putAside().size()))
        .then();
  }

  private static Mono<Long> drop(
      Connection connection, long run, String table, List<Range> ranges) {
    return Statements.update(
        connection,
        DROP.formatted(table),
        run,
        Statements.afters(ranges),
        Statements.upTos(ranges));
  }

  private static Mono<Long> add(Connection connection, long run, List<Range> ranges) {
    return Statements.update(
        connection,
        """
        INSERT INTO cursorstream.waiting (run, after, upto, attempts)
        SELECT $1, g.after, g.upto, 0
        FROM unnest($2::text[], $3::text[]) WITH ORDINALITY AS g (after, upto, n) ORDER BY n""",
        run,
        Statements.afters(ranges),
        Statements.upTos(ranges));
  }

  private static List<Range> without(List<Range> some, List<Range> others) {
    return some.stream().filter(range -> !others.contains(range)).toList();
  }
}
