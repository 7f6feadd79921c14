/** PostgreSQL for tests and examples, and a proxy that breaks connections on purpose. */
@NullMarked
package io.github.cursorstream.testing;

import org.jspecify.annotations.NullMarked;
