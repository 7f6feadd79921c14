package io.github.cursorstream.r2dbc.internal;

import io.r2dbc.spi.Connection;
import io.r2dbc.spi.Row;
import io.r2dbc.spi.Statement;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import reactor.core.publisher.Flux;
import reactor.core.publisher.Mono;

/** What PostgreSQL's catalog knows of a table or a query. Not API. */
public final class Catalog {

  private Catalog() {}

  /**
   * A type, with its domains taken off.
   *
   * @param name the catalog's short name, such as int8
   * @param builtIn whether it lives in pg_catalog
   * @param sql how to write it in a cast: qualified, quoted, without a length
   * @param scalar whether it is no array, range, composite or pseudo-type
   * @param comparable whether {@code <} means its own operator: an extension's is found by the
   *     search path only, and without it that of a type it can be cast to is taken
   */
  public record Type(
      String name, boolean builtIn, String sql, boolean scalar, boolean comparable) {}

  /**
   * A column.
   *
   * @param name its name
   * @param notNull whether it is proven to hold no NULL
   * @param type its type
   */
  public record Column(String name, boolean notNull, Type type) {}

  /**
   * A column of an index's key.
   *
   * @param name the column; empty for an expression, an unusual operator class or collation
   * @param descending its direction
   * @param nullsFirst where its NULLs come
   */
  public record IndexColumn(String name, boolean descending, boolean nullsFirst) {}

  /**
   * An index.
   *
   * @param primary whether it is the primary key's
   * @param unique whether it is unique, valid, immediate and not partial
   * @param nullsNotDistinct whether it admits a NULL only once
   * @param ordered whether rows can be read in its order: a valid, non-partial btree
   * @param columns its key
   */
  public record Index(
      boolean primary,
      boolean unique,
      boolean nullsNotDistinct,
      boolean ordered,
      List<IndexColumn> columns) {}

  /**
   * A table.
   *
   * @param schema where it lives
   * @param name its name
   * @param kind pg_class.relkind
   * @param inherited whether it is a parent of tables that are not its partitions: their rows are
   *     read with it, and its indexes do not cover them
   * @param columns in their order
   * @param indexes in no order
   */
  public record Table(
      String schema,
      String name,
      String kind,
      boolean inherited,
      List<Column> columns,
      List<Index> indexes) {}

  private static final String TYPE_FACTS =
      "t.typname::text, (n.nspname = 'pg_catalog')::text,"
          + " CASE n.nspname WHEN 'pg_catalog' THEN format_type(t.oid, -1)"
          + " ELSE quote_ident(n.nspname) || '.' || quote_ident(t.typname) END,"
          + " (t.typtype IN ('b', 'e') AND t.typcategory <> 'A')::text,"
          + " (n.nspname = 'pg_catalog' OR t.typtype <> 'b' OR to_regoperator('<('"
          + " || format('%1$I.%2$I,%1$I.%2$I', n.nspname, t.typname) || ')') IS NOT NULL)::text";

  /** Takes the domains off a type; what is selected from it sees t and n. */
  private static String baseType(String oid) {
    return """
        CROSS JOIN LATERAL (WITH RECURSIVE base AS (
            SELECT oid, typtype, typbasetype FROM pg_catalog.pg_type WHERE oid = %s
            UNION ALL
            SELECT d.oid, d.typtype, d.typbasetype
            FROM base JOIN pg_catalog.pg_type d ON d.oid = base.typbasetype
            WHERE base.typtype = 'd')
          SELECT oid FROM base WHERE typtype <> 'd') AS base
        JOIN pg_catalog.pg_type t ON t.oid = base.oid
        JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
        """
        .formatted(oid);
  }

  // PostgreSQL 18 has NOT NULL constraints that are not validated, and sets attnotnull for them;
  // indnullsnotdistinct came with 15.
  private static final String TABLE =
      """
      WITH rel AS (
        SELECT c.oid, c.relname, c.relkind, s.nspname
        FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace s ON s.oid = c.relnamespace
        WHERE c.oid = to_regclass($1))
      SELECT 'table' AS kind, 0 AS position, relname::text AS name,
        ARRAY[nspname::text, relkind::text, (relkind <> 'p' AND EXISTS (
          SELECT FROM pg_catalog.pg_inherits h WHERE h.inhparent = rel.oid))::text] AS facts,
        NULL::text[] AS names, NULL::text[] AS options
      FROM rel
      UNION ALL
      SELECT 'column', a.attnum, a.attname::text,
        ARRAY[(a.attnotnull AND NOT EXISTS (
            SELECT FROM pg_catalog.pg_constraint k WHERE k.conrelid = a.attrelid
            AND k.contype = 'n' AND k.conkey = ARRAY[a.attnum] AND NOT k.convalidated))::text,
          %s],
        NULL, NULL
      FROM rel JOIN pg_catalog.pg_attribute a
        ON a.attrelid = rel.oid AND a.attnum > 0 AND NOT a.attisdropped
      %s
      UNION ALL
      SELECT 'index', 0, i.indexrelid::regclass::text,
        ARRAY[i.indisprimary::text,
          (i.indisunique AND i.indisvalid AND i.indimmediate AND i.indpred IS NULL)::text,
          coalesce(to_jsonb(i) ->> 'indnullsnotdistinct', 'false'),
          (m.amname = 'btree' AND i.indisvalid AND i.indpred IS NULL)::text],
        k.names, k.options
      FROM rel JOIN pg_catalog.pg_index i ON i.indrelid = rel.oid AND i.indislive
        JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid
        JOIN pg_catalog.pg_am m ON m.oid = x.relam
        CROSS JOIN LATERAL (
          SELECT array_agg(CASE WHEN o.opcdefault AND i.indcollation[p] = a.attcollation
              THEN a.attname::text ELSE '' END ORDER BY p) AS names,
            array_agg(i.indoption[p]::text ORDER BY p) AS options
          FROM generate_series(0, i.indnkeyatts - 1) AS p
            JOIN pg_catalog.pg_opclass o ON o.oid = i.indclass[p]
            LEFT JOIN pg_catalog.pg_attribute a
              ON a.attrelid = i.indrelid AND a.attnum = i.indkey[p]) AS k
      ORDER BY kind, position
      """
          .formatted(TYPE_FACTS, baseType("a.atttypid"));

  /**
   * Reads a table's columns and indexes, in one query.
   *
   * @param connection where to ask
   * @param name the parts of its name; without a schema the search path decides
   * @return the table, or nothing if there is none
   */
  public static Mono<Table> table(Connection connection, List<String> name) {
    return rows(connection.createStatement(TABLE).bind("$1", Identifiers.quote(name)))
        .collectList()
        .flatMap(rows -> Mono.justOrEmpty(toTable(rows)));
  }

  private static @Nullable Table toTable(List<Fact> rows) {
    Fact table = null;
    List<Column> columns = new ArrayList<>();
    List<Index> indexes = new ArrayList<>();
    for (Fact row : rows) {
      switch (row.kind) {
        case "table" -> table = row;
        case "column" -> columns.add(row.column());
        default -> indexes.add(row.index());
      }
    }
    return table == null
        ? null
        : new Table(table.facts[0], table.name, table.facts[1], table.flag(2), columns, indexes);
  }

  /**
   * Reads the types of some columns of a query, without running it.
   *
   * @param connection where to ask
   * @param sql the query, with {@code $1…} for its values
   * @param binds its values
   * @param columns names of columns of its result
   * @return these columns, in this order, none of them proven to be NOT NULL
   */
  public static Mono<List<Column>> query(
      Connection connection, String sql, List<Object> binds, List<String> columns) {
    String types =
        columns.stream()
            .map(column -> "pg_typeof(q." + Identifiers.quote(column) + ")")
            .collect(Collectors.joining(", "));
    String asked =
        "SELECT 'column' AS kind, c.position::int4 AS position, '' AS name, ARRAY['false', "
            + TYPE_FACTS
            + "] AS facts, NULL::text[] AS names, NULL::text[] AS options\n"
            + "FROM (SELECT) AS one LEFT JOIN (\n"
            + sql
            + ") AS q ON false\nCROSS JOIN LATERAL unnest(ARRAY["
            + types
            + "]) WITH ORDINALITY AS c(type, position)\n"
            + baseType("c.type")
            // A value of its own, as a query may have none: see the page query.
            + "WHERE $"
            + (binds.size() + 1)
            + " ORDER BY position";
    Statement statement = connection.createStatement(asked).bind(binds.size(), true);
    for (int i = 0; i < binds.size(); i++) {
      statement.bind(i, binds.get(i));
    }
    return rows(statement)
        .map(fact -> fact.column())
        .index((i, column) -> new Column(columns.get(i.intValue()), false, column.type()))
        .collectList();
  }

  private static Flux<Fact> rows(Statement statement) {
    return Flux.from(statement.execute())
        .concatMap(result -> result.map((row, metadata) -> new Fact(row)));
  }

  /** One row of the catalog queries. */
  private static final class Fact {
    private final String kind;
    private final String name;
    private final String[] facts;
    private final String[] names;
    private final String[] options;

    Fact(Row row) {
      kind = Objects.requireNonNull(row.get("kind", String.class));
      name = Objects.requireNonNull(row.get("name", String.class));
      facts = Objects.requireNonNull(row.get("facts", String[].class));
      names = orEmpty(row.get("names", String[].class));
      options = orEmpty(row.get("options", String[].class));
    }

    private static String[] orEmpty(String @Nullable [] array) {
      return array == null ? new String[0] : array;
    }

    boolean flag(int index) {
      return "true".equals(facts[index]);
    }

    Column column() {
      return new Column(name, flag(0), new Type(facts[1], flag(2), facts[3], flag(4), flag(5)));
    }

    Index index() {
      List<IndexColumn> columns = new ArrayList<>();
      for (int i = 0; i < names.length; i++) {
        int option = Integer.parseInt(options[i]);
        columns.add(new IndexColumn(names[i], (option & 1) != 0, (option & 2) != 0));
      }
      return new Index(flag(0), flag(1), flag(2), flag(3), columns);
    }

    @Override
    public String toString() {
      return kind + " " + name + " " + Arrays.toString(facts);
    }
  }
}
