"""Serve the registry's calls over HTTP: `python -m deploy.local.registry_server --port 18081`.

Started by the stack, which hands it a socket that listens already, and in a container by the compose file.
"""

import argparse
import json
import signal
import socket
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


def make_server(registry: Registry, listening: socket.socket) -> ThreadingHTTPServer:
    """Return a server that answers from the registry on a socket that listens already."""

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

    server = ThreadingHTTPServer(listening.getsockname(), Handler, bind_and_activate=False)
    server.socket.close()
    server.socket = listening
    # A client that keeps its connection open does not keep the process alive.
    server.daemon_threads = True
    return server


def main(arguments: list[str]) -> int:
    """Serve until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(prog="registry_server", description=__doc__)
    parser.add_argument("--host", default=LOOPBACK)
    parser.add_argument("--port", type=int, default=PORT)
    parser.add_argument("--fd", type=int, help="a socket that listens already, in place of host and port")
    chosen = parser.parse_args(arguments)
    if chosen.fd is None:
        listening = socket.create_server((chosen.host, chosen.port))
    else:
        listening = socket.socket(fileno=chosen.fd)
    server = make_server(load_registry(), listening)

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
