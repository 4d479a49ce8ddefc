"""Digests that name the state of a source: of the files it was read from, or of the very rows that came back."""

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

CHARS = 32


def digest_of_files(files: Sequence[Path]) -> str:
    """Return the digest of what is in some files, in the order in which they are read.

    The order is part of it, as it decides rows: ticks of one receive time come by file, and of two records of one bar
    the later one counts.
    """
    digests = []
    for path in files:
        with path.open("rb") as f:
            digests.append(hashlib.file_digest(f, "sha256").hexdigest())
    return hashlib.sha256("".join(digests).encode()).hexdigest()[:CHARS]


def digest_of_table(table: pa.Table) -> str:
    """Return the digest of names, types and cells of a table, in the order of its rows; a null differs from any value.

    However its rows are cut into chunks, and whatever lies in memory where a cell is null.
    """
    digest = hashlib.sha256()
    for field in table.schema:
        digest.update(f"{field.name} {field.type} {table.num_rows}\n".encode())
        for part in _parts(table.column(field.name).combine_chunks()):
            digest.update(part)
    return digest.hexdigest()[:CHARS]


def _parts(column: pa.Array) -> Iterator[bytes]:
    """Yield the cells of a column as bytes: which are null, then their values with a fixed one in place of null."""
    kind = column.type
    yield column.is_null().to_numpy(zero_copy_only=False).tobytes()
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        yield from _parts(pc.list_value_length(column))
        yield from _parts(pc.list_flatten(column))
    elif pa.types.is_integer(kind) or pa.types.is_floating(kind):
        yield column.fill_null(pa.scalar(0, kind)).to_numpy().tobytes()
    elif pa.types.is_timestamp(kind):
        yield from _parts(column.cast(pa.int64()))
    else:
        # Texts are the same in many rows: each once, in the order of their first row, then which one a row has.
        encoded = column.dictionary_encode()
        yield repr(encoded.dictionary.to_pylist()).encode()
        yield from _parts(encoded.indices)
