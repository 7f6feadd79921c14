package io.github.cursorstream.r2dbc.store;

import io.r2dbc.pool.ConnectionPool;
import io.r2dbc.pool.PoolMetrics;
import io.r2dbc.spi.ConnectionFactory;
import io.r2dbc.spi.Wrapped;

/** The one class that needs r2dbc-pool, which may not be there. */
final class PoolSize {

  private PoolSize() {}

  /** How many connections there can be at most; {@link Integer#MAX_VALUE} if that is not known. */
  static int of(ConnectionFactory factory) {
    try {
      Object each = factory;
      while (!(each instanceof ConnectionPool) && each instanceof Wrapped<?> wrapped) {
        each = wrapped.unwrap();
      }
      return each instanceof ConnectionPool pool
          ? pool.getMetrics().map(PoolMetrics::getMaxAllocatedSize).orElse(Integer.MAX_VALUE)
          : Integer.MAX_VALUE;
    } catch (NoClassDefFoundError e) {
      return Integer.MAX_VALUE;
    }
  }
}
