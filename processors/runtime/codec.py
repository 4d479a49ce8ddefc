"""The Avro codec of flat records: bytes to columns and back, in one compiled routine for every schema.

A schema becomes a table of operations (see ``layout``); decoding walks the table for each record. fastavro is its
oracle in the tests. Records carry the Confluent header: a zero byte and the schema id, big-endian, in four bytes.
"""

import io
from typing import Any

import fastavro
import numpy as np
from numba import njit

from processors.errors import CapacityError
from processors.runtime import layout as lo
from processors.runtime.batch import F64, I64, NULL_LONG, U8, Columns, EncodedBatch
from processors.runtime.compiled import Int, kernel
from processors.runtime.strings import FULL, NOT_UTF8, STRINGS, intern, is_utf8
from processors.runtime.words import SLACK_BYTES, load_double, load_word, store_double, store_word

HEADER_BYTES = 5
STRING_BYTES_MAX = 4096
"""Longest string or string array accepted: identifiers and conditions, not documents."""

ROW_ERRORS = (
    "",
    "shorter than the 5-byte wire header",
    "first byte is not the magic byte 0",
    "unknown schema id",
    "record ends early",
    "integer longer than 10 bytes or out of range",
    "enum index out of range",
    "boolean is neither 0 nor 1",
    "union index out of range",
    "bytes left over after the record",
    f"string longer than {STRING_BYTES_MAX} bytes or of negative length",
    "string is not UTF-8",
    "string table is full",
    f"array of small integers has more than {lo.SMALL_INTS_MAX}, or one that is not from 0 to 127",
)
(OK, SHORT, NO_MAGIC, UNKNOWN_ID, TRUNCATED, BAD_VARINT, BAD_ENUM, BAD_BOOLEAN, BAD_UNION, LEFT_OVER, BAD_STRING,
 BAD_UTF8, NO_ROOM, BAD_SMALL_INTS) = range(14)  # fmt: skip


# Inlined by hand of numba: a call would pass every array by its seven words, four times the cost of the work itself.
@njit(inline="always")
def _varint(data: U8, p: Int, end: Int) -> tuple[Int, Int]:
    """Return a zig-zag long and the position after it; a position below 0 is minus a row error."""
    value = np.int64(0)
    shift = 0
    more: Any = True
    q = p
    if p + 9 <= end and data[p + 8] < 128:
        x = load_word(data, p)
        if x & np.int64(-0x7F7F7F7F7F7F7F80) == np.int64(-0x7F7F7F7F7F7F7F80):
            # Nine bytes, as times in nanoseconds have: seven bits of each of eight, joined by halves, and the rest.
            x = (x & 0x007F007F007F007F) | ((x & 0x7F007F007F007F00) >> 1)
            x = (x & 0x00003FFF00003FFF) | ((x & 0x3FFF00003FFF0000) >> 2)
            value = (x & 0x0FFFFFFF) | ((x & 0x0FFFFFFF00000000) >> 4) | (np.int64(data[p + 8]) << 56)
            q += 9
            more = False
    while more and q < end and shift < 70:
        b = np.int64(data[q])
        value |= (b & 127) << shift
        # The tenth byte holds one bit only.
        if shift == 63 and b > 1:
            break
        more = b >= 128
        shift += 7
        q += 1
    if more:
        q = -TRUNCATED if q >= end and shift < 70 else -BAD_VARINT
    # The shift of the zig-zag is logical: bit 63 is data, not a sign.
    return ((value >> 1) & 0x7FFFFFFFFFFFFFFF) ^ -(value & 1), q


@kernel
def _skip_string_array(data: U8, p: int, end: int) -> int:
    """Return the position after an array of strings, or minus a row error."""
    while True:
        count, p = _varint(data, p, end)
        if p < 0 or count == 0:
            return p
        if count < 0:
            count = -count
            _, p = _varint(data, p, end)
            if p < 0:
                return p
        if count < 0 or count > STRING_BYTES_MAX:
            return -BAD_STRING
        for _ in range(count):
            n, p = _varint(data, p, end)
            if p < 0:
                return p
            if n < 0 or n > STRING_BYTES_MAX:
                return -BAD_STRING
            if p + n > end:
                return -TRUNCATED
            if not is_utf8(data, p, p + n):
                return -BAD_UTF8
            p += n


@kernel
def _take_small_ints(data: U8, p: int, end: int, ints: I64, at: int, row: int) -> int:
    """Pack an array of small integers into its rows, zero before; return the position after it, or minus an error."""
    n = np.int64(0)
    while True:
        count, p = _varint(data, p, end)
        if p < 0:
            return p
        if count == 0:
            break
        if count < 0:
            count = -count
            _, p = _varint(data, p, end)
            if p < 0:
                return p
        if count < 0 or n + count > lo.SMALL_INTS_MAX:
            return -BAD_SMALL_INTS
        for _ in range(count):
            value, p = _varint(data, p, end)
            if p < 0:
                return p
            if value < 0 or value > 127:
                return -BAD_SMALL_INTS
            ints[at + n // lo.SMALL_PER_ROW, row] |= value << (lo.SMALL_BITS * (n % lo.SMALL_PER_ROW))
            n += 1
    ints[at, row] |= n << (lo.SMALL_BITS * lo.SMALL_PER_ROW)
    return p


@kernel
def _decode(
    ops: I64, schema_id: int, data: U8, at_byte: I64, ints: I64, floats: F64, error: U8,
    table: I64, arena: U8, start: I64, size: I64,
) -> None:  # fmt: skip
    """Decode every record; row errors stand in ``error``, shape (n,).

    Longer than 70 lines so that what each field needs is inlined: only a string unlike that of the row before is looked
    up by a call.
    """
    for row in range(len(at_byte) - 1):
        p = at_byte[row]
        end = at_byte[row + 1]
        e = _header_error(data, p, end, schema_id)
        if e != OK:
            error[row] = e
            continue
        p += HEADER_BYTES
        for f in range(len(ops)):
            op = ops[f, 0]
            at = ops[f, 1]
            if op & lo.NULLABLE:
                op &= ~lo.NULLABLE
                branch, p = _varint(data, p, end)
                if p < 0:
                    break
                if branch != 0 and branch != 1:
                    p = -BAD_UNION
                    break
                if branch == ops[f, 3]:
                    if op == lo.DOUBLE:
                        floats[at, row] = np.nan
                    else:
                        ints[at, row] = NULL_LONG if op == lo.LONG else -1
                    continue
            if op == lo.DOUBLE:
                if p + 8 > end:
                    p = -TRUNCATED
                    break
                floats[at, row] = load_double(data, p)
                p += 8
                continue
            if op == lo.BOOLEAN:
                if p >= end or data[p] > 1:
                    p = -TRUNCATED if p >= end else -BAD_BOOLEAN
                    break
                ints[at, row] = data[p]
                p += 1
                continue
            if op == lo.STRING_ARRAY:
                begin = p
                p = _skip_string_array(data, p, end)
                if p < 0:
                    break
                if p - begin > STRING_BYTES_MAX:
                    p = -BAD_STRING
                    break
                # No UTF-8 check of the whole: block counts are not text.
                value = intern(table, arena, start, size, data, begin, p, False)
                if value < 0:
                    p = -NO_ROOM
                    break
                ints[at, row] = value
                continue
            if op == lo.SMALL_INTS:
                p = _take_small_ints(data, p, end, ints, at, row)
                if p < 0:
                    break
                continue
            value, p = _varint(data, p, end)
            if p < 0:
                break
            if op == lo.STRING:
                if value < 0 or value > STRING_BYTES_MAX:
                    p = -BAD_STRING
                    break
                if p + value > end:
                    p = -TRUNCATED
                    break
                # Neighbouring records often share vendor, venue and conditions: one comparison saves the hash.
                code = ints[at, row - 1] if row > 0 else np.int64(-1)
                if 0 <= code < size[0] and start[code + 1] - start[code] == value:
                    for j in range(value):
                        if arena[start[code] + j] != data[p + j]:
                            code = np.int64(-1)
                            break
                else:
                    code = np.int64(-1)
                if code < 0:
                    code = intern(table, arena, start, size, data, p, p + value, True)
                    if code < 0:
                        p = -BAD_UTF8 if code == NOT_UTF8 else -NO_ROOM
                        break
                p += value
                value = code
            elif op == lo.ENUM:
                if value < 0 or value >= ops[f, 2]:
                    p = -BAD_ENUM
                    break
            elif op == lo.INT and (value < -0x80000000 or value > 0x7FFFFFFF):
                p = -BAD_VARINT
                break
            ints[at, row] = value
        error[row] = -p if p < 0 else (OK if p == end else LEFT_OVER)


@njit(inline="always")
def _header_error(data: U8, p: Int, end: Int, schema_id: int) -> Int:
    """Return the row error of the wire header, ``OK`` where it is ours."""
    e: Int
    if end - p < HEADER_BYTES:
        e = SHORT
    elif data[p] != 0:
        e = NO_MAGIC
    else:
        found: Int = 0
        for j in range(1, HEADER_BYTES):
            found = (found << 8) | np.int64(data[p + j])
        e = OK if found == schema_id else UNKNOWN_ID
    return e


@njit(inline="always")
def _put_varint(out: U8, p: Int, value: Int) -> Int:
    """Write a zig-zag long and return the position after it."""
    z = (value << 1) ^ (value >> 63)
    if 0 <= z < 128:
        out[p] = z
        return p + 1
    if z >= 1 << 56:
        # Nine bytes, as times in nanoseconds have: eight of seven bits each, spread by halves, and the rest.
        x = (z & 0x0FFFFFFF) | ((z & 0x00FFFFFFF0000000) << 4)
        x = (x & 0x00003FFF00003FFF) | ((x & 0x0FFFC0000FFFC000) << 2)
        x = (x & 0x007F007F007F007F) | ((x & 0x3F803F803F803F80) << 1)
        store_word(out, p, x | np.int64(-0x7F7F7F7F7F7F7F80))
        out[p + 8] = z >> 56
        return p + 9
    # The shift is logical: bit 63 is data, not a sign.
    while z < 0 or z >= 128:
        out[p] = (z & 127) | 128
        z = (z >> 7) & 0x01FFFFFFFFFFFFFF
        p += 1
    out[p] = z
    return p + 1


@njit(inline="always")
def _put_bytes(out: U8, p: Int, data: U8, begin: Int, end: Int) -> Int:
    """Copy by words, over the end into what is written next: both need the slack. Return the position after it."""
    n = end - begin
    for j in range(0, n, 8):
        store_word(out, p + j, load_word(data, begin + j))
    return p + n


@kernel
def _encoded_bytes_max(ops: I64, ints: I64, start: I64) -> Int:
    """Return an upper bound of the encoded size of all rows, bytes; -1 - f where string field f has no string."""
    fixed = HEADER_BYTES
    for f in range(len(ops)):
        op = ops[f, 0] & ~lo.NULLABLE
        # A small integer takes two bytes at most, and so do both counts together.
        fixed += 1 if op == lo.BOOLEAN else 2 * lo.SMALL_INTS_MAX + 2 if op == lo.SMALL_INTS else 11
    n = ints.shape[1]
    total = fixed * n
    for f in range(len(ops)):
        op = ops[f, 0] & ~lo.NULLABLE
        if op == lo.STRING or op == lo.STRING_ARRAY:
            for i in range(n):
                code = ints[ops[f, 1], i]
                if code >= 0:
                    total += start[code + 1] - start[code]
                elif not ops[f, 0] & lo.NULLABLE:
                    return -1 - f
    return total


@kernel
def _encode(
    ops: I64, schema_id: int, ints: I64, floats: F64, out: U8, at: I64, arena: U8, start: I64
) -> None:  # fmt: skip
    """Encode every row into ``out``; record i ends up in out[at[i]:at[i + 1]]."""
    p = 0
    for i in range(ints.shape[1]):
        at[i] = p
        out[p] = 0
        for j in range(4):
            out[p + 1 + j] = (schema_id >> (24 - 8 * j)) & 255
        p += HEADER_BYTES
        for f in range(len(ops)):
            op = ops[f, 0]
            row = ops[f, 1]
            if op & lo.NULLABLE:
                op &= ~lo.NULLABLE
                if op == lo.DOUBLE:
                    null = np.isnan(floats[row, i])
                elif op == lo.LONG:
                    null = ints[row, i] == NULL_LONG
                else:
                    null = ints[row, i] < 0
                p = _put_varint(out, p, ops[f, 3] if null else 1 - ops[f, 3])
                if null:
                    continue
            if op == lo.DOUBLE:
                store_double(out, p, floats[row, i])
                p += 8
            elif op == lo.BOOLEAN:
                out[p] = ints[row, i]
                p += 1
            elif op == lo.STRING or op == lo.STRING_ARRAY:
                code = ints[row, i]
                if op == lo.STRING:
                    p = _put_varint(out, p, start[code + 1] - start[code])
                p = _put_bytes(out, p, arena, start[code], start[code + 1])
            elif op == lo.SMALL_INTS:
                word = ints[row, i]
                n = word >> (lo.SMALL_BITS * lo.SMALL_PER_ROW)
                if n:
                    out[p] = n << 1
                    p += 1
                for k in range(n):
                    if k & (lo.SMALL_PER_ROW - 1) == 0:
                        word = ints[row + k // lo.SMALL_PER_ROW, i]
                    # From 64 on a zig-zag number takes a second byte, which is 1: written always, kept where it counts.
                    value = (word & 127) << 1
                    out[p], out[p + 1] = (value & 127) | (value >> 7 << 7), 1
                    p += 1 + (value >> 7)
                    word >>= lo.SMALL_BITS
                out[p] = 0
                p += 1
            else:
                p = _put_varint(out, p, ints[row, i])
    at[ints.shape[1]] = p


@kernel
def _gather(codes: I64, out: U8, at: I64, arena: U8, start: I64) -> None:
    """Write the strings of the codes one after another, for keys."""
    p = 0
    for i in range(len(codes)):
        at[i] = p
        p = _put_bytes(out, p, arena, start[codes[i]], start[codes[i] + 1])
    at[len(codes)] = p


class FlatCodec:
    """Codec of one flat schema under its locked id.

    Parameters
    ----------
    schema
        The record schema as parsed JSON.
    schema_id
        The id in the wire header.

    Raises
    ------
    NotFlatError
        The schema has a type without column form.
    """

    def __init__(self, schema: dict[str, Any], schema_id: int) -> None:
        self.schema_id = schema_id
        self.layout = lo.layout_of(schema)

    def decode(self, batch: EncodedBatch) -> tuple[Columns, U8]:
        """Return the columns, shape (n,) each, and the row errors, shape (n,), 0 where the row is good.

        Values of a bad row are undefined: drop the row before use.
        """
        n = len(batch)
        columns, error = Columns.empty(self.layout, n), np.zeros(n, np.uint8)
        s = STRINGS
        with s.lock:
            s.make_room(n * self.layout.n_strings, len(batch.payload))
            _decode(
                self.layout.ops, self.schema_id, batch.payload, batch.start, columns.ints, columns.floats, error,
                s.table, s.arena, s.start, s.size,
            )  # fmt: skip
        return columns, error

    def encode(self, topic: str, partition: int, columns: Columns, key_codes: I64) -> EncodedBatch:
        """Return the rows as wire records of one topic and partition, keyed by the strings of ``key_codes``."""
        s = STRINGS
        n = len(columns)
        size = _encoded_bytes_max(self.layout.ops, columns.ints, s.start)
        assert size >= 0, f"{topic}: field {self.layout.names[-1 - size]} was never filled"
        out = np.empty(size + SLACK_BYTES, np.uint8)
        at = np.empty(n + 1, np.int64)
        _encode(
            self.layout.ops, self.schema_id, columns.ints, columns.floats, out, at, s.arena, s.start
        )  # fmt: skip
        key, key_start = gather_keys(key_codes)
        return EncodedBatch(topic, partition, out[: at[-1]], at, key, key_start)


def gather_keys(codes: I64) -> tuple[U8, I64]:
    """Return the strings of the codes as one buffer and its start offsets, shape (n + 1,)."""
    s = STRINGS
    out = np.empty(int((s.start[codes + 1] - s.start[codes]).sum()) + SLACK_BYTES, np.uint8)
    at = np.empty(len(codes) + 1, np.int64)
    _gather(codes, out, at, s.arena, s.start)
    return out[: at[-1]], at


def wire_record(schema_id: int, parsed_schema: Any, record: dict[str, Any]) -> bytes:
    """Return one record in the wire format, through fastavro: for the dead letter, tools and tests."""
    out = io.BytesIO(b"\0" + schema_id.to_bytes(4, "big"))
    out.seek(HEADER_BYTES)
    fastavro.schemaless_writer(out, parsed_schema, record)
    return out.getvalue()


def check_room(error: U8) -> None:
    """Raise where rows were refused for want of room in the string table.

    Raises
    ------
    CapacityError
        The string table is full; nothing is wrong with the events.
    """
    if (error == NO_ROOM).any():
        raise CapacityError(FULL)
