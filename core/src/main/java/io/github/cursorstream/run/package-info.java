/** The one life of long work: states, leases, progress, events. */
@NullMarked
package io.github.cursorstream.run;

import org.jspecify.annotations.NullMarked;
