package io.github.cursorstream.benchmarks;

import org.springframework.data.r2dbc.convert.MappingR2dbcConverter;
import org.springframework.data.r2dbc.convert.R2dbcCustomConversions;
import org.springframework.data.r2dbc.core.R2dbcEntityTemplate;
import org.springframework.data.r2dbc.dialect.PostgresDialect;
import org.springframework.data.r2dbc.mapping.R2dbcMappingContext;
import org.springframework.data.r2dbc.repository.R2dbcRepository;
import org.springframework.data.r2dbc.repository.support.R2dbcRepositoryFactory;
import org.springframework.data.relational.core.mapping.DefaultNamingStrategy;
import org.springframework.r2dbc.core.DatabaseClient;

/** A Spring Data repository's {@code findAll()}. */
final class SpringDataReader {

  interface Items extends R2dbcRepository<Item, Long> {}

  private SpringDataReader() {}

  static Contender findAll(String name, Dataset data) {
    return new Contender(
        name,
        data.total(),
        target -> {
          Items items =
              new R2dbcRepositoryFactory(template(target, data)).getRepository(Items.class);
          return () -> Total.of(items.findAll());
        });
  }

  private static R2dbcEntityTemplate template(Target target, Dataset data) {
    R2dbcMappingContext context =
        new R2dbcMappingContext(
            new DefaultNamingStrategy() {
              @Override
              public String getTableName(Class<?> type) {
                return data.table();
              }
            });
    R2dbcCustomConversions conversions = R2dbcCustomConversions.of(PostgresDialect.INSTANCE);
    context.setSimpleTypeHolder(conversions.getSimpleTypeHolder());
    return new R2dbcEntityTemplate(
        DatabaseClient.builder()
            .connectionFactory(target.pool(2))
            .bindMarkers(PostgresDialect.INSTANCE.getBindMarkersFactory())
            .build(),
        PostgresDialect.INSTANCE,
        new MappingR2dbcConverter(context, conversions));
  }
}
