"""What a caller asks, checked before any work is done."""

from dataclasses import dataclass
from datetime import UTC, datetime

import grpc

from schemas.timeframes import TIMEFRAMES
from serving.generated import score_pb2 as pb

SYMBOL_CHARS_MAX = 64
AS_OF_MIN_NS = int(datetime(1990, 1, 1, tzinfo=UTC).timestamp()) * 1_000_000_000
"""No recorded market data of ours is older: an earlier time is a mistaken unit."""
AS_OF_MAX_NS = int(datetime(2200, 1, 1, tzinfo=UTC).timestamp()) * 1_000_000_000


@dataclass(frozen=True, slots=True)
class Failure:
    """Why there is no answer.

    Parameters
    ----------
    message
        Names the instrument, the values and what is allowed.
    """

    code: grpc.StatusCode
    message: str


@dataclass(frozen=True, slots=True)
class Asked:
    """A checked request.

    Parameters
    ----------
    as_of_ns
        Nanoseconds since the epoch, UTC; None for now.
    """

    symbol_id: str
    tf: str
    as_of_ns: int | None


def asked(request: pb.ScoreRequest) -> Asked | Failure:
    """Return what the request asks, or INVALID_ARGUMENT with what is allowed."""
    symbol = request.symbol_id
    if not symbol or len(symbol) > SYMBOL_CHARS_MAX:
        return _invalid(f"symbol_id is {symbol[:80]!r}: 1 to {SYMBOL_CHARS_MAX} characters, for example EURUSD:FX")
    if request.tf not in TIMEFRAMES:
        return _invalid(f"tf is {request.tf[:20]!r}: one of {', '.join(TIMEFRAMES)}")
    if not request.HasField("as_of"):
        return Asked(symbol, request.tf, None)
    seconds, nanos = request.as_of.seconds, request.as_of.nanos
    as_of_ns = seconds * 1_000_000_000 + nanos
    if not (AS_OF_MIN_NS <= as_of_ns < AS_OF_MAX_NS and 0 <= nanos < 1_000_000_000):
        return _invalid(
            f"as_of is {seconds} s and {nanos} ns since 1970-01-01: from 1990-01-01 to 2199-12-31 UTC, "
            "nanoseconds from 0 to 999999999"
        )
    return Asked(symbol, request.tf, as_of_ns)


def _invalid(message: str) -> Failure:
    return Failure(grpc.StatusCode.INVALID_ARGUMENT, message)
