package io.github.cursorstream.testing;

import io.r2dbc.postgresql.PostgresqlConnectionConfiguration;
import java.net.URI;
import java.net.URLDecoder;
import java.nio.charset.StandardCharsets;
import java.time.Duration;

/** All it takes to connect to one database. */
record Login(String host, int port, String user, String password, String database) {

  /**
   * Reads {@code postgres://user:password@host:port/database}, also with {@code postgresql:} or
   * {@code r2dbc:postgresql:} in front. The port defaults to 5432, the database to {@code
   * postgres}.
   */
  static Login parse(String url) {
    URI uri;
    try {
      uri = URI.create(url.strip().replaceFirst("^r2dbc:", ""));
    } catch (IllegalArgumentException e) {
      // Neither the message nor the cause: both repeat the URL with its password.
      throw malformed("characters in it must be percent-encoded");
    }
    if (!"postgres".equals(uri.getScheme()) && !"postgresql".equals(uri.getScheme())) {
      throw malformed("it began with \"" + uri.getScheme() + ":\"");
    }
    if (uri.getHost() == null || uri.getRawUserInfo() == null) {
      throw malformed("host or user are missing");
    }
    if (uri.getRawQuery() != null) {
      throw malformed("it had parameters, which are not supported: ?" + uri.getRawQuery());
    }
    String[] user = uri.getRawUserInfo().split(":", 2);
    String path = uri.getPath() == null ? "" : uri.getPath().replaceFirst("^/", "");
    return new Login(
        uri.getHost(),
        uri.getPort() < 0 ? 5432 : uri.getPort(),
        decode(user[0]),
        user.length > 1 ? decode(user[1]) : "",
        path.isEmpty() ? "postgres" : path);
  }

  private static IllegalArgumentException malformed(String why) {
    return new IllegalArgumentException(
        "-Dpostgres.url is postgres://user:password@host:port/database but " + why);
  }

  private static String decode(String raw) {
    return URLDecoder.decode(raw.replace("+", "%2B"), StandardCharsets.UTF_8);
  }

  Login in(String otherDatabase) {
    return new Login(host, port, user, password, otherDatabase);
  }

  PostgresqlConnectionConfiguration.Builder configuration() {
    return PostgresqlConnectionConfiguration.builder()
        .host(host)
        .port(port)
        .username(user)
        .password(password)
        .database(database)
        .connectTimeout(Duration.ofSeconds(10));
  }

  @Override
  public String toString() {
    return host + ":" + port + "/" + database;
  }
}
