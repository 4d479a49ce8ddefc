"""Keyed state of one stage and one partition: tables of fixed-width rows, each row one changelog record.

    Table "symbols"                       changelog (compacted)
    key ("EURUSD:FX",)  -> slot 0 -> row  key   = table and key parts, each after its length
    key ("NZDUSD:FX",)  -> slot 1 -> row  value = layout fingerprint, slot, the row's bytes

A row is one NumPy record that compiled kernels update in place. Slots are given in the order of first sight in the
partition and travel with the row, so that a restored state is equal to the lost one, the order of its slots included.
"""

import hashlib
import struct
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numba import config
from numpy.typing import NDArray

from processors.errors import CapacityError, ConfigError
from processors.runtime.batch import I64
from processors.runtime.compiled import kernel
from processors.runtime.strings import STRINGS

ROWS_MAX = 1 << 20
"""Most rows of one table in one partition."""
_CODE_BITS = 21
_HEADER = struct.Struct("<8si")
_FINGERPRINT_BYTES = 8


@dataclass(frozen=True)
class TableSpec:
    """A table that a stage declares.

    Parameters
    ----------
    name
        Name inside the stage.
    fresh
        Zero-dimensional record array: the row of a key never seen before. Its dtype is the dtype of the table.
    key_parts
        Number of strings that make the key, 0 for the single row of the partition, up to 3.
    """

    name: str
    fresh: NDArray[np.void]
    key_parts: int


def pack_key(parts: list[bytes]) -> bytes:
    """Return the parts as one changelog key, each after its length: a vendor's name may hold any character."""
    return b"".join(len(p).to_bytes(2, "little") + p for p in parts)


def unpack_key(key: bytes) -> list[bytes]:
    """Return the parts of a packed key."""
    parts, at = [], 0
    while at < len(key):
        end = at + 2 + int.from_bytes(key[at : at + 2], "little")
        parts.append(key[at + 2 : end])
        at = end
    return parts


@kernel
def _lookup(packed: I64, keys: I64, slots: NDArray[np.int32], out: NDArray[np.int32]) -> int:
    """Fill the slots of known keys, -1 for unknown; return the number of unknown ones. Keys are >= 0, -1 is free."""
    mask = len(keys) - 1
    unknown = 0
    for n in range(len(packed)):
        k = packed[n]
        i = ((k * np.int64(-7046029254386353131)) >> 20) & mask
        while keys[i] != -1 and keys[i] != k:
            i = (i + 1) & mask
        out[n] = slots[i] if keys[i] == k else -1
        if out[n] < 0:
            unknown += 1
    return unknown


@kernel
def _insert(k: int, slot: int, keys: I64, slots: NDArray[np.int32]) -> None:
    mask = len(keys) - 1
    i = ((k * np.int64(-7046029254386353131)) >> 20) & mask
    while keys[i] != -1:
        i = (i + 1) & mask
    keys[i] = k
    slots[i] = slot


def as_records(rows: NDArray[np.void]) -> NDArray[np.void]:
    """Return the rows as kernels take them; interpreted kernels (NUMBA_DISABLE_JIT=1) want fields as attributes too."""
    return rows.view(np.recarray) if config.DISABLE_JIT else rows  # type: ignore[attr-defined]


class Table:
    """Rows by key; see the module's docstring.

    ``rows`` has shape (capacity,) and the dtype of the spec; the first ``len(table)`` are in use. A kernel that
    changes a row sets its byte in ``dirty``, shape (capacity,).
    """

    def __init__(self, spec: TableSpec) -> None:
        self.spec = spec
        self.rows = as_records(np.full(16, spec.fresh))
        self.dirty = np.zeros(16, np.uint8)
        self.key_codes: list[tuple[int, ...]] = []
        self._packed: list[int] = []
        self._keys: list[bytes] = []
        self._map_key = np.full(64, -1, np.int64)
        self._map_slot = np.zeros(64, np.int32)
        self._fingerprint = hashlib.blake2b(
            repr(spec.fresh.dtype.descr).encode(), digest_size=_FINGERPRINT_BYTES
        ).digest()
        if spec.key_parts == 0:
            self._add(())

    def __len__(self) -> int:
        """Return the number of rows in use."""
        return len(self.key_codes)

    def slots(self, *codes: I64) -> NDArray[np.int32]:
        """Return the slot of each key, new slots for new keys in the order of their first row.

        Parameters
        ----------
        codes
            One array of string codes, shape (n,), for each part of the key.

        Raises
        ------
        CapacityError
            More than ``ROWS_MAX`` keys in one partition.
        """
        packed = self._pack(codes)
        out = np.empty(len(packed), np.int32)
        if _lookup(packed, self._map_key, self._map_slot, out):
            unknown = np.flatnonzero(out < 0)
            _, first = np.unique(packed[unknown], return_index=True)
            for i in unknown[np.sort(first)]:
                self._add(tuple(int(part[i]) for part in codes))
            _lookup(packed, self._map_key, self._map_slot, out)
        return out

    def find(self, *codes: I64) -> NDArray[np.int32]:
        """Return the slot of each key as ``slots`` does, -1 for one not in the table: nothing is added."""
        packed = self._pack(codes)
        out = np.empty(len(packed), np.int32)
        _lookup(packed, self._map_key, self._map_slot, out)
        return out

    @staticmethod
    def _pack(codes: tuple[I64, ...]) -> I64:
        packed = np.zeros(len(codes[0]), np.int64)
        for part in codes:
            packed = (packed << _CODE_BITS) | part
        return packed

    def key(self, slot: int) -> tuple[str, ...]:
        """Return the key of a slot as texts."""
        return tuple(STRINGS.text(c) for c in self.key_codes[slot])

    def changed(self) -> Iterator[tuple[bytes, bytes]]:
        """Yield (key, value) of the changelog for each dirty row, in slot order. ``clean`` follows the commit."""
        keys, values = self.changed_rows()
        for key, value in zip(keys, values, strict=True):
            yield key, value.tobytes()

    def changed_rows(self) -> tuple[list[bytes], NDArray[np.uint8]]:
        """Return the same all at once: n keys, and the values, shape (n, bytes of a value)."""
        slots = np.flatnonzero(self.dirty[: len(self)])
        row_bytes = self.rows.dtype.itemsize
        values = np.empty((len(slots), _HEADER.size + row_bytes), np.uint8)
        values[:, :_FINGERPRINT_BYTES] = np.frombuffer(self._fingerprint, np.uint8)
        at = slots.astype("<i4").view(np.uint8).reshape(-1, 4)
        values[:, _FINGERPRINT_BYTES : _HEADER.size] = at
        values[:, _HEADER.size :] = self.rows.view(np.ndarray).view(np.uint8).reshape(-1, row_bytes)[slots]
        for slot in range(len(self._keys), len(self)):
            self._keys.append(self._changelog_key(slot))
        return [self._keys[slot] for slot in slots.tolist()], values

    def clean(self) -> None:
        """Forget which rows are dirty: they are in the changelog now."""
        self.dirty[:] = 0

    def _changelog_key(self, slot: int) -> bytes:
        return pack_key([self.spec.name.encode(), *(STRINGS.raw(c) for c in self.key_codes[slot])])

    def restore(self, entries: dict[bytes, bytes]) -> None:
        """Take the rows back from the last changelog value of each key.

        Raises
        ------
        ConfigError
            A row was written with another layout: by another version of the stage.
        """
        decoded = sorted((_HEADER.unpack(v[: _HEADER.size])[::-1], k, v) for k, v in entries.items())
        if not decoded:
            return
        self.key_codes, self._packed, self._keys = [], [], []
        self._map_key[:] = -1
        for slot, ((at, fingerprint), key, value) in enumerate(decoded):
            if fingerprint != self._fingerprint:
                raise ConfigError(
                    "changelog", f"layout of table {self.spec.name!r}", fingerprint.hex(),
                    f"this version reads {self._fingerprint.hex()}: let the old version drain, or reset the group",
                )  # fmt: skip
            assert at == slot, f"changelog of {self.spec.name} misses slot {slot}"
            self._add(tuple(STRINGS.code(part) for part in unpack_key(key)[1:]))
            self.rows[slot] = row_of(self.spec, value)
        self.clean()

    def _add(self, codes: tuple[int, ...]) -> int:
        slot = len(self.key_codes)
        if slot >= ROWS_MAX:
            raise CapacityError(f"table {self.spec.name} is full: {ROWS_MAX} keys in one partition")
        if slot >= len(self.rows):
            self.rows = as_records(np.concatenate([self.rows, np.full(len(self.rows), self.spec.fresh)]))
            self.dirty = np.concatenate([self.dirty, np.zeros(len(self.dirty), np.uint8)])
        packed = 0
        for c in codes:
            packed = (packed << _CODE_BITS) | c
        self.key_codes.append(codes)
        self._packed.append(packed)
        if 2 * (slot + 1) > len(self._map_key):
            self._map_key = np.full(4 * len(self._map_key), -1, np.int64)
            self._map_slot = np.zeros(len(self._map_key), np.int32)
            for i, k in enumerate(self._packed[:-1]):
                _insert(k, i, self._map_key, self._map_slot)
        _insert(packed, slot, self._map_key, self._map_slot)
        # A new row is dirty even if no kernel touches it: its slot must survive a restore.
        self.dirty[slot] = 1
        return slot


def row_of(spec: TableSpec, value: bytes) -> np.void:
    """Return the row of one changelog value."""
    row: np.void = np.frombuffer(value[_HEADER.size :], spec.fresh.dtype)[0]
    return row


COUNTS = TableSpec("counts", np.array((0,), [("n", "<i8")]), 1)
"""Every stage has it: how many events met which fate. As state, it is counted exactly once, like everything else."""


class State:
    """All tables of one stage and partition."""

    def __init__(self, specs: tuple[TableSpec, ...]) -> None:
        self.tables = {spec.name: Table(spec) for spec in (*specs, COUNTS)}

    def __getitem__(self, name: str) -> Table:
        """Return the table of that name."""
        return self.tables[name]

    def count(self, fate: str, n: int) -> None:
        """Add n events to the count of a fate."""
        if n:
            table = self.tables["counts"]
            slot = table.slots(np.array([STRINGS.code(fate)]))[0]
            table.rows["n"][slot] += n
            table.dirty[slot] = 1

    def counts(self) -> dict[str, int]:
        """Return the count of each fate."""
        table = self.tables["counts"]
        return {table.key(i)[0]: int(table.rows["n"][i]) for i in range(len(table))}

    def changed(self) -> Iterator[tuple[bytes, bytes]]:
        """Yield the changelog records of every dirty row of every table."""
        for table in self.tables.values():
            yield from table.changed()

    def clean(self) -> None:
        """Forget which rows are dirty."""
        for table in self.tables.values():
            table.clean()

    def restore(self, entries: dict[bytes, bytes]) -> None:
        """Take every table back from the last changelog value of each key."""
        by_table: dict[str, dict[bytes, bytes]] = {name: {} for name in self.tables}
        for key, value in entries.items():
            by_table[unpack_key(key)[0].decode()][key] = value
        for name, rows in by_table.items():
            self.tables[name].restore(rows)
