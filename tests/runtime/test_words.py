"""Words in byte arrays, and what the codec makes of them: long integers of every length, strings at a buffer's end."""

import io
from typing import Any

import fastavro
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from processors.runtime.batch import Columns
from processors.runtime.codec import FlatCodec
from processors.runtime.compiled import kernel
from processors.runtime.strings import STRINGS
from processors.runtime.words import load_double, load_word, store_double, store_word

SCHEMA: dict[str, Any] = {
    "type": "record",
    "name": "R",
    "fields": [{"name": "a", "type": "long"}, {"name": "s", "type": "string"}, {"name": "b", "type": "long"}],
}
EDGES = sorted({s * (1 << k) + d for k in range(63) for s in (-1, 1) for d in (-1, 0, 1)} | {-(2**63), 2**63 - 1})


@kernel
def _words(data: Any, at: int, word: int, value: float) -> tuple[int, float]:
    store_word(data, at, word)
    store_double(data, at + 8, value)
    return load_word(data, at), load_double(data, at + 8)


@pytest.mark.parametrize("at", range(9))
def test_words_lie_in_the_array_as_numpy_lays_them(at: int) -> None:
    """Words lie in the array as NumPy lays them, at any place, and nothing around them changes."""
    data = np.full(32, 7, np.uint8)
    assert _words(data, at, -2, 1.5) == (-2, 1.5)
    want = b"\7" * at + np.int64(-2).tobytes() + np.float64(1.5).tobytes() + b"\7" * (16 - at)
    assert data.tobytes() == want


@settings(deadline=None, max_examples=200)
@given(st.lists(st.tuples(st.integers(-(2**63), 2**63 - 1), st.text(max_size=20), st.sampled_from(EDGES)), max_size=5))
def test_the_bytes_are_those_of_fastavro(rows: list[tuple[int, str, int]]) -> None:
    """The bytes are those of fastavro for longs of every length, and come back."""
    codec, n = FlatCodec(SCHEMA, 9), len(rows)
    columns = Columns.empty(codec.layout, n)
    columns["a"], columns["b"] = [r[0] for r in rows], [r[2] for r in rows]
    columns["s"] = keys = np.array([STRINGS.code(r[1]) for r in rows], np.int64)
    batch = codec.encode("t", 0, columns, keys)
    parsed = fastavro.parse_schema(SCHEMA)
    for value, (a, s, b) in zip(batch.values(), rows, strict=True):
        out = io.BytesIO()
        fastavro.schemaless_writer(out, parsed, {"a": a, "s": s, "b": b})
        assert value == b"\0\0\0\0\x09" + out.getvalue()
    back, error = codec.decode(batch)
    assert not error.any()
    assert back.ints.tolist() == columns.ints.tolist()
    assert list(batch.keys()) == [s.encode() for _, s, _ in rows]


def test_every_edge_of_length_is_written_right() -> None:
    """Every edge of length is written right: 127 and 128, 2**55 and 2**56, the least and the greatest long."""
    codec = FlatCodec(SCHEMA, 9)
    columns = Columns.empty(codec.layout, len(EDGES))
    columns["a"] = columns["b"] = EDGES
    columns["s"] = np.full(len(EDGES), STRINGS.code("x"))
    parsed = fastavro.parse_schema(SCHEMA)
    for value, edge in zip(codec.encode("t", 0, columns, columns["s"]).values(), EDGES, strict=True):  # type: ignore[arg-type]
        got = fastavro.schemaless_reader(io.BytesIO(value[5:]), parsed, None)
        assert got == {"a": edge, "s": "x", "b": edge}
    back, error = codec.decode(codec.encode("t", 0, columns, columns["s"]))  # type: ignore[arg-type]
    assert not error.any()
    assert back["a"].tolist() == EDGES
