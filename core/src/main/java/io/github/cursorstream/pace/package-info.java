/** How fast: pauses and rate caps. */
@NullMarked
package io.github.cursorstream.pace;

import org.jspecify.annotations.NullMarked;
