/** One main class per question. */
@NullMarked
package io.github.cursorstream.examples;

import org.jspecify.annotations.NullMarked;
