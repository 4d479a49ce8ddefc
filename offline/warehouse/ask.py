"""Ask a warehouse over HTTP: a ClickHouse server, or the process that owns an embedded one."""

import base64
import http.client
import json
from collections.abc import Mapping
from urllib.parse import unquote, urlencode, urlsplit

from offline.warehouse.engine import Answer, QueryError
from processors.errors import RetryableError

TIMEOUT_S = 120.0
PING_TIMEOUT_S = 2.0


def _connection(url: str, timeout_s: float) -> http.client.HTTPConnection:
    at = urlsplit(url)
    if at.scheme == "https":
        return http.client.HTTPSConnection(at.hostname or "localhost", at.port or 8443, timeout=timeout_s)
    return http.client.HTTPConnection(at.hostname or "localhost", at.port or 8123, timeout=timeout_s)


def answers(url: str) -> bool:
    """Return whether a warehouse is at the address."""
    connection = _connection(url, PING_TIMEOUT_S)
    try:
        connection.request("GET", "/ping")
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def ask(url: str, sql: str, default_format: str, *, database: str, settings: Mapping[str, str] | None = None) -> Answer:
    """Return the answer to a query.

    Parameters
    ----------
    url
        "http://user:password@host:port"; "clickhouse" for "http" is fine.

    Raises
    ------
    QueryError
        ClickHouse refused the query; the message is its own.
    RetryableError
        Nobody answers.
    """
    at = urlsplit(url)
    headers = {}
    if at.username:
        pair = f"{unquote(at.username)}:{unquote(at.password or '')}"
        headers["Authorization"] = "Basic " + base64.b64encode(pair.encode()).decode()
    given = {"default_format": default_format, "database": database, **(settings or {})}
    connection = _connection(url, TIMEOUT_S)
    try:
        connection.request("POST", "/?" + urlencode(given), body=sql.encode(), headers=headers)
        response = connection.getresponse()
        body = response.read()
    except (OSError, http.client.HTTPException) as e:
        raise RetryableError(f"the warehouse at {at.hostname}:{at.port} does not answer: {e}") from None
    finally:
        connection.close()
    if response.status != http.client.OK:
        raise QueryError(body.decode(errors="replace"))
    summary = json.loads(response.headers.get("X-ClickHouse-Summary") or "{}")
    return Answer(
        body, response.headers.get("X-ClickHouse-Format", default_format), int(summary.get("read_rows", 0)),
        int(summary.get("read_bytes", 0)), int(summary.get("elapsed_ns", 0)) / 1e9,
    )  # fmt: skip
