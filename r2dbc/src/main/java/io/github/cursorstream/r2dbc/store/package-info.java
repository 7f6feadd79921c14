/** Keep runs in PostgreSQL tables, shared by many nodes. */
@NullMarked
package io.github.cursorstream.r2dbc.store;

import org.jspecify.annotations.NullMarked;
