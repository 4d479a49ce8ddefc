"""Reading what venues send: JSON however it is packed, numbers and times in their many spellings. Called by parsers."""

import json
import math
import zlib
from datetime import UTC, datetime
from typing import Any

NAN = math.nan
_FRACTION_DIGITS = 9
FRAME_BYTES_MAX = 1 << 26
"""Longest frame once unpacked: a whole book has a few megabytes; more is a bomb."""


def unpacked(frame: str | bytes) -> str:
    """Return the text of a frame: as it is, or out of gzip (Huobi) or raw deflate (OKX until version 3).

    Raises
    ------
    ValueError
        It is none of these, no UTF-8, or longer than ``FRAME_BYTES_MAX``.
    """
    if isinstance(frame, str):
        return frame
    if frame[:2] == b"\x1f\x8b":
        frame = inflated(frame, 16 + zlib.MAX_WBITS)
    elif frame[:1] not in b'{["p' and not frame[:1].isspace():
        frame = inflated(frame, -zlib.MAX_WBITS)
    return frame.decode()


def inflated(frame: bytes, bits: int) -> bytes:
    """Return what compressed bytes hold; ``bits`` as zlib names the window and the wrapping.

    Raises
    ------
    ValueError
        They are not compressed so, or hold more than ``FRAME_BYTES_MAX``.
    """
    try:
        unzip = zlib.decompressobj(bits)
        out = unzip.decompress(frame, FRAME_BYTES_MAX)
    except zlib.error as e:
        raise ValueError(f"neither text nor compressed text: {e}") from e
    if unzip.unconsumed_tail:
        raise ValueError(f"more than {FRAME_BYTES_MAX:,} bytes")
    return out


def message_of(text: str) -> Any:
    """Return what a JSON text says.

    Raises
    ------
    ValueError
        It is no JSON, nested too deep, or has a number that is none.
    """
    try:
        return json.loads(text, parse_constant=_refuse)
    except RecursionError as e:
        raise ValueError("nested too deep") from e


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no number")


def number(value: Any) -> float:
    """Return a price or size; null and the empty text, with which venues leave a side out, are NaN.

    Raises
    ------
    ValueError
        It is something else, or not finite.
    """
    if value is None or value == "":
        return NAN
    if isinstance(value, bool):
        raise ValueError(f"{value!r} is no number")  # noqa: TRY004 - one error for what a venue may get wrong
    out = float(value)
    if not math.isfinite(out):
        raise ValueError(f"{value!r} is no number")
    return out


def iso_ns(text: str) -> int:
    """Return nanoseconds since the epoch of an ISO time, UTC where it names no zone; all digits are kept.

    Raises
    ------
    ValueError
        It is no such time.
    """
    seconds, zone = (text[:-1], "") if text.endswith("Z") else (text, "")
    if len(seconds) > 19 and seconds[-6] in "+-" and seconds[-3] == ":":
        seconds, zone = seconds[:-6], seconds[-6:]
    whole, _, fraction = seconds.partition(".")
    at = datetime.fromisoformat(whole + (zone or "+00:00"))
    since = at - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * 1_000_000_000 + _fraction_ns(fraction)


def decimal_ns(value: Any, unit_ns: int = 1_000_000_000) -> int:
    """Return nanoseconds of a count of seconds (or of ``unit_ns``), as text or number, exact to the last digit given.

    Raises
    ------
    ValueError
        It is no number.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        return value * unit_ns
    # A float has no room for nanoseconds of this century: its shortest text has what was sent.
    whole, _, fraction = str(value).partition(".")
    return int(whole) * unit_ns + _fraction_ns(fraction) * unit_ns // 1_000_000_000


def ms_ns(value: Any) -> int:
    """Return nanoseconds of a count of milliseconds."""
    return decimal_ns(value, 1_000_000)


def us_ns(value: Any) -> int:
    """Return nanoseconds of a count of microseconds."""
    return decimal_ns(value, 1000)


def _fraction_ns(digits: str) -> int:
    if not digits:
        return 0
    if not digits.isdigit():
        raise ValueError(f"{digits!r} are no digits")
    return int(digits[:_FRACTION_DIGITS].ljust(_FRACTION_DIGITS, "0"))
