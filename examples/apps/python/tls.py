"""An HTTPS server with the certificate in the file tls.pem of the volume: new connections get the renewed one."""
import os
import ssl
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from secrets_volume import follow_secrets

volume = os.environ.get("SECRETS", "/mnt/secrets-store")
listening = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)


def use(_):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(Path(volume, "tls.pem"))  # private key, then the certificates, leaf first
    listening.sni_callback = lambda connection, *_: setattr(connection, "context", context)


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"hello\n")

    def log_message(self, *_):
        pass


follow_secrets(volume, use)
address = (os.environ.get("HOST", "0.0.0.0"), int(os.environ.get("PORT", "8443")))
server = ThreadingHTTPServer(address, Handler)
server.socket = listening.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
print(f"listening on port {server.server_port}", flush=True)
server.serve_forever()
