package io.github.cursorstream.benchmarks;

import java.util.List;

/** Races and figures that belong together, with what is to be reached in them. */
interface Group {

  /** By which it is asked for on the command line. */
  String name();

  void run(Lab lab) throws Exception;

  /** Judged once the group has run. */
  List<Goal> goals(Lab lab);
}
