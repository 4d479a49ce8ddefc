"""What a webhook gets and when it is tried again: pure. ``delivery`` sends it.

The signature covers the time of sending and the body, so that neither can be changed, and an old request that somebody
has recorded is refused by its time::

    X-MPS-Timestamp: 1700000000                              seconds, the clock of the sender
    X-MPS-Signature: v1=hex(HMAC-SHA256(secret, "1700000000." + body))
    Idempotency-Key: <webhook>|<alert id>                     the same for every attempt, also after a restart
"""

import hashlib
import hmac
import json
from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any

from processors.feedback.config import Delivery, Webhook
from processors.feedback.rules import EVENT_OF_KIND, Alert

SENT, RETRY, DEAD = "sent", "retry", "dead"
_PASSING = frozenset({408, 425, 429})
"""Refusals that may pass: time-out, too early, too many."""


def wanted(webhook: Webhook, alert: Alert) -> bool:
    """Return whether a webhook is to get an alert."""
    event = EVENT_OF_KIND.get(alert.kind)
    if event not in webhook.events or (webhook.kinds and alert.kind not in webhook.kinds):
        return False
    if alert.source and webhook.sources and not any(fnmatchcase(alert.source, s) for s in webhook.sources):
        return False
    # A rate belongs to no symbol: who asks for some symbols only is not told of a class.
    return any(fnmatchcase(alert.symbol_id, pattern) for pattern in webhook.symbols)


def key_of(webhook: Webhook, alert: Alert) -> str:
    """Return the idempotency key of one delivery."""
    return f"{webhook.name}|{alert.id}"


def body_of(alert: Alert) -> bytes:
    """Return the JSON body: the same bytes at every attempt. Times are ISO 8601 with nanoseconds, in UTC."""
    record: dict[str, Any] = {"event": EVENT_OF_KIND[alert.kind], **alert.record()}
    record["ts"], record["since"] = iso(alert.ts), iso(alert.since)
    record["detail"] = json.loads(alert.detail)
    return json.dumps(record, sort_keys=True, separators=(",", ":")).encode()


def iso(ns: int) -> str:
    """Return an event time as text, nothing rounded."""
    from datetime import UTC, datetime

    seconds, rest = divmod(ns, 1_000_000_000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:09d}Z"


def sign(secret: bytes, timestamp_s: int, body: bytes) -> str:
    """Return the value of ``X-MPS-Signature``."""
    return "v1=" + hmac.new(secret, str(timestamp_s).encode() + b"." + body, hashlib.sha256).hexdigest()


def headers_of(webhook: Webhook, alert: Alert, body: bytes, timestamp_s: int) -> dict[str, str]:
    """Return the headers of one attempt, signed at that second."""
    return {
        "Content-Type": "application/json",
        "User-Agent": "mps-feedback",
        "Idempotency-Key": key_of(webhook, alert),
        "X-MPS-Event": EVENT_OF_KIND[alert.kind],
        "X-MPS-Timestamp": str(timestamp_s),
        "X-MPS-Signature": sign(webhook.secret, timestamp_s, body),
    }


def fate_of(status: int) -> str:
    """Return what an answer means: 2xx is accepted; 408, 425, 429 and 5xx may pass; all else is refused for good.

    A redirect is refused: where an alert goes is what the file says, not what an answer says.
    """
    if 200 <= status < 300:
        return SENT
    return RETRY if status in _PASSING or status >= 500 else DEAD


def pause_s(delivery: Delivery, attempt: int, uniform: float, headers: Mapping[str, str]) -> float:
    """Return the wait after a failed attempt: exponential with full jitter, at least what the receiver asks for.

    Parameters
    ----------
    attempt
        1 after the first.
    uniform
        Random in [0, 1): many senders that failed together must not come back together.
    headers
        Of the answer; ``Retry-After`` in seconds is obeyed up to the longest pause.
    """
    longest = min(delivery.pause_s_max, delivery.pause_s_first * 2.0 ** (attempt - 1))
    asked = headers.get("Retry-After", "")
    least = float(asked) if asked.isascii() and asked.isdigit() else 0.0
    return min(max(longest * uniform, least), delivery.pause_s_max)
