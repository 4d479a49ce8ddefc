"""One table of all strings of the process: stages compute with small integer codes instead of bytes.

Codes are given in the order of first sight, so they differ from process to process: they never reach the wire and
never decide an order. The table is three arrays that compiled code reads and extends; Python only makes room.
"""

import io
import threading

import fastavro
import numpy as np
from numba import njit
from numpy.typing import NDArray

from processors.errors import CapacityError
from processors.runtime.compiled import Int, kernel

STRINGS_MAX = 1 << 20
"""Most distinct strings of one process: a flood of made-up names must not eat the memory."""
BYTES_MAX = 1 << 28
FULL = (
    f"the string table is full, limit {STRINGS_MAX} strings or {BYTES_MAX >> 20} MiB of them: start the process again, "
    "which begins with an empty one; if it fills soon, look for made-up names in symbol_id, vendor, venue or conditions"
)
_SLACK_BYTES = 8
"""Behind the last string, so that it can be read by words."""
ARRAYS_MAX = 1 << 16
"""Most arrays whose code is remembered: sets of sources, members of an ensemble."""

TABLE_FULL = -2
NOT_UTF8 = -3


@njit(inline="always")
def _hash(data: NDArray[np.uint8], begin: Int, end: Int) -> Int:
    """Return the FNV-1a hash of data[begin:end] (Fowler, Noll, Vo), non-negative."""
    h = np.int64(-3750763034362895579)
    for i in range(begin, end):
        h = (h ^ np.int64(data[i])) * np.int64(1099511628211)
    # The low bits index the table: fold the high ones in.
    return (h ^ (h >> 29)) & 0x7FFFFFFFFFFFFFFF


@kernel
def is_utf8(data: NDArray[np.uint8], begin: int, end: int) -> bool:
    """Return whether data[begin:end] is well-formed UTF-8 (Unicode 15, table 3-7)."""
    i = begin
    while i < end:
        b = data[i]
        if b < 0x80:
            i += 1
            continue
        low, high = 0x80, 0xBF
        if 0xC2 <= b <= 0xDF:
            more = 1
        elif 0xE0 <= b <= 0xEF:
            more = 2
            if b == 0xE0:
                low = 0xA0
            elif b == 0xED:
                high = 0x9F
        elif 0xF0 <= b <= 0xF4:
            more = 3
            if b == 0xF0:
                low = 0x90
            elif b == 0xF4:
                high = 0x8F
        else:
            return False
        if i + more >= end or data[i + 1] < low or data[i + 1] > high:
            return False
        for j in range(i + 2, i + more + 1):
            if data[j] < 0x80 or data[j] > 0xBF:
                return False
        i += more + 1
    return True


@kernel
def intern(
    table: NDArray[np.int64],
    arena: NDArray[np.uint8],
    start: NDArray[np.int64],
    size: NDArray[np.int64],
    data: NDArray[np.uint8],
    begin: int,
    end: int,
    check_utf8: bool,
) -> Int:
    """Return the code of data[begin:end], a new one where it is new.

    Returns
    -------
    The code, or ``TABLE_FULL`` or ``NOT_UTF8`` (below -1, which stands for null).
    """
    mask = len(table) - 1
    i = _hash(data, begin, end) & mask
    n = end - begin
    while table[i] != 0:
        code = table[i] - 1
        a = start[code]
        if start[code + 1] - a == n:
            same = True
            for j in range(n):
                if arena[a + j] != data[begin + j]:
                    same = False
                    break
            if same:
                return code
        i = (i + 1) & mask
    code = size[0]
    a = start[code]
    if 2 * (code + 1) > len(table) or code + 2 > len(start) or a + n + _SLACK_BYTES > len(arena):
        return TABLE_FULL
    if check_utf8 and not is_utf8(data, begin, end):
        return NOT_UTF8
    for j in range(n):
        arena[a + j] = data[begin + j]
    start[code + 1] = a + n
    size[0] = code + 1
    table[i] = code + 1
    return code


@kernel
def _rehash(table: NDArray[np.int64], arena: NDArray[np.uint8], start: NDArray[np.int64], n: int) -> None:
    mask = len(table) - 1
    for code in range(n):
        i = _hash(arena, start[code], start[code + 1]) & mask
        while table[i] != 0:
            i = (i + 1) & mask
        table[i] = code + 1


class StringTable:
    """Strings of the process with their codes; see the module's docstring."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        """Held from ``make_room`` to the last ``intern``: room made meanwhile by another thread would lose strings."""
        self.arena = np.zeros(1 << 16, np.uint8)
        self.start = np.zeros(1 << 12, np.int64)
        self.table = np.zeros(1 << 13, np.int64)
        self.size = np.zeros(1, np.int64)
        self._arrays: dict[tuple[str, ...], int] = {}

    def __len__(self) -> int:
        """Return the number of strings."""
        return int(self.size[0])

    def make_room(self, n_strings: int, n_bytes: int) -> None:
        """Grow the arrays so that n more strings of n bytes together fit, up to the limits; under the lock."""
        want = min(len(self) + n_strings, STRINGS_MAX)
        if want + 1 > len(self.start) or 2 * want > len(self.table):
            capacity = min(1 << want.bit_length(), STRINGS_MAX)
            start = np.zeros(capacity + 1, np.int64)
            start[: len(self) + 1] = self.start[: len(self) + 1]
            self.start, self.table = start, np.zeros(2 * capacity, np.int64)
            _rehash(self.table, self.arena, self.start, len(self))
        used = int(self.start[len(self)])
        room = min(used + n_bytes, BYTES_MAX) + _SLACK_BYTES
        if room > len(self.arena):
            arena = np.zeros(min(1 << (room - 1).bit_length(), BYTES_MAX + _SLACK_BYTES), np.uint8)
            arena[:used] = self.arena[:used]
            self.arena = arena

    def code(self, text: str | bytes) -> int:
        """Return the code of a text, a new one where it is new.

        Raises
        ------
        CapacityError
            The table is full.
        """
        raw = text.encode() if isinstance(text, str) else text
        data = np.frombuffer(bytearray(raw), np.uint8) if raw else np.zeros(0, np.uint8)
        with self.lock:
            self.make_room(1, len(raw))
            code = intern(self.table, self.arena, self.start, self.size, data, 0, len(raw), False)
        if code < 0:
            raise CapacityError(FULL)
        return int(code)

    def raw(self, code: int) -> bytes:
        """Return the bytes of a code."""
        return self.arena[self.start[code] : self.start[code + 1]].tobytes()

    def text(self, code: int) -> str:
        """Return the text of a code."""
        return self.raw(code).decode()

    def array_code(self, texts: tuple[str, ...]) -> int:
        """Return the code of an array of strings: it stands for the array's Avro bytes, encoded once."""
        code = self._arrays.get(texts)
        if code is None:
            out = io.BytesIO()
            fastavro.schemaless_writer(out, _STRING_ARRAY, list(texts))
            code = self.code(out.getvalue())
            if len(self._arrays) < ARRAYS_MAX:
                self._arrays[texts] = code
        return code

    def array(self, code: int) -> tuple[str, ...]:
        """Return the array of strings of a code."""
        return tuple(fastavro.schemaless_reader(io.BytesIO(self.raw(code)), _STRING_ARRAY, None))  # type: ignore[arg-type]


_STRING_ARRAY = fastavro.parse_schema({"type": "array", "items": "string"})

STRINGS = StringTable()
"""The table of this process."""
