package io.github.cursorstream.testing;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.time.Duration;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Supplier;

/**
 * A TCP proxy on loopback that breaks connections on purpose.
 *
 * <p>It forwards bytes in order and half-closes as it is told by either side, holding at most 1 MiB
 * per connection and direction. If one side resets, so does the proxy towards the other. Every
 * fault strikes all connections that were {@link #accepted()}. Safe for use by many threads.
 */
public final class TcpProxy implements AutoCloseable {

  /** Sees what passes on one connection, before the other side does. */
  public interface Tap {

    /** Sees nothing. */
    Tap NONE = (bytes, fromServer) -> {};

    /**
     * Sees some bytes. Called in order for each direction, from one thread per direction.
     *
     * @param bytes must not be changed
     * @param fromServer whether the server sent them, or the client
     */
    void sees(byte[] bytes, boolean fromServer);
  }

  /** What the gate lets through: so many bytes, and whether the cut follows. */
  record Pass(int bytes, boolean cutAfter) {}

  private static final long UNLIMITED = -1;

  private final InetSocketAddress target;
  private final ServerSocket listener;
  private final Supplier<Tap> taps;
  private final Thread acceptor = new Thread(this::accept, "proxy-accept");
  private final AtomicInteger accepted = new AtomicInteger();
  private final Set<ProxiedConnection> connections = ConcurrentHashMap.newKeySet();

  private volatile boolean blackHole;
  private volatile long latencyNanos;

  // Guarded by this, the lock of all connections too.
  private boolean stalled;
  private boolean cutting;
  private long bytesUntilCut = UNLIMITED;
  private boolean cutsAnswers;

  private TcpProxy(InetSocketAddress target, ServerSocket listener, Supplier<Tap> taps) {
    this.target = target;
    this.listener = listener;
    this.taps = taps;
  }

  /**
   * Starts a proxy on a free port of the loopback address. It connects to the target once for every
   * connection it accepts; if the target refuses, the client's connection is reset.
   *
   * @param host the target's name or address
   * @param port the target's port
   * @return the running proxy
   */
  public static TcpProxy to(String host, int port) {
    return to(host, port, () -> Tap.NONE);
  }

  /**
   * The same, with somebody who looks on.
   *
   * @param host the target's name or address
   * @param port the target's port
   * @param taps makes one for each connection
   * @return the running proxy
   */
  public static TcpProxy to(String host, int port, Supplier<Tap> taps) {
    try {
      ServerSocket listener = new ServerSocket(0, 0, InetAddress.getLoopbackAddress());
      TcpProxy proxy = new TcpProxy(InetSocketAddress.createUnresolved(host, port), listener, taps);
      proxy.acceptor.setDaemon(true);
      proxy.acceptor.start();
      return proxy;
    } catch (IOException e) {
      throw new UncheckedIOException("No port for a proxy", e);
    }
  }

  /**
   * Where the proxy listens.
   *
   * @return the loopback address
   */
  public String host() {
    return listener.getInetAddress().getHostAddress();
  }

  /**
   * Where the proxy listens.
   *
   * @return a TCP port
   */
  public int port() {
    return listener.getLocalPort();
  }

  /**
   * Counts the connections accepted so far, those that are closed by now included.
   *
   * @return a number that only grows
   */
  public int accepted() {
    return accepted.get();
  }

  /**
   * Counts the connections that neither both sides nor a fault here have ended. Those in a black
   * hole are open.
   *
   * @return the number now
   */
  public int open() {
    return (int) connections.stream().filter(ProxiedConnection::isOpen).count();
  }

  /**
   * Closes all connections: FIN to the client, after what was forwarded already, and an abrupt
   * close to the server, which is what it gets from a client that is gone. New ones are forwarded.
   */
  public synchronized void cut() {
    bytesUntilCut = UNLIMITED;
    cutting = false;
    connections.forEach(ProxiedConnection::cut);
    notifyAll();
  }

  /** Resets all connections: RST to both sides. New ones are forwarded. */
  public synchronized void reset() {
    connections.forEach(ProxiedConnection::reset);
  }

  /**
   * Lets exactly so many more bytes through from the server to its clients, all connections taken
   * together, then {@link #cut() cuts}. Takes the place of an earlier call.
   *
   * @param bytes 0 or more; with 0 the next byte is the one that does not arrive
   */
  public void cutAfterBytes(long bytes) {
    cutAfterBytes(bytes, true);
  }

  /**
   * Lets exactly so many more bytes through in one direction, all connections taken together, then
   * {@link #cut() cuts}: in the midst of an answer, or when the server has what it needs to go on
   * and nobody will hear of it. Takes the place of an earlier call.
   *
   * @param bytes 0 or more; with 0 the next byte is the one that does not arrive
   * @param fromServer whether those that the server sends are counted, or the clients'
   */
  public synchronized void cutAfterBytes(long bytes, boolean fromServer) {
    if (bytes < 0) {
      throw new IllegalArgumentException("bytes >= 0 required but it was " + bytes);
    }
    bytesUntilCut = bytes;
    cutsAnswers = fromServer;
  }

  /**
   * Stops forwarding, in both directions, and keeps the sockets. New connections are accepted, and
   * stall too.
   */
  public synchronized void stall() {
    stalled = true;
  }

  /**
   * Swallows everything in both directions, ends of streams included: neither side learns that the
   * other one closes. New connections are accepted and never answered.
   */
  public void blackHole() {
    blackHole = true;
    connections.forEach(ProxiedConnection::swallow);
  }

  /**
   * Ends {@link #stall()}: what was held back is forwarded. Ends {@link #blackHole()} for new
   * connections; those that were in it have lost bytes and stay there.
   */
  public synchronized void resume() {
    stalled = false;
    blackHole = false;
    notifyAll();
  }

  /**
   * Delays what comes from the server, so that a round trip takes so much longer; the other
   * direction is not delayed, nor is connecting. The delay is a pipeline: order and throughput stay
   * as they were, up to 1 MiB on the way per connection.
   *
   * @param roundTrip what to add to each round trip from now on; zero for none
   */
  public void latency(Duration roundTrip) {
    if (roundTrip.isNegative()) {
      throw new IllegalArgumentException("roundTrip >= 0 required but it was " + roundTrip);
    }
    latencyNanos = roundTrip.toNanos();
  }

  /** Stops listening, so that clients are refused from here on, and resets what is open. */
  @Override
  public void close() {
    closeQuietly(listener);
    try {
      // The port listens until the thread that waits on it has left it; it adds no more either.
      acceptor.join();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
    reset();
    connections.forEach(ProxiedConnection::close);
  }

  long latencyNanos() {
    return latencyNanos;
  }

  boolean isBlackHole() {
    return blackHole;
  }

  /** Waits while stalled, then says how many of these bytes may be forwarded. */
  synchronized Pass pass(ProxiedConnection connection, int bytes, boolean fromServer)
      throws InterruptedException {
    while ((stalled || cutting) && connection.isOpen()) {
      wait();
    }
    if (fromServer != cutsAnswers || bytesUntilCut == UNLIMITED || bytes == 0) {
      return new Pass(bytes, false);
    }
    int passing = (int) Math.min(bytes, bytesUntilCut);
    bytesUntilCut -= passing;
    // From here to the cut nobody else passes, so that it comes after exactly these bytes.
    cutting = bytesUntilCut == 0;
    return new Pass(passing, cutting);
  }

  void ended(ProxiedConnection connection) {
    connections.remove(connection);
  }

  private void accept() {
    while (!listener.isClosed()) {
      try {
        Socket client = listener.accept();
        ProxiedConnection connection = new ProxiedConnection(this, client, taps.get());
        connections.add(connection);
        accepted.incrementAndGet();
        daemon("proxy-connection", () -> connection.run(target));
      } catch (IOException e) {
        // Closed, or out of sockets: the loop's condition tells.
      }
    }
  }

  static void daemon(String name, Runnable task) {
    Thread thread = new Thread(task, name);
    thread.setDaemon(true);
    thread.start();
  }

  static void closeQuietly(AutoCloseable socket) {
    try {
      socket.close();
    } catch (Exception e) {
      // It is closed all the same.
    }
  }
}
