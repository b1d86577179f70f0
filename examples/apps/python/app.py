"""A server that accepts the API key in the file api-key of the volume: the new one as soon as it has been rotated."""
import hmac
import os
import signal
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from secrets_volume import follow_secrets

api_key = b""


def use(files):
    global api_key
    api_key = files["api-key"]


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        sent = self.headers.get("Authorization", "").removeprefix("Bearer ")
        self.send_response(204 if hmac.compare_digest(sent.encode(), api_key) else 401)
        self.end_headers()

    def log_message(self, *_):
        pass


# The first process of a container ends at SIGTERM only if it asks for it; otherwise Kubernetes waits 30 seconds and kills it.
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
follow_secrets(os.environ.get("SECRETS", "/mnt/secrets-store"), use)
address = (os.environ.get("HOST", "0.0.0.0"), int(os.environ.get("PORT", "8080")))
server = ThreadingHTTPServer(address, Handler)
print(f"listening on port {server.server_port}", flush=True)
server.serve_forever()
