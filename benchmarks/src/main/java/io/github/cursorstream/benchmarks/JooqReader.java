package io.github.cursorstream.benchmarks;

import io.r2dbc.spi.ConnectionFactory;
import java.math.BigDecimal;
import java.time.OffsetDateTime;
import java.util.List;
import java.util.UUID;
import org.jooq.DSLContext;
import org.jooq.Field;
import org.jooq.Record;
import org.jooq.SQLDialect;
import org.jooq.impl.DSL;
import org.jooq.impl.SQLDataType;
import reactor.core.publisher.Flux;
import reactor.core.publisher.Mono;

/** jOOQ's {@code seek} over R2DBC, page after page. */
final class JooqReader {

  private static final int PAGE = 1000;

  private static final Field<Long> ID = DSL.field(DSL.name("id"), SQLDataType.BIGINT);
  private static final Field<?>[] FIELDS = {
    ID,
    DSL.field(DSL.name("quantity"), SQLDataType.INTEGER),
    DSL.field(DSL.name("name"), SQLDataType.CLOB),
    DSL.field(DSL.name("note"), SQLDataType.CLOB),
    DSL.field(DSL.name("updated_at"), SQLDataType.TIMESTAMPWITHTIMEZONE),
    DSL.field(DSL.name("price"), SQLDataType.NUMERIC(12, 2)),
    DSL.field(DSL.name("sold"), SQLDataType.BOOLEAN),
    DSL.field(DSL.name("reference"), SQLDataType.UUID)
  };

  private JooqReader() {}

  static Contender seek(String name, Dataset data) {
    return new Contender(
        name,
        data.total(),
        target -> {
          // It reads timestamps as text, which the driver does not have in binary transfer.
          ConnectionFactory pool = target.pool(2, false);
          DSLContext jooq = DSL.using(pool, SQLDialect.POSTGRES);
          Flux<Item> items =
              page(jooq, data, Long.MIN_VALUE)
                  .expand(
                      page ->
                          page.size() < PAGE
                              ? Mono.empty()
                              : page(jooq, data, page.get(page.size() - 1).id()))
                  .concatMapIterable(page -> page);
          return () -> Total.of(items);
        });
  }

  private static Mono<List<Item>> page(DSLContext jooq, Dataset data, long after) {
    return Flux.from(
            jooq.select(FIELDS)
                .from(DSL.table(DSL.name(data.table())))
                .orderBy(ID)
                .seek(after)
                .limit(DSL.inline(PAGE)))
        .map(JooqReader::item)
        .collectList();
  }

  private static Item item(Record row) {
    return new Item(
        row.get(0, Long.class),
        row.get(1, Integer.class),
        row.get(2, String.class),
        row.get(3, String.class),
        row.get(4, OffsetDateTime.class).toInstant(),
        row.get(5, BigDecimal.class),
        row.get(6, Boolean.class),
        row.get(7, UUID.class));
  }
}
