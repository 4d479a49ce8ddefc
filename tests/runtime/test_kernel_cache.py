"""Compiled code is kept by its types: what two processes compile at once is never taken for one another."""

from pathlib import Path
from typing import Any

from numba.core import caching

from processors.bars.bar import merge
from processors.kernel_cache import KeyedFile


def interleaved(folder: Path, file_class: Any) -> Any:
    """Return what is loaded for "B" where A and B are saved at the same moment, by two that both saw no index."""
    folder.mkdir()
    a, b = file_class(str(folder), "f", "stamp"), file_class(str(folder), "f", "stamp")
    a_loads, b_loads = a._load_index, b._load_index
    a._load_index = dict
    b._load_index = dict
    a_saves = a._save_data

    def b_is_faster(name: str, data: Any) -> None:
        b.save("B", "code of B")
        a_saves(name, data)

    a._save_data = b_is_faster
    a.save("A", "code of A")
    a._load_index, b._load_index = a_loads, b_loads
    return b.load("B")


def test_of_two_that_compile_at_once_neither_gets_the_code_of_the_other(tmp_path: Path) -> None:
    """What was lost of the index is compiled again; numba's own class gives the wrong code here."""
    stock = KeyedFile.__mro__[1]
    assert interleaved(tmp_path / "ours", KeyedFile) in (None, "code of B")
    assert interleaved(tmp_path / "stock", stock) == "code of A"


def test_code_is_found_again(tmp_path: Path) -> None:
    """By another process, for each of the types."""
    for key in ("A", "B"):
        KeyedFile(str(tmp_path), "f", "stamp").save(key, f"code of {key}")
    assert [KeyedFile(str(tmp_path), "f", "stamp").load(key) for key in ("A", "B", "C")] == [
        "code of A", "code of B", None,
    ]  # fmt: skip


def test_numba_uses_it() -> None:
    """For every function that is kept."""
    assert caching.IndexDataCacheFile is KeyedFile
    assert type(merge._cache._cache_file) is KeyedFile
