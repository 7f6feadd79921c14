package io.github.cursorstream.r2dbc.keyset;

import io.github.cursorstream.cursor.Cursor;
import org.jspecify.annotations.Nullable;

/**
 * A contiguous part of an order, {@code (after, upTo]}. Those of one {@link
 * CursorBasedRepository#ranges} cover it exactly: each row, also one that is inserted later, lies
 * in one of them.
 *
 * @param after exclusive; null for the beginning of the order
 * @param upTo inclusive; null for its end
 */
public record KeyRange(@Nullable Cursor after, @Nullable Cursor upTo) {}
