"""The table of strings: what two threads put into it is kept, and its limit is the one that is stated."""

import threading

import numpy as np
import pytest

from processors.errors import CapacityError
from processors.runtime import codec, strings
from processors.runtime.batch import EncodedBatch, pack
from processors.runtime.codec import FlatCodec, check_room
from processors.runtime.strings import StringTable

SCHEMA = {"type": "record", "name": "Named", "fields": [{"name": "name", "type": "string"}]}


def named(names):
    """Return a batch of records of the schema, under the id 7."""
    payload, start = pack([b"\0\0\0\0\x07" + bytes([2 * len(n)]) + n.encode() for n in names])
    none = np.zeros(0, np.uint8)
    return EncodedBatch("named", 0, payload, start, none, np.zeros(len(start), np.int64))


class Halting(StringTable):
    """Lets another thread go on before it takes its longer array of bytes."""

    def __init__(self):
        self.growing, self.other_is_done = threading.Event(), threading.Event()
        super().__init__()

    def __setattr__(self, name, value):
        """Wait before the longer array is taken."""
        if name == "arena" and hasattr(self, "arena"):
            self.growing.set()
            self.other_is_done.wait(0.3)
        super().__setattr__(name, value)


@pytest.mark.parametrize("by_code", [False, True], ids=["decoded", "coded"])
def test_strings_that_come_while_another_thread_makes_room_are_kept(monkeypatch, by_code):
    """Two threads that decode at once, the one making room: neither loses the bytes of a string."""
    table = Halting()
    monkeypatch.setattr(codec, "STRINGS", table)
    small, large = ["AIG:US", "EURUSD:FX"], [f"SYMBOL-{i}:XX" for i in range(4000)]
    columns, _ = FlatCodec(SCHEMA, 7).decode(named(["compiled"]))
    table.growing.clear()
    codes = []

    def other():
        table.growing.wait(5)
        if by_code:
            codes.extend(table.code(name) for name in small)
        else:
            codes.extend(FlatCodec(SCHEMA, 7).decode(named(small))[0]["name"])
        table.other_is_done.set()

    thread = threading.Thread(target=other)
    thread.start()
    columns, error = FlatCodec(SCHEMA, 7).decode(named(large))
    thread.join(5)
    assert not error.any()
    assert [table.text(int(code)) for code in codes] == small
    assert [table.text(int(code)) for code in columns["name"]] == large


def test_the_table_takes_as_many_strings_as_it_says_and_names_the_remedy(monkeypatch):
    """Exactly so many strings go in, one by one or by batches; the error of the next one says what to do."""
    n = 1 << 13
    monkeypatch.setattr(strings, "STRINGS_MAX", n)
    monkeypatch.setattr(codec, "STRINGS", StringTable())
    names = [f"S{i}" for i in range(n + 1)]
    _, error = FlatCodec(SCHEMA, 7).decode(named(names))
    assert not error[:n].any()
    assert error[n]
    with pytest.raises(CapacityError, match=r"limit 1048576 strings .*start the process again.*made-up names"):
        check_room(error)
    one_by_one = StringTable()
    for name in names[:n]:
        one_by_one.code(name)
    with pytest.raises(CapacityError, match="start the process again"):
        one_by_one.code(names[n])
    assert one_by_one.code(names[0]) == 0


def test_the_table_takes_as_many_bytes_as_it_says(monkeypatch):
    """The bytes of all strings together are bounded by the limit, not by the power of two above it."""
    monkeypatch.setattr(strings, "BYTES_MAX", 100_000)
    table = StringTable()
    for i in range(10):
        table.code(f"{i:010000d}")
    with pytest.raises(CapacityError):
        table.code("x")
    assert table.text(9) == f"{9:010000d}"
