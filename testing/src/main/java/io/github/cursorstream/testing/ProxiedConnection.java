package io.github.cursorstream.testing;

import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.Socket;

/** One client of a {@link TcpProxy}, and the proxy's own connection to the server. */
final class ProxiedConnection {

  private enum State {
    /** Bytes are forwarded. */
    FORWARDING,
    /** Bytes and ends of streams are swallowed; the sockets stay. */
    SWALLOWING,
    /** The client was sent a FIN; its bytes are swallowed until it closes too. */
    CUT,
    /** Both sockets are closed. */
    CLOSED
  }

  private static final int CONNECT_TIMEOUT_MS = 10_000;

  private final TcpProxy proxy;
  private final TcpProxy.Tap tap;
  private final Socket client;
  private final Socket server = new Socket();
  private final ProxyPipe up;
  private final ProxyPipe down;
  private volatile State state = State.FORWARDING;

  // Guarded by the proxy, as are changes of the state: one lock for all, none to be taken in turn.
  private int ends;
  private boolean clientEnded;

  ProxiedConnection(TcpProxy proxy, Socket client, TcpProxy.Tap tap) {
    this.proxy = proxy;
    this.tap = tap;
    this.client = client;
    this.up = new ProxyPipe(proxy, this, client, server, false);
    this.down = new ProxyPipe(proxy, this, server, client, true);
  }

  boolean isOpen() {
    return state == State.FORWARDING || state == State.SWALLOWING;
  }

  TcpProxy.Tap tap() {
    return tap;
  }

  boolean isForwarding() {
    return state == State.FORWARDING;
  }

  void run(InetSocketAddress target) {
    if (proxy.isBlackHole()) {
      swallow();
    } else if (connect(target)) {
      TcpProxy.daemon("proxy-to-server", up::write);
      TcpProxy.daemon("proxy-from-server", down::read);
      TcpProxy.daemon("proxy-to-client", down::write);
    }
    up.read();
  }

  private boolean connect(InetSocketAddress target) {
    try {
      client.setTcpNoDelay(true);
      server.setTcpNoDelay(true);
      // A new address, so that a name is resolved each time.
      server.connect(
          new InetSocketAddress(target.getHostString(), target.getPort()), CONNECT_TIMEOUT_MS);
      return true;
    } catch (IOException e) {
      broken();
      return false;
    }
  }

  void swallow() {
    synchronized (proxy) {
      if (state == State.FORWARDING) {
        state = State.SWALLOWING;
        abandon();
      }
    }
  }

  void cut() {
    synchronized (proxy) {
      if (!isOpen()) {
        return;
      }
      state = State.CUT;
      abandon();
      TcpProxy.closeQuietly(server);
      if (clientEnded) {
        close();
        return;
      }
      try {
        // Not close(): with bytes unread that would be an RST.
        client.shutdownOutput();
      } catch (IOException e) {
        close();
      }
    }
  }

  void reset() {
    synchronized (proxy) {
      if (isOpen()) {
        linger(client);
        linger(server);
        close();
      }
    }
  }

  private static void linger(Socket socket) {
    try {
      socket.setSoLinger(true, 0);
    } catch (IOException e) {
      // Closed already.
    }
  }

  void close() {
    synchronized (proxy) {
      state = State.CLOSED;
      abandon();
      TcpProxy.closeQuietly(client);
      TcpProxy.closeQuietly(server);
      proxy.ended(this);
    }
  }

  private void abandon() {
    up.abandon();
    down.abandon();
    proxy.notifyAll();
  }

  /** One side has sent its end of stream, and it has been passed on. */
  void endForwarded() {
    synchronized (proxy) {
      if (++ends == 2) {
        close();
      }
    }
  }

  /** Nothing more will be read from the client. */
  void clientEnded() {
    synchronized (proxy) {
      clientEnded = true;
      if (state == State.CUT) {
        close();
      }
    }
  }

  /** A socket failed: the other side is to know, unless a fault has decided what it gets. */
  void broken() {
    synchronized (proxy) {
      if (state == State.FORWARDING) {
        reset();
      }
    }
  }
}
