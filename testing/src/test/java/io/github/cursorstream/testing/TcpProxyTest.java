package io.github.cursorstream.testing;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.SocketException;
import java.net.SocketTimeoutException;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.concurrent.Callable;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.Future;
import java.util.concurrent.FutureTask;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(60)
class TcpProxyTest {

  private static final byte[] PING = {'p', 'i', 'n', 'g'};

  private ServerSocket listener;
  private TcpProxy proxy;
  private Socket client;
  private Socket server;

  @BeforeEach
  void connect() throws IOException {
    listener = new ServerSocket(0, 0, InetAddress.getLoopbackAddress());
    proxy = TcpProxy.to(listener.getInetAddress().getHostAddress(), listener.getLocalPort());
    client = newClient();
    server = listener.accept();
  }

  @AfterEach
  void close() throws IOException {
    client.close();
    server.close();
    proxy.close();
    listener.close();
  }

  private Socket newClient() throws IOException {
    return new Socket(proxy.host(), proxy.port());
  }

  @Test
  void tenMegabytesPassUnchangedBothWaysAtOnce() throws Exception {
    byte[] request = random(1);
    byte[] response = random(2);
    Future<byte[]> sentUp = sendAndEnd(client, request);
    Future<byte[]> sentDown = sendAndEnd(server, response);
    Future<byte[]> up = readAll(server);

    assertThat(client.getInputStream().readAllBytes()).isEqualTo(response);
    assertThat(up.get()).isEqualTo(request);
    sentUp.get();
    sentDown.get();
    await().until(() -> proxy.open() == 0);
    assertThat(proxy.accepted()).isEqualTo(1);
  }

  @Test
  void aTapSeesWhatPassesInEachDirection() throws Exception {
    List<String> seen = new CopyOnWriteArrayList<>();
    TcpProxy.Tap tap =
        (bytes, fromServer) -> seen.add((fromServer ? "<" : ">") + new String(bytes, UTF_8));
    try (TcpProxy tapped =
            TcpProxy.to(
                listener.getInetAddress().getHostAddress(), listener.getLocalPort(), () -> tap);
        Socket asking = new Socket(tapped.host(), tapped.port());
        Socket answering = listener.accept()) {
      assertPasses(asking, answering);
      assertPasses(answering, asking);
    }

    assertThat(seen).containsExactly(">ping", "<ping");
  }

  @Test
  void halfClosedConnectionStillAnswers() throws Exception {
    client.shutdownOutput();
    assertThat(server.getInputStream().read()).isEqualTo(-1);

    assertPasses(server, client);
  }

  @Test
  void cutEndsTheStreamInOrderAndNewConnectionsPass() throws Exception {
    assertPasses(client, server);

    proxy.cut();

    assertThat(proxy.open()).isZero();
    assertThat(client.getInputStream().read()).isEqualTo(-1);
    assertThat(server.getInputStream().read()).isEqualTo(-1);
    assertNewConnectionPasses();
  }

  @Test
  void resetIsAnError() throws Exception {
    assertPasses(client, server);

    proxy.reset();

    assertThat(proxy.open()).isZero();
    assertThatThrownBy(() -> client.getInputStream().read()).isInstanceOf(SocketException.class);
    assertThatThrownBy(() -> server.getInputStream().read()).isInstanceOf(SocketException.class);
    assertNewConnectionPasses();
  }

  @Test
  void resetByTheServerReachesTheClient() throws Exception {
    assertPasses(client, server);
    server.setSoLinger(true, 0);
    server.close();

    assertThatThrownBy(() -> client.getInputStream().read()).isInstanceOf(SocketException.class);
    await().until(() -> proxy.open() == 0);
  }

  @Test
  void stallHoldsBackUntilResumed() throws Exception {
    proxy.stall();
    server.getOutputStream().write(7);
    client.getOutputStream().write(8);
    assertSilent(client);
    assertSilent(server);

    proxy.resume();

    assertThat(client.getInputStream().read()).isEqualTo(7);
    assertThat(server.getInputStream().read()).isEqualTo(8);
  }

  @Test
  void stalledConnectionCanBeCut() throws Exception {
    proxy.stall();
    server.getOutputStream().write(7);

    proxy.cut();

    assertThat(client.getInputStream().read()).isEqualTo(-1);
  }

  @Test
  void blackHoleSwallowsOldAndNewConnections() throws Exception {
    assertPasses(client, server);
    proxy.blackHole();
    server.getOutputStream().write(new byte[10_000]);
    client.getOutputStream().write(new byte[10_000]);
    assertSilent(client);
    assertSilent(server);
    client.close();
    assertSilent(server);
    try (Socket another = newClient()) {
      another.getOutputStream().write(1);
      assertSilent(another);
      await().until(() -> proxy.accepted() == 2);
      assertThat(proxy.open()).isEqualTo(2);

      proxy.resume();

      another.getOutputStream().write(1);
      assertSilent(another);
      assertNewConnectionPasses();
    }
  }

  @Test
  void blackHoleTakesAnyAmount() throws Exception {
    proxy.blackHole();

    sendAndEnd(client, random(3)).get();
    sendAndEnd(server, random(4)).get();
  }

  @Test
  void cutAfterBytesLetsExactlySoManyThrough() throws Exception {
    byte[] response = random(5);
    proxy.cutAfterBytes(1_234_567);
    Future<byte[]> sent = sendAndEnd(server, response);

    byte[] received = client.getInputStream().readAllBytes();

    assertThat(received).hasSize(1_234_567).isEqualTo(Arrays.copyOf(response, 1_234_567));
    await().until(sent::isDone);
    assertThat(proxy.open()).isZero();
    assertNewConnectionPasses();
  }

  @Test
  void cutAfterZeroBytesCutsAtTheNextOne() throws Exception {
    proxy.cutAfterBytes(0);
    assertPasses(client, server);
    assertThat(proxy.open()).isEqualTo(1);

    server.getOutputStream().write(1);

    assertThat(client.getInputStream().read()).isEqualTo(-1);
  }

  @Test
  void cutAfterBytesToTheServerLetsExactlySoManyThrough() throws Exception {
    proxy.cutAfterBytes(6, false);
    assertPasses(server, client);
    assertPasses(client, server);
    assertThat(proxy.open()).isEqualTo(1);

    client.getOutputStream().write(PING);

    assertThat(server.getInputStream().readNBytes(3)).containsExactly('p', 'i');
    assertThat(client.getInputStream().read()).isEqualTo(-1);
    assertThat(proxy.open()).isZero();
    assertNewConnectionPasses();
  }

  @Test
  void latencyIsAddedOncePerRoundTrip() throws Exception {
    proxy.latency(Duration.ofMillis(50));

    long start = System.nanoTime();
    assertPasses(client, server);
    assertPasses(server, client);
    long oneRoundTrip = System.nanoTime() - start;

    assertThat(Duration.ofNanos(oneRoundTrip))
        .isBetween(Duration.ofMillis(50), Duration.ofSeconds(5));
  }

  @Test
  void latencyDoesNotAddUpOverManyChunks() throws Exception {
    proxy.latency(Duration.ofMillis(500));
    byte[] response = random(6);

    long start = System.nanoTime();
    Future<byte[]> received = readAll(client);
    for (int i = 0; i < 100; i++) {
      server.getOutputStream().write(response, i * 1000, 1000);
    }
    server.shutdownOutput();

    assertThat(received.get()).isEqualTo(Arrays.copyOf(response, 100_000));
    // 100 delays one after the other would be 50 s.
    assertThat(Duration.ofNanos(System.nanoTime() - start))
        .isBetween(Duration.ofMillis(500), Duration.ofSeconds(10));
  }

  @Test
  void refusingServerResetsTheClient() throws Exception {
    listener.close();
    try (Socket another = newClient()) {
      assertThatThrownBy(() -> another.getInputStream().read()).isInstanceOf(SocketException.class);
    }
    await().until(() -> proxy.open() == 1);
  }

  @Test
  void closedProxyRefusesAndResets() throws Exception {
    assertPasses(client, server);

    proxy.close();

    assertThatThrownBy(() -> client.getInputStream().read()).isInstanceOf(SocketException.class);
    assertThatThrownBy(this::newClient).isInstanceOf(IOException.class);
    assertThat(proxy.open()).isZero();
  }

  @Test
  void negativeAmountsAreRefused() {
    assertThatIllegalArgumentException()
        .isThrownBy(() -> proxy.cutAfterBytes(-1))
        .withMessage("bytes >= 0 required but it was -1");
    assertThatIllegalArgumentException()
        .isThrownBy(() -> proxy.latency(Duration.ofMillis(-1)))
        .withMessage("roundTrip >= 0 required but it was PT-0.001S");
  }

  private void assertNewConnectionPasses() throws IOException {
    try (Socket newClient = newClient();
        Socket newServer = listener.accept()) {
      assertPasses(newClient, newServer);
    }
  }

  private static void assertPasses(Socket from, Socket to) throws IOException {
    from.getOutputStream().write(PING);
    assertThat(to.getInputStream().readNBytes(4)).isEqualTo(PING);
  }

  // A silence cannot be proved, only waited for.
  private static void assertSilent(Socket socket) throws IOException {
    socket.setSoTimeout(100);
    assertThatThrownBy(() -> socket.getInputStream().read())
        .isInstanceOf(SocketTimeoutException.class);
    socket.setSoTimeout(0);
  }

  private static byte[] random(long seed) {
    byte[] bytes = new byte[10 << 20];
    new Random(seed).nextBytes(bytes);
    return bytes;
  }

  private static Future<byte[]> sendAndEnd(Socket socket, byte[] bytes) {
    return async(
        () -> {
          socket.getOutputStream().write(bytes);
          socket.shutdownOutput();
          return bytes;
        });
  }

  private static Future<byte[]> readAll(Socket socket) {
    return async(() -> socket.getInputStream().readAllBytes());
  }

  private static Future<byte[]> async(Callable<byte[]> task) {
    FutureTask<byte[]> future = new FutureTask<>(task);
    TcpProxy.daemon("test", future);
    return future;
  }
}
