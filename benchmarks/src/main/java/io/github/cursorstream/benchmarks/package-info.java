/** Measures ways to read and rewrite a table, side by side, against goals. */
@NullMarked
package io.github.cursorstream.benchmarks;

import org.jspecify.annotations.NullMarked;
