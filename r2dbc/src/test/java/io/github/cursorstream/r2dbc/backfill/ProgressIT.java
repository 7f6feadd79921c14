package io.github.cursorstream.r2dbc.backfill;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.cursorstream.cursor.Cursor;
import io.github.cursorstream.r2dbc.keyset.CleanDatabase;
import io.github.cursorstream.r2dbc.keyset.CursorBasedRepository;
import io.github.cursorstream.r2dbc.keyset.KeyColumn;
import io.github.cursorstream.r2dbc.keyset.Keyset;
import io.github.cursorstream.run.Progress;
import io.github.cursorstream.run.RunHandle;
import io.github.cursorstream.run.RunState;
import io.github.cursorstream.run.Verb;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import reactor.core.publisher.Mono;

/** The share that is done, by what PostgreSQL knows of a table. */
@Timeout(60)
class ProgressIT extends Nodes {

  private static final int ROWS = 4_000;
  private static final int BATCH = 100;

  @RegisterExtension static final CleanDatabase clean = new CleanDatabase();

  ProgressIT() {
    super(clean);
  }

  /** Tables of rows that are n from 1 on, of all of which a quarter is done. */
  enum Table {
    BIGINT("id bigint PRIMARY KEY", "n"),
    DESCENDING("id bigint PRIMARY KEY", "n") {
      @Override
      Keyset keyset() {
        return Keyset.table("t").orderBy(KeyColumn.desc("id"));
      }
    },
    /** Most keys are in the last tenth of their range. */
    SKEWED("id bigint PRIMARY KEY", "CASE WHEN n < 400 THEN n * 1000000 ELSE 400000000 + n END"),
    COMPOSITE("tenant int, id bigint, PRIMARY KEY (tenant, id)", "n / 40, n"),
    UUID("id uuid PRIMARY KEY", "md5(n::text)::uuid"),
    TEXT("id text PRIMARY KEY", "md5(n::text)"),
    TIMESTAMP("id timestamptz PRIMARY KEY", "timestamptz '2024-01-01Z' + n * interval '1 hour'"),
    PARTITIONED(
        "id bigint PRIMARY KEY) PARTITION BY RANGE (id",
        "n",
        "; CREATE TABLE t_1 PARTITION OF t FOR VALUES FROM (MINVALUE) TO (1500)"
            + "; CREATE TABLE t_2 PARTITION OF t FOR VALUES FROM (1500) TO (MAXVALUE)");

    private final String columns;
    private final String keys;
    private final String partitions;

    Table(String columns, String keys) {
      this(columns, keys, "");
    }

    Table(String columns, String keys, String partitions) {
      this.columns = columns;
      this.keys = keys;
      this.partitions = partitions;
    }

    void create(ProgressIT test) {
      test.execute(
          "DROP TABLE IF EXISTS t",
          "CREATE TABLE t (" + columns + ")" + partitions,
          "INSERT INTO t SELECT %s FROM generate_series(1, %d) AS n".formatted(keys, ROWS));
    }

    Keyset keyset() {
      return Keyset.table("t");
    }
  }

  /** Ten batches are done, of forty, and the next one is not finished. */
  private RunHandle tenOfForty(Keyset keyset) {
    AtomicInteger begun = new AtomicInteger();
    RunHandle run =
        start(
            Backfill.over("backfill", CursorBasedRepository.create(pool, keyset, row -> 1))
                .batchSize(BATCH)
                .process(
                    batch -> begun.incrementAndGet() > 10 ? Mono.never() : batch.rows().then()));
    awaitBatches(run, 10);
    return run;
  }

  private static Progress progress(RunHandle run) {
    return run.progress().next().block(SOON);
  }

  // M7
  @ParameterizedTest
  @EnumSource
  void aQuarterIsDone(Table table) {
    table.create(this);
    execute("ANALYZE t");

    assertThat(progress(tenOfForty(table.keyset())).share()).isBetween(0.22, 0.28);
  }

  // M7
  @ParameterizedTest
  @EnumSource(names = {"BIGINT", "PARTITIONED"})
  void ofATableThatWasNeverAnalyzedTheShareIsUnknown(Table table) {
    table.create(this);

    Progress progress = progress(tenOfForty(table.keyset()));

    assertThat(progress.share()).isNull();
    assertThat(progress.rows()).isEqualTo(10 * BATCH);
    assertThat(progress.batches()).isEqualTo(10);
  }

  @Test
  void theEndIsTheWholeWhateverIsKnownOfTheTable() {
    Table.BIGINT.create(this);
    RunHandle run =
        start(over("t").batchSize(BATCH).execute(range -> "DELETE FROM t WHERE " + range));

    List<Progress> told = run.progress(Duration.ofMillis(5)).collectList().block(SOON);

    Progress last = told.get(told.size() - 1);
    assertThat(last.state()).isEqualTo(RunState.SUCCEEDED);
    assertThat(last.share()).isEqualTo(1);
    assertThat(last.rows()).isEqualTo(ROWS);
    assertThat(told.subList(0, told.size() - 1))
        .allMatch(progress -> progress.share() == null || progress.share() < 1);
  }

  @Test
  void thePartThatIsDoneIsOfTheBackfillNotOfTheTable() {
    table("t", ROWS);
    RunHandle run =
        start(
            over("t")
                .after(Cursor.of("id", 2_000L))
                .upTo(Cursor.of("id", 3_000L))
                .batchSize(BATCH)
                .process(
                    batch -> batch.rows().filter(id -> id == 2_600).concatMap(id -> Mono.never())));
    awaitBatches(run, 5);

    assertThat(progress(run).share()).isBetween(0.45, 0.55);
  }

  @Test
  void progressDoesNotFallWhileTheTableChangesAndIsAnalyzed() {
    table("t", 0);
    execute("INSERT INTO t (id) SELECT 1000 * n FROM generate_series(1, 4000) n", "ANALYZE t");
    RunHandle run =
        start(
            over("t")
                .batchSize(20)
                .consumers(2)
                .pauseBetween(Duration.ofMillis(5))
                .execute(increment("t")));
    Mono<List<Progress>> watched = run.progress(Duration.ofMillis(10)).collectList().cache();
    watched.subscribe();
    for (int i = 1; i <= 5; i++) {
      awaitBatches(run, 20L * i);
      // Ahead, so that what is done becomes a smaller part.
      execute(
          "INSERT INTO t (id) SELECT 3900000 + 500 * %d + n FROM generate_series(1, 499) n"
              .formatted(i),
          "ANALYZE t");
    }
    List<Progress> told = watched.block(SOON);

    assertThat(told).hasSizeGreaterThan(20);
    assertThat(told).extracting(Progress::share).doesNotContainNull().isSorted();
  }

  @Test
  void aNodeWithoutTheCodeKnowsRowsButNoShare() {
    Table.BIGINT.create(this);
    execute("ANALYZE t");
    RunHandle run = tenOfForty(Table.BIGINT.keyset());

    Progress progress = progress(runner().handle(run.id()));

    assertThat(progress.share()).isNull();
    assertThat(progress.rows()).isEqualTo(10 * BATCH);
    run.say(Verb.FORCE_CANCEL, null).block(SOON);
    assertThat(progress(run).state()).isEqualTo(RunState.CANCELLED);
  }
}
