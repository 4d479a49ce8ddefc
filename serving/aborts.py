"""How a gRPC call ends without an answer: the status, and a message that reaches its caller."""

from typing import Any, NoReturn

import grpc

from processors.errors import PlatformError

MESSAGE_BYTES_MAX = 2000
"""It travels in a header, of 8 KiB at most, with three bytes for each that is not printable ASCII. A longer one never
arrives: the caller would get RESOURCE_EXHAUSTED, and read of the header's size."""
FAULT = "a fault of the service: its log says more"
"""What a caller is told of an error that nobody foresaw: its text may name files and values that are none of his."""

Context = grpc.aio.ServicerContext[Any, Any]


async def abort(context: Context, code: grpc.StatusCode, message: str) -> NoReturn:
    """End a call with a status; what is too long of the message is left out."""
    await context.abort(code, shortened(message))
    raise PlatformError(message)


def shortened(message: str) -> str:
    """Return a message that fits into a header."""
    raw = message.encode(errors="replace")
    return message if len(raw) <= MESSAGE_BYTES_MAX else raw[:MESSAGE_BYTES_MAX].decode(errors="ignore") + "..."
