"""The HTTP endpoint of the process that owns an embedded warehouse: as much of ClickHouse's interface as readers use.

    POST /?default_format=JSONCompact       the query is the body (or ``?query=``, or both, joined)
    GET  /?query=SELECT%201                 likewise
    GET  /ping                              "Ok."
    GET  /stats                             rows and lag of each table, as JSON

``database``, ``param_NAME`` and ClickHouse settings may stand in the address as with a ClickHouse server; its error
texts, codes and headers are the same, so ``clickhouse-connect`` over plain HTTP works with it. Reading only, on
loopback only.
"""

import json
import logging
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from offline.warehouse.engine import Answer, Engine, QueryError
from offline.warehouse.guard import StatementRefusedError

LOOPBACK = "127.0.0.1"
PORT = 18123
QUERY_BYTES_MAX = 1 << 20
CONNECTIONS_MAX = 64
QUERIES_MAX = 4
"""Queries at work at once; the others wait. The sink writes meanwhile."""
QUERY_WAIT_S = 30.0
IDLE_S = 60.0
"""A connection that says nothing for so long is closed."""

NOT_SETTINGS = frozenset(
    {
        *("query", "default_format", "database", "user", "password", "quota_key", "role", "query_id"),
        *("session_id", "session_timeout", "session_check", "compress", "decompress", "buffer_size"),
        *("enable_http_compression", "http_zlib_compression_level", "wait_end_of_query", "client_protocol_version"),
        *("send_progress_in_http_headers", "http_headers_progress_interval_ms"),
        "cancel_http_readonly_queries_on_client_close",
    }
)
"""What the transport of ClickHouse takes itself; of no meaning here."""

FAULTS_OF_THE_QUERY = frozenset({36, 43, 44, 46, 47, 53, 60, 62, 81, 115})
"""Codes of faults in the query: HTTP status 400, those of names 404. All others 500, as with a ClickHouse server."""
_NOT_FOUND = frozenset({46, 60, 81, 115})

_log = logging.getLogger(__name__)

Stats = Callable[[], dict[str, Any]]


class WarehouseServer(ThreadingHTTPServer):
    """Serves an engine until ``close``.

    Parameters
    ----------
    engine
        None where the warehouse is a ClickHouse server: ``/stats`` and ``/ping`` only.
    stats
        What ``/stats`` answers.
    port
        On loopback; 0 takes a free one, to be read from ``url``.

    Raises
    ------
    OSError
        The port is in use.
    """

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, engine: Engine | None, stats: Stats, port: int = 0) -> None:
        self.engine, self.stats = engine, stats
        self.queries = threading.BoundedSemaphore(QUERIES_MAX)
        self._connections = threading.BoundedSemaphore(CONNECTIONS_MAX)
        super().__init__((LOOPBACK, port), _Handler)
        self._thread = threading.Thread(target=self.serve_forever, name="warehouse-http", daemon=True)

    @property
    def url(self) -> str:
        """Return "http://127.0.0.1:PORT"."""
        return f"http://{LOOPBACK}:{self.server_port}"

    def start(self) -> None:
        """Answer from now on, in a thread of its own."""
        self._thread.start()

    def close(self) -> None:
        """Stop answering."""
        if self._thread.is_alive():
            self.shutdown()
            self._thread.join()
        self.server_close()

    def process_request(self, request: Any, client_address: Any) -> None:
        """Start a thread for a connection, unless there are too many: then hang up."""
        if not self._connections.acquire(blocking=False):
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Serve one connection."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._connections.release()

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 - as the base class calls it
        """Note a connection that broke; the next is not concerned."""
        _log.debug("a connection from %s broke", client_address, exc_info=True)


class _Handler(BaseHTTPRequestHandler):
    server: WarehouseServer
    protocol_version = "HTTP/1.1"
    server_version = "mps-warehouse"
    timeout = IDLE_S
    # Headers and body are two writes: without this the second waits 40 ms for the first one's acknowledgement.
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        self._route(b"")

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length", "")
        if not length.isdigit() or int(length) > QUERY_BYTES_MAX:
            self.close_connection = True
            self._send(413, f"a query has a Content-Length of at most {QUERY_BYTES_MAX} bytes\n".encode())
            return
        self._route(self.rfile.read(int(length)))

    def _route(self, body: bytes) -> None:
        if not self._is_from_here():
            self._send(403, b"requests of web pages are refused\n")
            return
        at = urlsplit(self.path)
        if at.path == "/ping":
            self._send(200, b"Ok.\n")
        elif at.path == "/stats":
            self._send(200, json.dumps(self.server.stats()).encode() + b"\n", "application/json")
        elif at.path == "/" and self.server.engine is not None:
            self._query(self.server.engine, dict(parse_qsl(at.query, keep_blank_values=True)), body)
        else:
            self._send(404, b"there is /, /ping and /stats\n")

    def _is_from_here(self) -> bool:
        """Return whether no web page is behind the request: a browser would let any page ask any loopback port.

        The Host header shows a page that has pointed its own name at loopback, the others show all the rest.
        """
        host = self.headers.get("Host", "").rsplit(":", 1)[0]
        site = self.headers.get("Sec-Fetch-Site", "none")
        return host in {LOOPBACK, "localhost", ""} and "Origin" not in self.headers and site in {"none", "same-origin"}

    def _query(self, engine: Engine, given: dict[str, str], body: bytes) -> None:
        try:
            sql = "\n".join(part for part in (given.get("query", ""), body.decode()) if part)
        except UnicodeDecodeError:
            self._fail(400, 62, "the query is not UTF-8 (a compressed body is not understood)")
            return
        if not self.server.queries.acquire(timeout=QUERY_WAIT_S):
            self._fail(503, 202, f"Too many simultaneous queries: {QUERIES_MAX} at work for {QUERY_WAIT_S:.0f} s")
            return
        try:
            answer = engine.ask(
                sql,
                given.get("default_format", "TabSeparated"),
                database=given.get("database"),
                settings={k: v for k, v in given.items() if k not in NOT_SETTINGS and not k.startswith("param_")},
                params={k.removeprefix("param_"): v for k, v in given.items() if k.startswith("param_")},
            )
        except StatementRefusedError as e:
            self._fail(403, 164, f"Code: 164. DB::Exception: {e}. (READONLY)")
        except QueryError as e:
            status = (404 if e.code in _NOT_FOUND else 400) if e.code in FAULTS_OF_THE_QUERY else 500
            self._fail(status, e.code, str(e))
        else:
            self._answer(answer)
        finally:
            self.server.queries.release()

    def _answer(self, answer: Answer) -> None:
        summary = {
            "read_rows": str(answer.rows_read),
            "read_bytes": str(answer.bytes_read),
            "elapsed_ns": str(int(answer.elapsed_s * 1e9)),
        }
        headers = {
            "X-ClickHouse-Format": answer.format,
            "X-ClickHouse-Timezone": "UTC",
            "X-ClickHouse-Summary": json.dumps(summary),
        }
        self._send(200, answer.body, "application/octet-stream", headers)

    def _fail(self, status: int, code: int, message: str) -> None:
        self._send(status, message.encode() + b"\n", headers={"X-ClickHouse-Exception-Code": str(code)})

    def _send(
        self, status: int, body: bytes, kind: str = "text/plain; charset=UTF-8", headers: dict[str, str] | None = None
    ) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - as the base class calls it
        _log.debug(format, *args)
