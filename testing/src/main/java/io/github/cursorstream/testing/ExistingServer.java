package io.github.cursorstream.testing;

import java.util.Map;

/** A server that somebody else runs; only databases are made and dropped in it. */
final class ExistingServer implements Server {

  private final Login login;

  /** The settings cannot be made here, so they must be in force already. */
  ExistingServer(Login login, Map<String, String> settings) {
    this.login = login;
    BlockingSql sql = new BlockingSql(login);
    settings.forEach(
        (name, wanted) -> {
          Object actual = sql.query("SHOW " + name).get(0).get(0);
          if (!wanted.equals(actual)) {
            throw new UnsupportedOperationException(
                "%s=%s was asked for but the existing server %s runs with %s; set it there"
                    .formatted(name, wanted, login, actual));
          }
        });
  }

  @Override
  public Login login() {
    return login;
  }

  @Override
  public String kind() {
    return "existing";
  }

  @Override
  public void stop() {
    throw new UnsupportedOperationException(
        "The existing server "
            + login
            + " cannot be stopped from here; without -Dpostgres.url it can");
  }

  @Override
  public void start() {
    throw new UnsupportedOperationException(
        "The existing server "
            + login
            + " cannot be started from here; without -Dpostgres.url it can");
  }

  @Override
  public void close() {}
}
