"""The shipped ticks are the ones that SOURCES.md describes."""

import hashlib
import re
from pathlib import Path

import pyarrow.parquet as pq
import pytest

MARKET = Path(__file__).parents[2] / "deploy" / "demo" / "market"
ROW = re.compile(
    r"^\| `(?P<file>\w+\.parquet)` \| (?P<rows>[\d,]+) \| .* \| `(?P<sha256>[0-9a-f]{64})` \|$", re.MULTILINE
)


def described() -> dict[str, tuple[int, str]]:
    """Return rows and sha256 by file, as SOURCES.md has them."""
    text = (MARKET / "SOURCES.md").read_text()
    return {m["file"]: (int(m["rows"].replace(",", "")), m["sha256"]) for m in ROW.finditer(text)}


def sha256(path: Path) -> str:
    """Return the hash of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("name", sorted(path.name for path in MARKET.glob("*.parquet")))
def test_a_shipped_file_is_byte_for_byte_the_one_in_sources_md(name: str) -> None:
    """A shipped file is byte for byte the one in SOURCES.md."""
    rows, expected = described()[name]
    assert sha256(MARKET / name) == expected
    assert pq.ParquetFile(MARKET / name).metadata.num_rows == rows


def test_a_changed_byte_is_noticed(tmp_path: Path) -> None:
    """A changed byte is noticed."""
    name = "binance_trades_3venues.parquet"
    data = bytearray((MARKET / name).read_bytes())
    data[1000] ^= 1
    (tmp_path / name).write_bytes(data)
    assert sha256(tmp_path / name) != described()[name][1]


def test_the_shipped_ticks_are_1198127_in_at_most_15_megabytes() -> None:
    """The shipped ticks are 1,198,127 in at most 15 megabytes, and every described file is there."""
    assert sum(rows for rows, _ in described().values()) == 1_198_127
    assert {path.name for path in MARKET.glob("*.parquet")} == set(described())
    assert sum(path.stat().st_size for path in MARKET.glob("*.parquet")) <= 15_000_000
