/** Backfills over tables. */
@NullMarked
package io.github.cursorstream.r2dbc.backfill;

import org.jspecify.annotations.NullMarked;
