"""Files of ticks with one thing wrong: refused by row and column before anything is published, or told and rejected."""

import random
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bench.bad_files import published, shortcoming
from bench.tick_files import FORMS, MAKERS, SUFFIXES, bad_file, good_file
from processors.errors import ConfigError
from processors.feeds.faults import row_fault
from processors.feeds.files import open_recording

FILES, PARTS = 300, 3


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("form", FORMS)
def test_the_good_files_are_good(tmp_path: Path, form: str, suffix: str) -> None:
    """The files that are made wrong are published whole before, without a warning and without a dead letter."""
    path = tmp_path / f"good{suffix}"
    for seed in range(3):
        path.write_bytes(good_file(random.Random(seed), form, suffix))
        rows = open_recording([path], strict=True).rows
        records, dead, error, told = published([path])
        assert (dead, error, told) == (0, "", ())
        assert records >= rows >= 8


@pytest.mark.parametrize("part", range(PARTS))
def test_a_file_with_one_thing_wrong_is_named_and_nothing_of_it_is_half_loaded(tmp_path: Path, part: int) -> None:
    """Refused by row and column with nothing published, not even of the good file beside it; or one dead letter."""
    n = FILES // PARTS
    wrong = {seed: shortcoming(bad_file(seed), tmp_path) for seed in range(n * part, n * (part + 1))}
    assert {seed: said for seed, said in wrong.items() if said} == {}


def test_a_good_file_does_not_pass_for_a_wrong_one(tmp_path: Path) -> None:
    """The check itself fails on a file that is not refused, or not named as it must be."""
    bad = next(b for b in map(bad_file, range(100)) if not b.publishable and b.row and b.suffix == ".csv")
    good = good_file(random.Random(3), "dealers", ".csv")
    assert shortcoming(type(bad)(".csv", good, bad.what, bad.row, bad.columns), tmp_path) == "it was not refused"
    said = shortcoming(type(bad)(".csv", bad.data, bad.what, 99, bad.columns), tmp_path)
    assert said.startswith("it does not name 99")


def test_every_fault_and_form_is_among_the_sample() -> None:
    """The sample has every kind of fault that the generator knows, in each format."""
    made = [bad_file(seed) for seed in range(FILES)]
    assert len({b.what for b in made}) >= len(MAKERS)
    assert {b.suffix for b in made} == set(SUFFIXES)


def test_a_wrong_row_is_found_in_a_large_file(tmp_path: Path) -> None:
    """The row is named where it stands behind a hundred thousand others, beyond the first block and batch."""
    header, *lines = good_file(random.Random(5), "dealers", ".csv").decode().splitlines(keepends=True)
    many = (lines * (120_000 // len(lines) + 1))[:120_000]
    many[110_000] = many[110_000].rpartition(",")[0] + ",1.3x\n"
    path = tmp_path / "large.csv"
    path.write_text(header + "".join(many))
    with pytest.raises(ConfigError, match=r"large\.csv: ask of row 110,001 is '1\.3x': a number"):
        open_recording([path])


def test_the_first_of_many_rejected_rows_is_named_with_their_number(tmp_path: Path) -> None:
    """Of many rows that break one rule the first is named and the rest counted; strict refuses the file for it."""
    header, *lines = good_file(random.Random(6), "dealers", ".csv").decode().splitlines(keepends=True)
    for i in (2, 4, 5):
        fields = lines[i].rstrip().split(",")
        lines[i] = ",".join([*fields[:4], "2.5", fields[5]]) + "\n"
    path = tmp_path / "crossed.csv"
    path.write_text(header + "".join(lines))
    (told,) = open_recording([path]).rejects
    assert "crossed.csv: bid, ask of row 3: EURUSD:FX OANDA: bid 2.5 is above ask" in told
    assert "with 2 more of the kind" in told
    with pytest.raises(ConfigError, match=r"bid, ask of row 3 .*3 such rows"):
        open_recording([path], strict=True)


def test_a_ticker_that_spells_no_value_is_a_ticker(tmp_path: Path) -> None:
    """NA is a symbol in New York and Toronto, not a missing value."""
    data = good_file(random.Random(7), "equity trades", ".csv").replace(b",AIG,", b",NA,")
    path = tmp_path / "na.csv"
    path.write_bytes(data)
    assert list(open_recording([path]).files[0].symbols) == ["NA:US"]


def test_a_missing_column_is_named_with_the_nearest_form(tmp_path: Path) -> None:
    """A file that is one column short of a form is told which one, of each form where several are as near."""
    path = tmp_path / "short.csv"
    path.write_text("ts,symbol,vendor,seq,bid\n2014-05-05T13:00:00Z,EURUSD,OANDA,1,1.38\n")
    with pytest.raises(
        ConfigError, match=r"short\.csv: column ask is 'missing': FX and CFD quotes by vendor have also"
    ):
        open_recording([path])
    path.write_bytes(good_file(random.Random(4), "equity quotes", ".csv").replace(b"side", b"which", 1))
    with pytest.raises(ConfigError, match=r"column sale_cond or side is 'missing'"):
        open_recording([path])


def test_sound_rows_have_no_fault() -> None:
    """A batch in which every value is what its column holds is not blamed."""
    rows = pa.RecordBatch.from_pydict({"bid": ["1.5", None, "nan"], "seq": [1, None, 3], "other": ["x", "y", "z"]})
    assert row_fault(Path("a"), rows, 0) is None


def test_a_number_written_as_text_in_parquet_is_read_or_named(tmp_path: Path) -> None:
    """A column of texts that are numbers is read; one that is not a number is named by its row."""
    path = tmp_path / "text.parquet"
    path.write_bytes(good_file(random.Random(8), "dealers", ".parquet"))
    table = pq.read_table(path)
    values = [str(v) for v in table.column("bid").to_pylist()]
    for changed, error in ((values, None), ([*values[:-1], "1,5"], f"bid of row {len(values)} is '1,5'")):
        pq.write_table(table.set_column(4, "bid", pa.array(changed)), path)
        if error is None:
            assert open_recording([path]).rows == len(values)
        else:
            with pytest.raises(ConfigError, match=error):
                open_recording([path])
