package io.github.cursorstream.r2dbc.store;

import io.github.cursorstream.run.RunStore;
import io.github.cursorstream.testing.RunStoreContract;
import io.github.cursorstream.testing.TestDatabase;
import io.github.cursorstream.testing.TestPostgres;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;

/** What every store promises, in PostgreSQL. */
class RunStoreContractIT implements RunStoreContract {

  private static TestDatabase database;
  private static PostgresRunStore store;

  @BeforeAll
  static void migrate() {
    database = TestPostgres.shared().createDatabase("contract");
    store = PostgresRunStore.create(database.pool(10));
    store.migrate().block();
  }

  @AfterAll
  static void dropDatabase() {
    database.close();
  }

  @Override
  public RunStore store() {
    return store;
  }
}
