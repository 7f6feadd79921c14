package io.github.cursorstream.testing;

import com.github.dockerjava.api.DockerClient;
import com.github.dockerjava.api.command.WaitContainerResultCallback;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.ServerSocket;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.testcontainers.postgresql.PostgreSQLContainer;
import org.testcontainers.utility.DockerImageName;
import reactor.core.publisher.Mono;
import reactor.core.scheduler.Schedulers;
import reactor.util.retry.Retry;

/** A server in a container. Only this class touches Testcontainers. */
final class ContainerServer implements Server {

  private final Container container;
  private final Login login;
  private boolean running = true;

  ContainerServer(String image, Map<String, String> settings) {
    this.container = new Container(image, freePort());
    List<String> command = new ArrayList<>(List.of("postgres"));
    settings.forEach((name, value) -> command.addAll(List.of("-c", name + "=" + value)));
    container
        .withEnv("POSTGRES_INITDB_ARGS", "--locale=C.UTF-8 --encoding=UTF8")
        .withCommand(command.toArray(String[]::new));
    try {
      container.start();
    } catch (RuntimeException e) {
      throw new IllegalStateException(
          "PostgreSQL did not start in a container of %s: %s".formatted(image, e.getMessage()), e);
    }
    this.login =
        new Login(
            container.getHost(),
            container.getMappedPort(PostgreSQLContainer.POSTGRESQL_PORT),
            container.getUsername(),
            container.getPassword(),
            container.getDatabaseName());
  }

  @Override
  public Login login() {
    return login;
  }

  @Override
  public String kind() {
    return "container of " + container.getDockerImageName();
  }

  /** SIGINT is the fast shutdown; what an engine sends by default may wait for the clients. */
  @Override
  public synchronized void stop() {
    if (running) {
      DockerClient docker = container.getDockerClient();
      docker.killContainerCmd(container.getContainerId()).withSignal("SIGINT").exec();
      docker
          .waitContainerCmd(container.getContainerId())
          .exec(new WaitContainerResultCallback())
          .awaitStatusCode(60, TimeUnit.SECONDS);
      running = false;
    }
  }

  @Override
  public synchronized void start() {
    if (!running) {
      container.getDockerClient().startContainerCmd(container.getContainerId()).exec();
      running = true;
      awaitReady();
    }
  }

  private void awaitReady() {
    BlockingSql sql = new BlockingSql(login);
    Mono.fromRunnable(() -> sql.query("SELECT 1"))
        .subscribeOn(Schedulers.boundedElastic()) // Retries come on a thread that must not block.
        .retryWhen(Retry.fixedDelay(600, Duration.ofMillis(100)))
        .block();
  }

  @Override
  public void close() {
    container.stop();
  }

  private static int freePort() {
    try (ServerSocket socket = new ServerSocket(0)) {
      return socket.getLocalPort();
    } catch (IOException e) {
      throw new UncheckedIOException("No free port for PostgreSQL", e);
    }
  }

  /** A mapped port would be another one after each start, so the port is fixed. */
  private static final class Container extends PostgreSQLContainer {
    Container(String image, int port) {
      super(DockerImageName.parse(image).asCompatibleSubstituteFor("postgres"));
      addFixedExposedPort(port, POSTGRESQL_PORT);
      withDatabaseName("postgres");
      withUsername("postgres");
      withPassword("postgres");
    }
  }
}
