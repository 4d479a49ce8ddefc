"""Signed requests: who knows the secret may start a flow, within five minutes, and once.

    POST /flows/FLOW?key=KEY                    KEY names the request: the same key is the same run
    MPS-Timestamp: 1700000000                   seconds since the epoch
    MPS-Signature: v1=HEX                       HMAC-SHA256 of  TIMESTAMP.PATH.BODY, the path with its ?key=KEY

The key is part of what is signed, so that a request that was caught on its way cannot be sent again as another one. A
path has no dot, so that no byte can move from it to the body.
"""

import hashlib
import hmac
import os
import re
import secrets
import time
from collections.abc import Mapping
from pathlib import Path

from processors.errors import ConfigError, PlatformError

VARIABLE = "MPS_WEBHOOK_SECRET"
SECRET_BYTES_MIN = 32
"""As long as the digest: a shorter one is what would be guessed."""
TOLERANCE_S = 300
TIMESTAMP, SIGNATURE = "MPS-Timestamp", "MPS-Signature"
VERSION = "v1"
_PATH_FORM = re.compile(r"/flows/([a-z]{1,32})\?key=([A-Za-z0-9_-]{16,128})")
_TIME_FORM = re.compile(r"[0-9]{1,12}")


class UnsignedError(PlatformError):
    """The request is not signed as it must be; says which part, never the secret or what would have been right."""


def read_secret(path: Path | None = None) -> bytes:
    """Return the secret of a file, or of the environment.

    Raises
    ------
    ConfigError
        There is none, or it is too short.
    """
    remedy = f"{SECRET_BYTES_MIN} bytes or more: `openssl rand -hex 32` makes some"
    if path is not None:
        try:
            found, where = path.read_bytes().strip(), str(path)
        except OSError as e:
            raise ConfigError(str(path), "secret", e.strerror, f"a file with {remedy}") from None
    else:
        found, where = os.environ.get(VARIABLE, "").encode(), "environment"
    if len(found) < SECRET_BYTES_MIN:
        # Its length alone: an error goes into logs.
        raise ConfigError(where, VARIABLE, f"{len(found)} bytes" if found else None, remedy)
    return found


def path_of(flow: str, key: str | None = None) -> str:
    """Return the path of a request; with a key that no other has, where none is given."""
    return f"/flows/{flow}?key={key or secrets.token_hex(16)}"


def signature_of(secret: bytes, timestamp: str, path: str, body: bytes) -> str:
    """Return the signature with its version."""
    signed = b".".join((timestamp.encode(), path.encode(), body))
    return f"{VERSION}={hmac.new(secret, signed, hashlib.sha256).hexdigest()}"


def signed_headers(secret: bytes, path: str, body: bytes, now_s: float | None = None) -> dict[str, str]:
    """Return the headers of a request."""
    timestamp = str(int(time.time() if now_s is None else now_s))
    return {TIMESTAMP: timestamp, SIGNATURE: signature_of(secret, timestamp, path, body)}


def verify(secret: bytes, headers: Mapping[str, str], path: str, body: bytes, now_s: float) -> tuple[str, str]:
    """Return the flow and the key of a request that is signed.

    Raises
    ------
    UnsignedError
        A part is missing or malformed, the time is too far off, or the signature is of something else.
    """
    timestamp, signature = headers.get(TIMESTAMP, ""), headers.get(SIGNATURE, "")
    if not _TIME_FORM.fullmatch(timestamp):
        raise UnsignedError(f"{TIMESTAMP} must be there: seconds since the epoch")
    if not signature.startswith(f"{VERSION}="):
        raise UnsignedError(f"{SIGNATURE} must be there: {VERSION}= and 64 hexadecimal digits")
    form = _PATH_FORM.fullmatch(path)
    if form is None:
        raise UnsignedError("the path must be /flows/FLOW?key=KEY, with 16 to 128 letters, digits, dashes, underscores")
    expected = signature_of(secret, timestamp, path, body)
    # As bytes: a text that is not ASCII would raise rather than differ.
    if not hmac.compare_digest(expected.encode(), signature.encode("utf-8", "surrogateescape")):
        raise UnsignedError("the signature is not that of this time, path and body")
    if abs(now_s - int(timestamp)) > TOLERANCE_S:
        raise UnsignedError(f"{TIMESTAMP} is more than {TOLERANCE_S} s from the time here")
    return form[1], form[2]
