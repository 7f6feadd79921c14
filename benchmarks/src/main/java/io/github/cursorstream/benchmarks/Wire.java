package io.github.cursorstream.benchmarks;

import io.github.cursorstream.testing.TcpProxy;
import java.nio.ByteBuffer;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Supplier;

/**
 * Counts, on the connections of a proxy, the messages that run something (Query and Execute of
 * PostgreSQL's protocol), and how often a client waited for an answer.
 */
final class Wire implements Supplier<TcpProxy.Tap> {

  private static final int START_UP = 8;
  private static final int MESSAGE = 5;

  private static final int SSL_REQUEST = 80877103;
  private static final int GSS_REQUEST = 80877104;

  private final AtomicLong statements = new AtomicLong();
  private final AtomicLong roundTrips = new AtomicLong();

  long statements() {
    return statements.get();
  }

  long roundTrips() {
    return roundTrips.get();
  }

  @Override
  public TcpProxy.Tap get() {
    return new Connection();
  }

  private final class Connection implements TcpProxy.Tap {

    // Of the client's messages, which may come in pieces: what was seen of a header, and how much
    // of the body is still to come.
    private final ByteBuffer header = ByteBuffer.allocate(START_UP);
    private boolean started;
    private int bodyLeft;

    private boolean clientSpokeLast;

    @Override
    public synchronized void sees(byte[] bytes, boolean fromServer) {
      if (fromServer) {
        roundTrips.addAndGet(clientSpokeLast ? 1 : 0);
      } else {
        parse(ByteBuffer.wrap(bytes));
      }
      clientSpokeLast = !fromServer;
    }

    private void parse(ByteBuffer bytes) {
      while (bytes.hasRemaining()) {
        if (bodyLeft > 0) {
          int skipped = Math.min(bodyLeft, bytes.remaining());
          bytes.position(bytes.position() + skipped);
          bodyLeft -= skipped;
          continue;
        }
        header.put(bytes.get());
        if (header.position() == (started ? MESSAGE : START_UP)) {
          begin();
          header.clear();
        }
      }
    }

    private void begin() {
      if (started) {
        byte type = header.get(0);
        statements.addAndGet(type == 'Q' || type == 'E' ? 1 : 0);
        bodyLeft = header.getInt(1) + 1 - MESSAGE;
      } else {
        bodyLeft = header.getInt(0) - START_UP;
        int code = header.getInt(Integer.BYTES);
        started = code != SSL_REQUEST && code != GSS_REQUEST;
      }
    }
  }
}
