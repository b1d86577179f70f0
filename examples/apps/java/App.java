import com.sun.net.httpserver.HttpServer;
import java.net.InetSocketAddress;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.time.Duration;
import java.util.Objects;
import java.util.concurrent.atomic.AtomicReference;

/** A server that accepts the API key in the file api-key of the volume: the new one as soon as it has been rotated. */
public final class App {
  public static void main(String[] args) throws Exception {
    var apiKey = new AtomicReference<byte[]>();
    var directory = Path.of(System.getenv().getOrDefault("SECRETS", "/mnt/secrets-store"));
    SecretsVolume.follow(directory, Duration.ofSeconds(5), files ->
      apiKey.set(Objects.requireNonNull(files.get("api-key"), "the volume has no file api-key")));

    var host = System.getenv().getOrDefault("HOST", "0.0.0.0");
    var port = Integer.parseInt(System.getenv().getOrDefault("PORT", "8080"));
    var server = HttpServer.create(new InetSocketAddress(host, port), 0);
    server.createContext("/", exchange -> {
      var sent = Objects.requireNonNullElse(exchange.getRequestHeaders().getFirst("Authorization"), "");
      var accepted = MessageDigest.isEqual(sent.replaceFirst("^Bearer ", "").getBytes(), apiKey.get());
      exchange.sendResponseHeaders(accepted ? 204 : 401, -1);
      exchange.close();
    });
    server.start();
    System.out.println("listening on port " + server.getAddress().getPort());
  }
}
