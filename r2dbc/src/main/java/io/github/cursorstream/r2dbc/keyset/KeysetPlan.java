package io.github.cursorstream.r2dbc.keyset;

import org.jspecify.annotations.Nullable;

/**
 * How PostgreSQL reads a page.
 *
 * @param sql the page query, with {@code $1…} for its values
 * @param plan what EXPLAIN says to it, planned with sequential scans, bitmap scans and sorts as
 *     last resorts, so that a small table tells what a large one will do
 * @param seeks whether every part of it is an index scan that starts at the cursor and sorts
 *     nothing
 * @param createIndex the index that lets pages seek, null if there is one or none is needed; for a
 *     {@link Keyset#query}, whose tables are unknown, always null
 */
public record KeysetPlan(String sql, String plan, boolean seeks, @Nullable String createIndex) {}
