/** How fast: pauses, rate caps, batch sizes, health gates. */
@NullMarked
package io.github.cursorstream.pace;

import org.jspecify.annotations.NullMarked;
