static class SecretsVolume
{
    /// <summary>All files of a mounted volume, of one and the same version: names and bytes.</summary>
    public static Dictionary<string, byte[]> Read(string directory)
    {
        while (true)
        {
            var version = Version(directory);
            try
            {
                var files = ReadAll(Path.Combine(directory, version));
                if (Version(directory) == version) return files;
            }
            catch (IOException) when (Version(directory) != version)
            {
            }
            // Replaced while it was read: read the next one.
        }
    }

    static Dictionary<string, byte[]> ReadAll(string version) =>
        Directory.GetFiles(version, "*", SearchOption.AllDirectories)
            .ToDictionary(file => Path.GetRelativePath(version, file), File.ReadAllBytes);

    /// <summary>Calls use with the secrets now, and again after each rotation. Throws if they cannot be read or used now.</summary>
    public static void Follow(string directory, TimeSpan every, Action<Dictionary<string, byte[]>> use)
    {
        var version = Version(directory);
        use(Read(directory));
        _ = Task.Run(async () =>
        {
            while (true)
            {
                await Task.Delay(every);
                try
                {
                    var found = Version(directory);
                    if (found == version) continue;
                    use(Read(directory));
                    version = found;
                }
                catch (Exception e)
                {
                    Console.Error.WriteLine($"the new secrets cannot be used, the old ones stay in use: {e.Message}");
                }
            }
        });
    }

    static string Version(string directory) =>
        new DirectoryInfo(Path.Combine(directory, "..data")).LinkTarget
            ?? throw new DirectoryNotFoundException($"{directory} is not a mounted volume");
}
