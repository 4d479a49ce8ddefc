"""A receiver of webhooks as its owner would write one, and records of freshness for the tests."""

import hashlib
import hmac
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

SECRET = "a secret of sufficient length"  # noqa: S105 - of the tests
SECOND = 1_000_000_000
T0 = 1_700_000_000 * SECOND


@dataclass(frozen=True)
class Request:
    """One request as it came, and what was answered."""

    key: str
    body: bytes
    timestamp: str
    signature: str
    status: int

    @property
    def json(self) -> dict[str, Any]:
        """Return the body."""
        return json.loads(self.body)

    @property
    def is_signed(self) -> bool:
        """Say whether the signature is right, by the documented words alone."""
        message = self.timestamp.encode() + b"." + self.body
        return self.signature == "v1=" + hmac.new(SECRET.encode(), message, hashlib.sha256).hexdigest()


@dataclass
class Receiver:
    """Answers each request with what ``status_of`` says: it gets the idempotency key and the number of its attempt."""

    status_of: Callable[[str, int], int] = lambda *_: 200
    pause_s: float = 0.0
    requests: list[Request] = field(default_factory=list)
    at_once: int = 0
    most_at_once: int = 0

    def __enter__(self) -> Self:
        """Listen on a free port."""
        receiver, lock = self, threading.Lock()

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                key = self.headers["Idempotency-Key"]
                with lock:
                    receiver.at_once += 1
                    receiver.most_at_once = max(receiver.most_at_once, receiver.at_once)
                    attempt = sum(r.key == key for r in receiver.requests) + 1
                    status = receiver.status_of(key, attempt)
                    receiver.requests.append(
                        Request(key, body, self.headers["X-MPS-Timestamp"], self.headers["X-MPS-Signature"], status)
                    )
                threading.Event().wait(receiver.pause_s)
                with lock:
                    receiver.at_once -= 1
                try:
                    self.send_response(status)
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                except OSError:
                    # The sender was killed while it waited.
                    return

            def log_message(self, *_: object) -> None:
                """Be silent."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        """Return where it listens."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/hook"

    def accepted(self) -> list[str]:
        """Return the keys of accepted requests, in order, repeats included."""
        return [r.key for r in self.requests if r.status == 200]


def change(
    symbol: str, ts_s: float, state: str, previous: str = "fresh", source: str = "consensus", tf: str = "1m"
) -> dict[str, Any]:
    """Return a record of ``data.freshness``."""
    ts = T0 + int(ts_s * SECOND)
    return {
        "symbol_id": symbol, "source": source, "tf": tf, "ts": ts, "age_ms": 1000.0 + ts_s, "threshold_ms": 5000.0,
        "state": state, "previous": previous, "since": ts - SECOND,
    }  # fmt: skip
