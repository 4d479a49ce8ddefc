"""Serve the registry's calls over HTTP: `python -m deploy.local.registry_server --port 18081`.

Started by the stack, and in a container by the compose file.
"""

import argparse
import json
import signal
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

from deploy.local.ports import LOOPBACK
from deploy.local.registry import Answer, answer
from schemas.registry import Registry, load_registry

PORT = 18081
BODY_MAX_BYTES = 1 << 20
SOCKET_TIMEOUT_S = 30
CONTENT_TYPE = "application/vnd.schemaregistry.v1+json"


def make_server(registry: Registry, host: str, port: int) -> ThreadingHTTPServer:
    """Return a bound server that answers from the registry; port 0 takes a free one."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = SOCKET_TIMEOUT_S

        def do_GET(self) -> None:
            self._send(answer(registry, "GET", unquote(urlsplit(self.path).path)))

        def do_POST(self) -> None:
            length = self.headers.get("Content-Length", "")
            if not length.isdigit() or int(length) > BODY_MAX_BYTES:
                # The unread body would be taken for the next request.
                self.close_connection = True
                self._send(Answer(413, {"error_code": 413, "message": f"a body of at most {BODY_MAX_BYTES} bytes"}))
                return
            body = self.rfile.read(int(length))
            self._send(answer(registry, "POST", unquote(urlsplit(self.path).path), body))

        def _send(self, reply: Answer) -> None:
            content = json.dumps(reply.body).encode()
            self.send_response(reply.status)
            self.send_header("Content-Type", CONTENT_TYPE)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    server = ThreadingHTTPServer((host, port), Handler)
    # A client that keeps its connection open does not keep the process alive.
    server.daemon_threads = True
    return server


def main(arguments: list[str]) -> int:
    """Serve until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(prog="registry_server", description=__doc__)
    parser.add_argument("--host", default=LOOPBACK)
    parser.add_argument("--port", type=int, default=PORT)
    chosen = parser.parse_args(arguments)
    server = make_server(load_registry(), chosen.host, chosen.port)

    def stop(*_: object) -> None:
        # From a thread of its own: shutdown() waits for the loop that this handler interrupts.
        threading.Thread(target=server.shutdown).start()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    server.serve_forever(poll_interval=0.1)
    server.server_close()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
