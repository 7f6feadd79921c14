/** Backfills over tables, and the ready-made ones. */
@NullMarked
package io.github.cursorstream.r2dbc.backfill;

import org.jspecify.annotations.NullMarked;
