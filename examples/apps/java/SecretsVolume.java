import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashMap;
import java.util.Map;
import java.util.function.Consumer;

final class SecretsVolume {
  /** All files of a mounted volume, of one and the same version: names and bytes. */
  static Map<String, byte[]> read(Path directory) throws IOException {
    Path link = directory.resolve("..data");
    while (true) {
      Path version = Files.readSymbolicLink(link);
      try {
        Map<String, byte[]> files = readAll(directory.resolve(version));
        if (Files.readSymbolicLink(link).equals(version)) return files;
      } catch (IOException | UncheckedIOException e) {
        if (Files.readSymbolicLink(link).equals(version)) throw e;
      }
      // Replaced while it was read: read the next one.
    }
  }

  private static Map<String, byte[]> readAll(Path version) throws IOException {
    Map<String, byte[]> files = new HashMap<>();
    try (var paths = Files.walk(version)) {
      for (Path path : (Iterable<Path>) paths.filter(Files::isRegularFile)::iterator) {
        files.put(version.relativize(path).toString(), Files.readAllBytes(path));
      }
    }
    return files;
  }

  /** Calls use with the secrets now, and again after each rotation. Throws if they cannot be read or used now. */
  static void follow(Path directory, Duration every, Consumer<Map<String, byte[]>> use) throws IOException {
    Path link = directory.resolve("..data");
    Path first = Files.readSymbolicLink(link);
    use.accept(read(directory));
    Thread poll = new Thread(() -> {
      Path version = first;
      while (true) {
        try {
          Thread.sleep(every.toMillis());
          Path found = Files.readSymbolicLink(link);
          if (found.equals(version)) continue;
          use.accept(read(directory));
          version = found;
        } catch (InterruptedException e) {
          return;
        } catch (IOException | RuntimeException e) {
          System.err.println("the new secrets cannot be used, the old ones stay in use: " + e);
        }
      }
    });
    poll.setDaemon(true);
    poll.start();
  }
}
