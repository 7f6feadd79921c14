package io.github.cursorstream.r2dbc.keyset;

import io.r2dbc.proxy.ProxyConnectionFactory;
import io.r2dbc.proxy.core.QueryInfo;
import io.r2dbc.spi.ConnectionFactory;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;

/** The queries that were sent, by kind. */
public final class QueryLog {

  private static final String PING = "SELECT 1";

  private final List<String> queries = new CopyOnWriteArrayList<>();

  /** The same connections, with their queries written down here when they are sent. */
  public ConnectionFactory over(ConnectionFactory factory) {
    return ProxyConnectionFactory.builder(factory)
        .onBeforeQuery(
            info -> info.getQueries().stream().map(QueryInfo::getQuery).forEach(queries::add))
        .build();
  }

  public List<String> all() {
    return queries;
  }

  long catalog() {
    return queries.stream().filter(QueryLog::isCatalog).count();
  }

  long pages() {
    return queries.stream().filter(QueryLog::isPage).count();
  }

  /** Not counted: the question whether a connection has nothing left to do. */
  long others() {
    return queries.stream().filter(sql -> !sql.equals(PING)).count() - catalog() - pages();
  }

  long pings() {
    return queries.stream().filter(PING::equals).count();
  }

  private static boolean isCatalog(String sql) {
    return sql.contains("pg_catalog.");
  }

  private static boolean isPage(String sql) {
    return !isCatalog(sql) && sql.startsWith("SELECT") && sql.contains("LIMIT ");
  }
}
