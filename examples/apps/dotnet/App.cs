// A server that accepts the API key in the file api-key of the volume: the new one as soon as it has been rotated.
using System.Net;
using System.Security.Cryptography;
using System.Text;

static string Setting(string name, string otherwise) => Environment.GetEnvironmentVariable(name) ?? otherwise;

byte[] apiKey = [];
SecretsVolume.Follow(Setting("SECRETS", "/mnt/secrets-store"), TimeSpan.FromSeconds(5), files => apiKey = files["api-key"]);

var port = Setting("PORT", "8080");
using var server = new HttpListener();
server.Prefixes.Add($"http://{Setting("HOST", "+")}:{port}/");
server.Start();
Console.WriteLine($"listening on port {port}");
while (true)
{
    var context = server.GetContext();
    var sent = (context.Request.Headers["Authorization"] ?? "").Replace("Bearer ", "");
    var accepted = CryptographicOperations.FixedTimeEquals(Encoding.UTF8.GetBytes(sent), apiKey);
    context.Response.StatusCode = accepted ? 204 : 401;
    context.Response.Close();
}
