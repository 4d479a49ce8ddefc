"""The functions of librdkafka that compiled code calls, bound by name from the library inside the wheel.

Bound by name rather than by address, so that numba can cache the compiled code between processes.

    rd_kafka_message_t (64-bit):  0 err | 8 topic | 16 partition | 24 payload | 32 len | 40 key | 48 key_len | 56 offset
"""

import ctypes
import logging
from functools import cache
from pathlib import Path
from typing import Any

import confluent_kafka
import llvmlite.binding as llvm
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

log = logging.getLogger(__name__)

VERSIONS = ("2.15.", "2.16.", "2.17.")
"""Versions of confluent-kafka whose object layout and message layout were checked by the tests."""
_HANDLE_OFFSET_BYTES = 16
"""Where a confluent-kafka object keeps its rd_kafka_t pointer: right behind the Python object header."""

address = types.uint64
message_destroy: Any = types.ExternalFunction("rd_kafka_message_destroy", types.void(address))
message_timestamp: Any = types.ExternalFunction("rd_kafka_message_timestamp", types.int64(address, address))
consume_batch_queue: Any = types.ExternalFunction(
    "rd_kafka_consume_batch_queue", types.int64(address, types.int32, address, address)
)
produce: Any = types.ExternalFunction(
    "rd_kafka_produce",
    types.int32(address, types.int32, types.int32, address, address, address, address, address),
)
last_error: Any = types.ExternalFunction("rd_kafka_last_error", types.int32())
memcpy: Any = types.ExternalFunction("memcpy", address(address, address, address))


def _load_i64(_context: object, _address: object) -> Any:
    """Return the int64 at an address."""

    def generate(_context: object, builder: ir.IRBuilder, _signature: object, arguments: list[ir.Value]) -> ir.Value:
        return builder.load(builder.inttoptr(arguments[0], ir.IntType(64).as_pointer()))

    return types.int64(types.uint64), generate


def _load_i32(_context: object, _address: object) -> Any:
    """Return the int32 at an address."""

    def generate(_context: object, builder: ir.IRBuilder, _signature: object, arguments: list[ir.Value]) -> ir.Value:
        return builder.load(builder.inttoptr(arguments[0], ir.IntType(32).as_pointer()))

    return types.int32(types.uint64), generate


load_i64: Any = intrinsic(_load_i64)
load_i32: Any = intrinsic(_load_i32)


@cache
def load_library() -> ctypes.CDLL | None:
    """Return the librdkafka of the wheel, opened for calls by name; None (with a log line) where it cannot be used."""
    version = str(confluent_kafka.version())
    if not version.startswith(VERSIONS):
        log.warning("native path off: confluent-kafka %s was not checked (checked: %s)", version, ", ".join(VERSIONS))
        return None
    package = Path(confluent_kafka.__file__).parent
    found = sorted([*package.parent.glob("confluent_kafka.libs/librdkafka-*"), *package.glob(".dylibs/librdkafka*")])
    if len(found) != 1:
        log.warning("native path off: expected one librdkafka in the wheel, found %d", len(found))
        return None
    llvm.load_library_permanently(str(found[0]))
    library = ctypes.CDLL(str(found[0]))
    pointer = ctypes.c_void_p
    for name, result, arguments in (
        ("rd_kafka_queue_get_partition", pointer, (pointer, ctypes.c_char_p, ctypes.c_int32)),
        ("rd_kafka_queue_forward", None, (pointer, pointer)),
        ("rd_kafka_queue_destroy", None, (pointer,)),
        ("rd_kafka_name", ctypes.c_char_p, (pointer,)),
        ("rd_kafka_topic_new", pointer, (pointer, ctypes.c_char_p, pointer)),
        ("rd_kafka_topic_destroy", None, (pointer,)),
    ):
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library


def handle_of(client: object) -> int | None:
    """Return the rd_kafka_t address of a confluent-kafka client, None where it is not where it is expected.

    The name of the handle is checked, so that a changed object layout ends in the plain path.
    """
    library = load_library()
    if library is None:
        return None
    handle = ctypes.c_void_p.from_address(id(client) + _HANDLE_OFFSET_BYTES).value
    if not handle or not library.rd_kafka_name(handle).startswith(b"rdkafka#"):
        log.warning("native path off: no librdkafka handle in %s", type(client).__name__)
        return None
    return handle
