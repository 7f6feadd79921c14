/** Walk a source batch by batch and resume where it stopped. */
@NullMarked
package io.github.cursorstream.backfill;

import org.jspecify.annotations.NullMarked;
