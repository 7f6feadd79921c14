/** How many at once, changeable while it runs. */
@NullMarked
package io.github.cursorstream.concurrency;

import org.jspecify.annotations.NullMarked;
