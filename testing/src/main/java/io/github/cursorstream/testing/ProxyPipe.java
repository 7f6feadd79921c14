package io.github.cursorstream.testing;

import java.io.IOException;
import java.net.Socket;
import java.util.Arrays;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.Semaphore;
import java.util.concurrent.locks.LockSupport;

/**
 * One direction of a {@link ProxiedConnection}. A thread reads and another one writes, so that a
 * delay does not hold up what comes behind.
 */
final class ProxyPipe {

  /** Bytes and when they may leave; no bytes are the end of the stream. */
  private static final class Chunk {
    final byte[] bytes;
    final long dueNanos;

    Chunk(byte[] bytes, long dueNanos) {
      this.bytes = bytes;
      this.dueNanos = dueNanos;
    }
  }

  private static final int WINDOW = 1 << 20;
  private static final int BUFFER = 1 << 16;

  private final TcpProxy proxy;
  private final ProxiedConnection connection;
  private final Socket from;
  private final Socket to;
  private final boolean fromServer;
  private final BlockingQueue<Chunk> queue = new LinkedBlockingQueue<>();
  private final Semaphore window = new Semaphore(WINDOW);

  ProxyPipe(
      TcpProxy proxy, ProxiedConnection connection, Socket from, Socket to, boolean fromServer) {
    this.proxy = proxy;
    this.connection = connection;
    this.from = from;
    this.to = to;
    this.fromServer = fromServer;
  }

  void read() {
    byte[] buffer = new byte[BUFFER];
    try {
      int length;
      do {
        length = from.getInputStream().read(buffer);
        if (connection.isForwarding()) {
          byte[] bytes = Arrays.copyOf(buffer, Math.max(length, 0));
          if (bytes.length > 0) {
            connection.tap().sees(bytes, fromServer);
          }
          window.acquireUninterruptibly(bytes.length);
          long delay = fromServer ? proxy.latencyNanos() : 0;
          queue.add(new Chunk(bytes, System.nanoTime() + delay));
        }
      } while (length >= 0);
    } catch (IOException e) {
      connection.broken();
    }
    if (!fromServer) {
      connection.clientEnded();
    }
  }

  void write() {
    try {
      while (connection.isForwarding()) {
        Chunk chunk = queue.take();
        awaitDue(chunk);
        int length = chunk.bytes.length;
        if (forward(chunk.bytes) && length == 0) {
          to.shutdownOutput();
          connection.endForwarded();
          return;
        }
        window.release(length);
      }
    } catch (IOException e) {
      connection.broken();
    } catch (InterruptedException e) {
      // Nobody interrupts these threads.
      connection.broken();
    }
  }

  private static void awaitDue(Chunk chunk) {
    long wait;
    while ((wait = chunk.dueNanos - System.nanoTime()) > 0) {
      LockSupport.parkNanos(wait);
    }
  }

  private boolean forward(byte[] bytes) throws IOException, InterruptedException {
    TcpProxy.Pass pass = proxy.pass(connection, bytes.length, fromServer);
    try {
      if (connection.isForwarding()) {
        to.getOutputStream().write(bytes, 0, pass.bytes());
        return true;
      }
      return false;
    } finally {
      if (pass.cutAfter()) {
        proxy.cut();
      }
    }
  }

  /** Nothing more will be forwarded: frees the memory, and whichever thread waits. */
  void abandon() {
    queue.clear();
    queue.add(new Chunk(new byte[0], System.nanoTime()));
    window.release(WINDOW);
  }
}
