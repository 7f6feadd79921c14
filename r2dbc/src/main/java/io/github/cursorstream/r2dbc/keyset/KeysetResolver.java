package io.github.cursorstream.r2dbc.keyset;

import io.github.cursorstream.cursor.CursorCodec;
import io.github.cursorstream.r2dbc.internal.Catalog;
import io.github.cursorstream.r2dbc.internal.Failures;
import io.github.cursorstream.r2dbc.internal.Identifiers;
import io.github.cursorstream.r2dbc.keyset.ResolvedKeyset.OrderColumn;
import io.r2dbc.spi.Connection;
import io.r2dbc.spi.R2dbcException;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import reactor.core.publisher.Mono;

/** Looks a {@link Keyset} up in the catalog: proves its order, or refuses it. */
final class KeysetResolver {

  private final Keyset keyset;
  // User's SQL with $1… for its names, and the values in that order.
  private final List<Object> binds = new ArrayList<>();
  private final @Nullable String query;
  private final @Nullable String filter;

  KeysetResolver(Keyset keyset) {
    this.keyset = keyset;
    Map<String, String> placeholders = new LinkedHashMap<>();
    this.query =
        keyset.query == null ? null : keyset.query.render(n -> placeholder(placeholders, n));
    // A query's values come first, so they are numbered alike when its types are asked for.
    this.filter =
        keyset.filter == null ? null : keyset.filter.render(n -> placeholder(placeholders, n));
  }

  private String placeholder(Map<String, String> placeholders, String name) {
    return placeholders.computeIfAbsent(
        name,
        n -> {
          Object value = keyset.binds.get(n);
          if (value == null) {
            throw new IllegalStateException(":" + n + " has no value");
          }
          binds.add(value);
          return "$" + binds.size();
        });
  }

  /** One catalog query on this connection. */
  Mono<ResolvedKeyset> resolve(Connection connection, @Nullable String schema) {
    if (query != null) {
      return query(connection, query);
    }
    List<String> name =
        schema == null ? keyset.table : List.of(schema, keyset.table.get(keyset.table.size() - 1));
    return Catalog.table(connection, name)
        .switchIfEmpty(Mono.error(() -> unknown(name)))
        .map(this::table);
  }

  private static InvalidKeysetException unknown(List<String> name) {
    String last = name.get(name.size() - 1);
    String lower = last.toLowerCase(Locale.ROOT);
    return new InvalidKeysetException(
        "a table required but "
            + Identifiers.quote(name)
            + " was not found"
            + (lower.equals(last) ? "" : "; names are taken as they are written, perhaps " + lower)
            + (name.size() > 1 ? "" : "; qualify it if its schema is not on the search path"));
  }

  // Queries.

  private Mono<ResolvedKeyset> query(Connection connection, String sql) {
    Set<String> asked = new LinkedHashSet<>(keyset.columns);
    keyset.order.forEach(column -> asked.add(column.name()));
    List<String> names = List.copyOf(asked);
    List<Object> values = binds.subList(0, keyset.query == null ? 0 : keyset.query.names().size());
    return Catalog.query(connection, sql, values, names)
        .onErrorMap(R2dbcException.class, e -> explained(e, names))
        .map(
            columns ->
                resolved(
                    "query",
                    "(\n" + sql + "\n) AS q",
                    "q",
                    null,
                    keyset.columns,
                    order(keyset.order, columns),
                    false,
                    null));
  }

  private static Throwable explained(R2dbcException e, List<String> names) {
    String state = Failures.sqlState(e);
    return "42703".equals(state) || "42702".equals(state)
        ? new InvalidKeysetException(
            "columns of the query's result, each once, required in orderBy and select but they were "
                + names
                + ": "
                + e.getMessage())
        : e;
  }

  // Tables.

  private ResolvedKeyset table(Catalog.Table table) {
    String name = Identifiers.quote(List.of(table.schema(), table.name()));
    if (!Set.of("r", "p", "m").contains(table.kind())) {
      throw new InvalidKeysetException(
          "a table or materialized view required but "
              + name
              + " is neither; read it with Keyset.query(\"SELECT * FROM "
              + name
              + "\").orderBy(…)");
    }
    if (table.inherited()) {
      throw new InvalidKeysetException(
          "a unique order required but other tables inherit from "
              + name
              + ", whose rows its keys do not cover; read it with Keyset.query(\"SELECT * FROM ONLY "
              + name
              + "\").orderBy(…)");
    }
    List<String> all = table.columns().stream().map(Catalog.Column::name).toList();
    known(keyset.columns, all, "selected column", name);
    known(keyset.order.stream().map(KeyColumn::name).toList(), all, "column of the order", name);
    List<OrderColumn> order = order(provenOrder(table, name), table.columns());
    String create = covered(table, order) ? null : createIndex(name, order);
    String alias = Identifiers.quote(table.name());
    return resolved(
        table.name(),
        name,
        alias,
        name,
        keyset.columns.isEmpty() ? all : keyset.columns,
        order,
        true,
        create);
  }

  private static void known(List<String> names, List<String> all, String what, String table) {
    for (String name : names) {
      if (!all.contains(name)) {
        throw new InvalidKeysetException(
            "a column of "
                + table
                + " required as "
                + what
                + " but it was \""
                + name
                + "\"; it has "
                + all);
      }
    }
  }

  private List<KeyColumn> provenOrder(Catalog.Table table, String name) {
    List<Catalog.Index> proofs = table.indexes().stream().filter(i -> proves(i, table)).toList();
    List<String> primary =
        proofs.stream()
            .filter(Catalog.Index::primary)
            .findFirst()
            .map(KeysetResolver::names)
            .orElse(List.of());
    if (keyset.order.isEmpty()) {
      if (primary.isEmpty()) {
        throw notUnique(table, name, proofs);
      }
      return primary.stream().map(KeyColumn::asc).toList();
    }
    Set<String> ordered = keyset.order.stream().map(KeyColumn::name).collect(Collectors.toSet());
    if (proofs.stream().anyMatch(proof -> ordered.containsAll(names(proof)))) {
      return keyset.order;
    }
    if (primary.isEmpty()) {
      throw notUnique(table, name, proofs);
    }
    // In the direction of the last column, so that an index over the order can be read both ways.
    boolean down = keyset.order.get(keyset.order.size() - 1).descending();
    return Stream.concat(
            keyset.order.stream(),
            primary.stream()
                .filter(column -> !ordered.contains(column))
                .map(column -> down ? KeyColumn.desc(column) : KeyColumn.asc(column)))
        .toList();
  }

  private static List<String> names(Catalog.Index index) {
    return index.columns().stream().map(Catalog.IndexColumn::name).toList();
  }

  private static boolean proves(Catalog.Index index, Catalog.Table table) {
    Set<String> notNull =
        table.columns().stream()
            .filter(Catalog.Column::notNull)
            .map(Catalog.Column::name)
            .collect(Collectors.toSet());
    List<String> names = names(index);
    return index.unique()
        && !names.contains("")
        && (index.nullsNotDistinct() || notNull.containsAll(names));
  }

  private InvalidKeysetException notUnique(
      Catalog.Table table, String name, List<Catalog.Index> proofs) {
    String cure =
        proofs.isEmpty()
            ? "give it one: ALTER TABLE "
                + name
                + " ADD PRIMARY KEY (…), or a unique index on columns that are NOT NULL"
            : "order by "
                + names(proofs.get(0)).stream()
                    .map(column -> "KeyColumn.asc(\"" + column + "\")")
                    .collect(Collectors.joining(", ", "orderBy(", ")"));
    String nullable =
        table.indexes().stream()
            .filter(index -> index.unique() && !proves(index, table))
            .map(index -> names(index).toString())
            .collect(Collectors.joining(", "));
    return new InvalidKeysetException(
        "a unique order required but "
            + name
            + " has no immediate primary key"
            + (keyset.order.isEmpty() ? "" : " to append to " + keyset.order)
            + "; "
            + cure
            + (nullable.isEmpty() ? "" : "; its unique index on " + nullable + " admits NULLs"));
  }

  // Both.

  private static List<OrderColumn> order(List<KeyColumn> keys, List<Catalog.Column> columns) {
    Map<String, Catalog.Column> byName = new LinkedHashMap<>();
    columns.forEach(column -> byName.put(column.name(), column));
    List<OrderColumn> order = new ArrayList<>();
    for (KeyColumn key : keys) {
      Catalog.Column column = byName.get(key.name());
      if (column == null) {
        throw new InvalidKeysetException("unknown column \"" + key.name() + "\"");
      }
      order.add(new OrderColumn(key, KeyType.of(key.name(), column.type()), !column.notNull()));
    }
    return order;
  }

  private ResolvedKeyset resolved(
      String name,
      String from,
      String alias,
      @Nullable String sampled,
      List<String> columns,
      List<OrderColumn> order,
      boolean proven,
      @Nullable String create) {
    String fingerprint =
        order.stream()
            .map(
                column ->
                    "\n"
                        + column.key().name()
                        + " "
                        + column.type().family()
                        + (column.key().descending() ? " desc" : " asc")
                        + (column.key().nullsComeFirst() ? " nulls first" : " nulls last"))
            .collect(Collectors.joining("", name, ""));
    return new ResolvedKeyset(
        name,
        from,
        alias,
        sampled,
        columns,
        filter,
        List.copyOf(binds),
        order,
        proven,
        create,
        CursorCodec.forOrder(fingerprint));
  }

  // Indexes.

  private boolean covered(Catalog.Table table, List<OrderColumn> order) {
    return table.indexes().stream()
        .filter(Catalog.Index::ordered)
        .anyMatch(index -> covers(index.columns(), order));
  }

  /**
   * Whether rows can be read in this order from the index, forwards or backwards. Leading columns
   * that the filter mentions are taken to be fixed by it.
   */
  private boolean covers(List<Catalog.IndexColumn> index, List<OrderColumn> order) {
    Set<String> mentioned = filter == null ? Set.of() : words(filter);
    for (int skip = 0; skip + order.size() <= index.size(); skip++) {
      List<Catalog.IndexColumn> part = index.subList(skip, skip + order.size());
      if (matches(part, order, false) || matches(part, order, true)) {
        return true;
      }
      if (!mentioned.contains(index.get(skip).name())) {
        return false;
      }
    }
    return false;
  }

  private static boolean matches(
      List<Catalog.IndexColumn> part, List<OrderColumn> order, boolean backwards) {
    for (int i = 0; i < order.size(); i++) {
      KeyColumn key = backwards ? order.get(i).key().reversed() : order.get(i).key();
      Catalog.IndexColumn column = part.get(i);
      if (!column.name().equals(key.name())
          || column.descending() != key.descending()
          || column.nullsFirst() != key.nullsComeFirst()) {
        return false;
      }
    }
    return true;
  }

  private static Set<String> words(String sql) {
    return new HashSet<>(List.of(sql.split("[^\\p{L}\\p{N}_$]+", -1)));
  }

  private static String createIndex(String table, List<OrderColumn> order) {
    return order.stream()
        .map(column -> Identifiers.quote(column.key().name()) + column.key().suffix())
        .collect(Collectors.joining(", ", "CREATE INDEX CONCURRENTLY ON " + table + " (", ")"));
  }
}
