"""An HTTPS server with the certificate in the file tls.pem of the volume: new connections get the renewed one."""
import os
import signal
import ssl
import sys
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


# The first process of a container ends at SIGTERM only if it asks for it; otherwise Kubernetes waits 30 seconds and kills it.
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
follow_secrets(volume, use)
address = (os.environ.get("HOST", "0.0.0.0"), int(os.environ.get("PORT", "8443")))
server = ThreadingHTTPServer(address, Handler)
server.socket = listening.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
print(f"listening on port {server.server_port}", flush=True)
server.serve_forever()
