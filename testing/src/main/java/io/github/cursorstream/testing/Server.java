package io.github.cursorstream.testing;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.regex.Pattern;

/** A PostgreSQL server that is running once its constructor has returned. */
interface Server {

  /**
   * What is set on servers of our own unless the caller sets it otherwise: speed, no durability.
   */
  Map<String, String> DEFAULTS =
      Map.of(
          "fsync", "off",
          "synchronous_commit", "off",
          "max_connections", "200",
          "timezone", "UTC");

  /** Settings travel on command lines, through shells: nothing that would need quotes. */
  Pattern SETTING = Pattern.compile("([a-z_.]+)=([A-Za-z0-9_.,/+-]+)");

  /** Where and as whom to log in; the same for as long as the server lives. */
  Login login();

  /** How the server is run, for people to read. */
  String kind();

  /** Stops the server and keeps its data; sessions are ended. Does nothing when it is stopped. */
  void stop();

  /** Starts a stopped server with its data on its port. */
  void start();

  /** Stops the server for good and removes its data. */
  void close();

  /** The server that the system properties ask for. */
  static Server create(String... settings) {
    return create(
        System.getProperty("postgres", ""),
        System.getProperty("postgres.image", ""),
        System.getProperty("postgres.url", ""),
        parse(settings));
  }

  static Server create(String mode, String image, String url, Map<String, String> settings) {
    if (!url.isBlank()) {
      return new ExistingServer(Login.parse(url), settings);
    }
    Map<String, String> all = new LinkedHashMap<>(DEFAULTS);
    all.putAll(settings);
    return switch (mode) {
      case "", "embedded" -> new EmbeddedServer(all);
      case "testcontainers" -> new ContainerServer(image.isBlank() ? "postgres:18" : image, all);
      default ->
          throw new IllegalArgumentException(
              "-Dpostgres is embedded or testcontainers but it was \""
                  + mode
                  + "\"; an existing server is given by -Dpostgres.url");
    };
  }

  static Map<String, String> parse(String... settings) {
    Map<String, String> parsed = new LinkedHashMap<>();
    for (String setting : settings) {
      var matcher = SETTING.matcher(setting);
      if (!matcher.matches()) {
        throw new IllegalArgumentException(
            "A setting is name=value without spaces or quotes but it was \"" + setting + "\"");
      }
      parsed.put(matcher.group(1), matcher.group(2));
    }
    return parsed;
  }
}
