package io.github.cursorstream.examples;

import static java.nio.file.StandardOpenOption.APPEND;

import io.github.cursorstream.cursor.Cursor;
import io.github.cursorstream.cursor.InvalidCursorException;
import io.github.cursorstream.cursor.Page;
import io.github.cursorstream.examples.Example.Result;
import io.github.cursorstream.r2dbc.keyset.CursorBasedRepository;
import io.github.cursorstream.r2dbc.keyset.Keyset;
import io.github.cursorstream.testing.TestDatabase;
import io.r2dbc.spi.ConnectionFactory;
import java.io.BufferedReader;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** A program that is killed while it reads a table, and goes on where it was. */
public final class ResumeFromToken {

  private static final byte[] SECRET = "change this secret".getBytes(StandardCharsets.UTF_8);

  private ResumeFromToken() {}

  /** Without arguments the example; with a file, the program that it starts and kills. */
  public static void main(String[] args) throws IOException {
    if (args.length == 0) {
      Example.main("ResumeFromToken", database -> run(database, 200_000));
    } else {
      read(Example.connections(), Path.of(args[0]));
      System.exit(0);
    }
  }

  /**
   * Reads the table, page by page, into a ledger: a line a page, first the token, then the ids. So
   * a page and the position behind it are stored together or not at all.
   */
  private static void read(ConnectionFactory connections, Path ledger) throws IOException {
    Optional<Cursor> last = lastToken(ledger).map(Cursor::parse);
    for (Page<User> page :
        users(connections).cursorBasedPages(o -> last.map(o::after).orElse(o)).toIterable(1)) {
      String ids = page.items().stream().map(user -> " " + user.id()).collect(Collectors.joining());
      String token = Objects.requireNonNull(page.cursor()).token();
      Files.writeString(ledger, token + ids + "\n", APPEND);
      System.out.println("page");
    }
  }

  /** Cuts off the line that was being written when the program ended, if there is one. */
  private static Optional<String> lastToken(Path ledger) throws IOException {
    String text = Files.readString(ledger);
    String whole = text.substring(0, text.lastIndexOf('\n') + 1);
    Files.writeString(ledger, whole);
    return whole.lines().reduce((line, next) -> next).map(line -> line.split(" ", 2)[0]);
  }

  private static CursorBasedRepository<User> users(ConnectionFactory connections) {
    return CursorBasedRepository.create(connections, Keyset.table("users"), User.class)
        .defaults(o -> o.tokenKey(SECRET));
  }

  static Result run(TestDatabase database, int rows) throws Exception {
    System.out.printf("A program reads a table in pages and is killed; another goes on.%n%n");
    Tables.createUsers(database, rows);
    Path ledger = Files.createTempFile("resume", ".txt");
    try {
      int killedAfter = Math.max(1, rows / 1000 * 2 / 5);
      int first =
          pagesOf(Example.start(ResumeFromToken.class, database, ledger.toString()), killedAfter);
      System.out.printf("The first process was killed when it had read %d pages.%n", first);
      String token = lastToken(ledger).orElseThrow();
      System.out.printf("It left the token %s%n", token);
      int second =
          pagesOf(
              Example.start(ResumeFromToken.class, database, ledger.toString()), Integer.MAX_VALUE);
      System.out.printf("A second process went on from there and read %d pages.%n%n", second);
      return verdict(database, Files.readAllLines(ledger), token);
    } finally {
      Files.delete(ledger);
    }
  }

  /** Counts what a process says it read, and kills it, with SIGKILL, when that is enough. */
  private static int pagesOf(Process process, int enough) throws Exception {
    int pages = 0;
    try (BufferedReader output = process.inputReader()) {
      while (output.readLine() != null) {
        if (++pages == enough) {
          process.destroyForcibly();
          break;
        }
      }
    }
    process.waitFor();
    return pages;
  }

  private static Result verdict(TestDatabase database, List<String> ledger, String token) {
    List<Long> ids =
        ledger.stream()
            .flatMap(line -> Stream.of(line.split(" ")).skip(1))
            .map(Long::valueOf)
            .toList();
    List<Object> expected =
        database.query("SELECT id FROM users ORDER BY id").stream().map(row -> row.get(0)).toList();
    boolean once = ids.equals(expected);
    System.out.printf(
        "Together they have %,d of %,d users, each once and in order: %s%n",
        ids.size(), expected.size(), Example.yes(once));

    CursorBasedRepository<User> users = users(Example.pool(database, 2));
    String tampered = token.substring(0, token.length() - 2) + (token.endsWith("AA") ? "BA" : "AA");
    String unsigned = Cursor.of("id", 7).token();
    boolean genuine = !isRefused(users, token);
    boolean refused = isRefused(users, tampered) && isRefused(users, unsigned);
    System.out.printf(
        "The token is accepted: %s. Tampered with, or unsigned, it is refused: %s%n",
        Example.yes(genuine), Example.yes(refused));
    return new Result(
        "ResumeFromToken",
        "rows=%d pages=%d".formatted(ids.size(), ledger.size()),
        once && genuine && refused);
  }

  private static boolean isRefused(CursorBasedRepository<User> users, String token) {
    try {
      users.cursorBasedPage(o -> o.after(Cursor.parse(token))).block();
      return false;
    } catch (InvalidCursorException e) {
      return true;
    }
  }
}
