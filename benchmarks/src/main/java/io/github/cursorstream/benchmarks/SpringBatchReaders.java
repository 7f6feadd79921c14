package io.github.cursorstream.benchmarks;

import java.util.Map;
import javax.sql.DataSource;
import org.springframework.batch.infrastructure.item.ExecutionContext;
import org.springframework.batch.infrastructure.item.ItemStreamReader;
import org.springframework.batch.infrastructure.item.database.JdbcPagingItemReader;
import org.springframework.batch.infrastructure.item.database.Order;
import org.springframework.batch.infrastructure.item.database.builder.JdbcCursorItemReaderBuilder;
import org.springframework.batch.infrastructure.item.database.builder.JdbcPagingItemReaderBuilder;

/** Spring Batch's readers of tables, without the rest of it. */
final class SpringBatchReaders {

  private static final int PAGE = 1000;

  /** Makes a reader, new for each pass. */
  private interface Reader {
    ItemStreamReader<Item> over(DataSource source) throws Exception;
  }

  private SpringBatchReaders() {}

  static Contender paging(String name, Dataset data) {
    return contender(name, data, source -> paging(source, data));
  }

  static JdbcPagingItemReader<Item> paging(DataSource source, Dataset data) throws Exception {
    return new JdbcPagingItemReaderBuilder<Item>()
        .name("items")
        .dataSource(source)
        .selectClause("SELECT " + data.shape().columns())
        .fromClause("FROM " + data.table())
        .sortKeys(Map.of("id", Order.ASCENDING))
        .pageSize(PAGE)
        .rowMapper((row, number) -> data.shape().map(row))
        .build();
  }

  static Contender cursor(String name, Dataset data) {
    return contender(
        name,
        data,
        source ->
            new JdbcCursorItemReaderBuilder<Item>()
                .name("items")
                .dataSource(source)
                .sql(data.select())
                .connectionAutoCommit(false)
                .fetchSize(PAGE)
                .rowMapper((row, number) -> data.shape().map(row))
                .build());
  }

  private static Contender contender(String name, Dataset data, Reader reader) {
    return new Contender(
        name,
        data.total(),
        target -> {
          DataSource source = target.jdbc("");
          return () -> {
            ItemStreamReader<Item> items = reader.over(source);
            Total.Tally tally = new Total.Tally();
            items.open(new ExecutionContext());
            Item item;
            while ((item = items.read()) != null) {
              tally.add(item);
            }
            items.close();
            return tally.total();
          };
        });
  }
}
