"""Keyed state of one stage and one partition: tables of fixed-width rows, each row one changelog record.

    Table "symbols"                       changelog (compacted)
    key ("EURUSD:FX",)  -> slot 0 -> row  key   = table and key parts, each after its length
    key ("NZDUSD:FX",)  -> slot 1 -> row  value = fingerprint, slot, the row's bytes

    fingerprint   layout of the row: 4 bytes   rules of the stage: 1   its settings: 3

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
from processors.runtime.intmap import IntMap
from processors.runtime.strings import STRINGS

ROWS_MAX = 1 << 20
"""Most rows of one table in one partition."""
CODE_BITS = 21
"""Bits of one part of a packed key: as many as a string code has."""
_HEADER = struct.Struct("<8si")
_FINGERPRINT_BYTES = 8
_LAYOUT_BYTES, _SETTINGS_BYTES = 4, 3
RULES_MAX = 255


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
    settings
        Text of settings that this table alone depends on, beside those of the stage.
    renewed
        Rows of another layout or other settings begin anew instead of being refused: for what a stage may lose, such as
        a window that fills again. They keep their slots and are written anew with the next commit, so that none of the
        old ones is ever read again.
    """

    name: str
    fresh: NDArray[np.void]
    key_parts: int
    settings: str = ""
    renewed: bool = False


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


def _packed(codes: tuple[int, ...]) -> int:
    packed = 0
    for c in codes:
        packed = (packed << CODE_BITS) | c
    return packed


def as_records(rows: NDArray[np.void]) -> NDArray[np.void]:
    """Return the rows as kernels take them; interpreted kernels (NUMBA_DISABLE_JIT=1) want fields as attributes too."""
    return rows.view(np.recarray) if config.DISABLE_JIT else rows  # type: ignore[attr-defined]


class Table:
    """Rows by key; see the module's docstring.

    ``rows`` has shape (capacity,) and the dtype of the spec; the first ``len(table)`` are in use. A kernel that
    changes a row sets its byte in ``dirty``, shape (capacity,). ``index`` maps packed keys to slots, for kernels.

    Parameters
    ----------
    spec
        What the stage declares.
    settings, rules
        See ``Stage``.
    """

    def __init__(self, spec: TableSpec, settings: str = "", rules: int = 0) -> None:
        self.spec = spec
        self.rows = as_records(np.full(16, spec.fresh))
        self.dirty = np.zeros(16, np.uint8)
        self.key_codes: list[tuple[int, ...]] = []
        self._keys: list[bytes] = []
        self.index = IntMap()
        self._fingerprint = _fingerprint(repr(spec.fresh.dtype.descr), settings + spec.settings, rules)
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
        if self.index.find(packed, out) >= 0:
            unknown = np.flatnonzero(out < 0)
            _, first = np.unique(packed[unknown], return_index=True)
            for i in unknown[np.sort(first)]:
                self._add(tuple(int(part[i]) for part in codes))
            self.index.find(packed, out)
        return out

    def find(self, *codes: I64) -> NDArray[np.int32]:
        """Return the slot of each key as ``slots`` does, -1 for one not in the table: nothing is added."""
        packed = self._pack(codes)
        out = np.empty(len(packed), np.int32)
        self.index.find(packed, out)
        return out

    def slot(self, *codes: int) -> int:
        """Return the slot of one key, a new one where it is new; see ``slots``."""
        slot = self.find_one(*codes)
        return self._add(codes) if slot < 0 else slot

    def find_one(self, *codes: int) -> int:
        """Return the slot of one key, -1 where it is not in the table."""
        return self.index.get(_packed(codes))

    @staticmethod
    def _pack(codes: tuple[I64, ...]) -> I64:
        packed = np.zeros(len(codes[0]), np.int64)
        for part in codes:
            packed = (packed << CODE_BITS) | part
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
            A row was written with another layout, by other rules of the stage, or under other settings: the error says
            which of them. Code that changed without a change of ``Stage.rules`` is not seen.
        """
        decoded = sorted((_HEADER.unpack(v[: _HEADER.size])[::-1], k, v) for k, v in entries.items())
        if not decoded:
            return
        self.key_codes, self._keys = [], []
        self.index.clear()
        begun = []
        for slot, ((at, fingerprint), key, value) in enumerate(decoded):
            is_ours = fingerprint == self._fingerprint
            if not is_ours and not self.spec.renewed:
                raise self._refusal(fingerprint)
            assert at == slot, f"changelog of {self.spec.name} misses slot {slot}"
            self._add(tuple(STRINGS.code(part) for part in unpack_key(key)[1:]))
            self.rows[slot] = row_of(self.spec, value) if is_ours else self.spec.fresh
            if not is_ours:
                begun.append(slot)
        self.clean()
        self.dirty[begun] = 1

    def _refusal(self, found: bytes) -> ConfigError:
        if found[:_LAYOUT_BYTES] != self._fingerprint[:_LAYOUT_BYTES]:
            what, before = "layout", "version"
        elif found[_LAYOUT_BYTES] != self._fingerprint[_LAYOUT_BYTES]:
            what, before = "rules", "version"
        else:
            what, before = "settings", "settings"
        return ConfigError(
            "changelog", f"{what} behind table {self.spec.name!r}", found.hex(),
            f"this process has {self._fingerprint.hex()}: {_remedy(before)}",
        )  # fmt: skip

    def _add(self, codes: tuple[int, ...]) -> int:
        slot = len(self.key_codes)
        if slot >= ROWS_MAX:
            raise CapacityError(f"table {self.spec.name} is full: {ROWS_MAX} keys in one partition")
        if slot >= len(self.rows):
            self.rows = as_records(np.concatenate([self.rows, np.full(len(self.rows), self.spec.fresh)]))
            self.dirty = np.concatenate([self.dirty, np.zeros(len(self.dirty), np.uint8)])
        self.key_codes.append(codes)
        self.index.put(np.array([_packed(codes)]), np.array([slot]))
        # A new row is dirty even if no kernel touches it: its slot must survive a restore.
        self.dirty[slot] = 1
        return slot


def _fingerprint(layout: str, settings: str, rules: int) -> bytes:
    """Return 8 bytes: of the layout, the rules as they are, and of the settings, zeros where there are none."""
    assert 0 <= rules <= RULES_MAX, f"rules {rules}: more than {RULES_MAX} do not fit"
    of_layout = hashlib.blake2b(layout.encode(), digest_size=_LAYOUT_BYTES).digest()
    of_settings = hashlib.blake2b(settings.encode(), digest_size=_SETTINGS_BYTES).digest()
    return of_layout + bytes([rules]) + (of_settings if settings else bytes(_SETTINGS_BYTES))


def _remedy(before: str) -> str:
    """Return what to do about a state that this process cannot read."""
    return (
        f"start it with the {before} of before, or delete the group's changelog and its offsets and replay "
        "(docs/operations.md)"
    )


def row_of(spec: TableSpec, value: bytes) -> np.void:
    """Return the row of one changelog value."""
    row: np.void = np.frombuffer(value[_HEADER.size :], spec.fresh.dtype)[0]
    return row


COUNTS = TableSpec("counts", np.array((0,), [("n", "<i8")]), 1)
"""Every stage has it: how many events met which fate. As state, it is counted exactly once, like everything else."""


PUBLISHED = TableSpec("published", np.array((0,), [("n", "<i8")]), 1)
"""And this: how many records it published to which topic, so that a topic can be held against its writers."""


class State:
    """All tables of one stage and partition; the counts hold under any settings and rules."""

    def __init__(self, specs: tuple[TableSpec, ...], settings: str = "", rules: int = 1) -> None:
        self.tables = {spec.name: Table(spec, settings, rules) for spec in specs}
        self.tables |= {spec.name: Table(spec) for spec in (COUNTS, PUBLISHED)}
        self._slots: dict[tuple[str, str], int] = {}

    def __getitem__(self, name: str) -> Table:
        """Return the table of that name."""
        return self.tables[name]

    def count(self, fate: str, n: int) -> None:
        """Add n events to the count of a fate."""
        self._add(COUNTS.name, fate, n)

    def publish(self, topic: str, n: int) -> None:
        """Add n records to the count of those published to a topic, dead letters not among them."""
        self._add(PUBLISHED.name, topic, n)

    def _add(self, name: str, key: str, n: int) -> None:
        if n:
            table = self.tables[name]
            slot = self._slots.get((name, key))
            if slot is None:
                slot = self._slots[name, key] = table.slot(STRINGS.code(key))
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
        """Take every table back from the last changelog value of each key.

        Raises
        ------
        ConfigError
            See ``Table.restore``; or there are rows of a table that the stage has no more.
        """
        by_table: dict[str, dict[bytes, bytes]] = {name: {} for name in self.tables}
        for key, value in entries.items():
            name = unpack_key(key)[0].decode()
            if name not in by_table:
                raise ConfigError("changelog", "table", name, f"this process has no such table: {_remedy('version')}")
            by_table[name][key] = value
        self._slots.clear()
        for name, rows in by_table.items():
            self.tables[name].restore(rows)
