/** PostgreSQL for tests and examples, a proxy that breaks connections, and contracts of stores. */
@NullMarked
package io.github.cursorstream.testing;

import org.jspecify.annotations.NullMarked;
