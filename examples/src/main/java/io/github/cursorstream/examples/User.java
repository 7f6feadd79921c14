package io.github.cursorstream.examples;

import java.math.BigDecimal;
import java.time.Instant;

/** A row of the table {@code users}: each component is the column of its name. */
record User(
    long id,
    String email,
    String name,
    String country,
    int logins,
    Instant createdAt,
    BigDecimal balance,
    boolean active) {}
