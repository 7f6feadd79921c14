/** Read a sorted source page by page, on demand. */
@NullMarked
package io.github.cursorstream.cursor;

import org.jspecify.annotations.NullMarked;
