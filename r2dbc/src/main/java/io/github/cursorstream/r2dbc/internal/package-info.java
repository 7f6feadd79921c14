/** Leaf helpers: quoting, SQL fragments, catalog, SQLSTATEs, connections. Not API. */
@NullMarked
package io.github.cursorstream.r2dbc.internal;

import org.jspecify.annotations.NullMarked;
