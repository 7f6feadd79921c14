package io.github.cursorstream.run;

/**
 * An event that a node may tell the hooks of a run's kind, as nobody else may meanwhile.
 *
 * @param run as it is now
 * @param event what is to be told
 * @param attempt how often that has been begun, this time included
 */
public record Telling(Run run, RunEvent event, int attempt) {}
