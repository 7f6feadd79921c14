/** Read a table in the order of a unique key. */
@NullMarked
package io.github.cursorstream.r2dbc.keyset;

import org.jspecify.annotations.NullMarked;
