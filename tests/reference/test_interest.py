"""Open interest out of tables and LEAN's zip files, known no earlier than its time can mean."""

import zipfile
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from processors.errors import ConfigError
from processors.reference.load import load
from processors.reference.table import ReferenceFileError

HEADER = "symbol,contract,venue,open_interest"
TICKS = "future/comex/tick/gc/20131007_openinterest.zip"
OF_DECEMBER = "20131007_gc_tick_openinterest_201312_20131227.csv"


def told(path: Path) -> list[tuple[str, datetime, float | None]]:
    """Return contract, time of knowledge and figure of each event of a file."""
    events = load([path]).events
    assert {(e.type, e.name, e.unit) for e in events} == {("other", "open_interest", "contracts")}
    return [(e.symbol_id, datetime.fromtimestamp(e.ts_known / 1e9, UTC), e.value) for e in events]


def table(tmp_path: Path, *lines: str) -> Path:
    """Return a CSV file."""
    path = tmp_path / "interest.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def zipped(tmp_path: Path, place: str, members: dict[str, str]) -> Path:
    """Return a zip file at LEAN's place."""
    path = tmp_path / place
    path.parent.mkdir(parents=True)
    with zipfile.ZipFile(path, "w") as z:
        for name, text in members.items():
            z.writestr(name, text)
    return path


def at(text: str) -> datetime:
    """Return a time, UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_a_figure_of_a_date_is_known_when_the_date_is_over(tmp_path: Path) -> None:
    """Midnight in New York after it: four or five hours UTC; the exchange becomes the suffix of our symbols."""
    path = table(tmp_path, f"date,{HEADER}", "2013-10-07,GC,GCZ13,COMEX,250000", "2013-12-09,ES,ESZ13,CME,2")
    of_gold, of_index = told(path)
    assert of_gold == ("GCZ13:CMX", at("2013-10-08T04:00"), 250000.0)
    assert of_index == ("ESZ13:CME", at("2013-12-10T05:00"), 2.0)


def test_of_one_contract_and_time_the_last_row_counts(tmp_path: Path) -> None:
    """A tick file says a figure twice at one time, by sequence; figures of a day are revisions of one event."""
    lines = [f"2013-10-07T06:07:48.5Z,{n},GC,GCZ13,COMEX,{x}" for n, x in ((0, 1), (1, 3))]
    path = table(tmp_path, f"ts,seq,{HEADER}", *lines, "2013-10-07T09:00:00Z,2,GC,GCZ13,COMEX,4")
    assert told(path) == [
        ("GCZ13:CMX", at("2013-10-07T06:07:48.500"), 3.0), ("GCZ13:CMX", at("2013-10-07T09:00"), 4.0)
    ]  # fmt: skip
    assert len({e.event_id for e in load([path]).events}) == 1


@pytest.mark.parametrize(("begin", "known"), [("06:06", "06:07"), ("06:00", "07:00"), ("06:06:00.5", "06:06:00.500")])
def test_full_hours_and_minutes_are_known_at_their_ends(tmp_path: Path, begin: str, known: str) -> None:
    """A file of nothing but full minutes, or hours, has the begins of them; a second is taken as it stands."""
    path = tmp_path / "interest.parquet"
    row = {"ts": [at(f"2013-10-07T{begin}")], "symbol": ["GC"], "contract": ["GCZ13"], "venue": ["COMEX"]}
    pq.write_table(pa.table({**row, "open_interest": [7]}), path)
    assert told(path) == [("GCZ13:CMX", at(f"2013-10-07T{known}"), 7.0)]


def test_the_zip_files_of_lean_say_the_same(tmp_path: Path) -> None:
    """Ticks by milliseconds of the day, days by date; the member's name has the month, the path root and exchange."""
    ticks = zipped(tmp_path, TICKS, {
        OF_DECEMBER: "22068500,5\n22068501,6\n", "20131007_gc_tick_openinterest_201402_20140226.csv": "100,9\n",
    })  # fmt: skip
    assert told(ticks) == [
        ("GCZ13:CMX", at("2013-10-07T06:07:48.500"), 5.0), ("GCZ13:CMX", at("2013-10-07T06:07:48.501"), 6.0),
        ("GCG14:CMX", at("2013-10-07T00:00:00.100"), 9.0),
    ]  # fmt: skip
    line, place = "20131006 20:00,5811\n", "future/cme/{}/es_openinterest.zip"
    days = zipped(tmp_path, place.format("daily"), {"es_openinterest_201403_20140321.csv": line})
    assert told(days) == [("ESH14:CME", at("2013-10-07T04:00"), 5811.0)]
    hours = zipped(tmp_path, place.format("hour"), {"es_openinterest_201403.csv": line})
    assert told(hours) == [("ESH14:CME", at("2013-10-06T21:00"), 5811.0)]


@pytest.mark.parametrize(
    ("line", "column"),
    [
        ("2013-10-07,GC,GOLD,COMEX,1", "contract"), ("2013-10-07,GC,GCZ13,comex,1", "venue"),
        ("2013-10-07,GC,GCZ13,COMEX,-1", "open_interest"), ("yesterday,GC,GCZ13,COMEX,1", "date"),
        ("2013-10-07,GC,GCZ13,COMEX,", "open_interest"),
    ],
)  # fmt: skip
def test_a_wrong_row_is_refused_with_its_column(tmp_path: Path, line: str, column: str) -> None:
    """Row and column of what is wrong, and nothing loaded."""
    with pytest.raises(ReferenceFileError) as caught:
        load([table(tmp_path, f"date,{HEADER}", line)])
    assert [(p.row, p.column) for p in caught.value.problems] == [(2, column)]


@pytest.mark.parametrize(
    ("place", "members", "remedy"),
    [
        (TICKS, {OF_DECEMBER: "soon,5\n"}, "milliseconds"), (TICKS, {OF_DECEMBER: "5\n"}, "a figure behind"),
        (TICKS, {OF_DECEMBER: ""}, "at least one line"), (TICKS, {"20131007_gc.csv": "1,1\n"}, "_201312"),
        ("gc_openinterest.zip", {OF_DECEMBER: "1,1\n"}, "the path of LEAN"),
        ("future/comex/daily/gc_openinterest.zip", {"gc_openinterest_201312.csv": "20131307 00:00,1\n"}, "yyyymmdd"),
        ("future/comex/daily/gc_openinterest.zip", {"gc_openinterest_201312.csv": "20131207 00:00,x\n"}, "number"),
    ],
)  # fmt: skip
def test_a_wrong_zip_file_is_refused(tmp_path: Path, place: str, members: dict[str, str], remedy: str) -> None:
    """A broken line, nothing in it, a member without a month, a path that is not LEAN's: each says what is allowed."""
    with pytest.raises(ConfigError, match=remedy):
        load([zipped(tmp_path / "in", place, members)])


def test_what_is_no_zip_file_is_refused(tmp_path: Path) -> None:
    """Bytes that are none."""
    path = tmp_path / TICKS
    path.parent.mkdir(parents=True)
    path.write_bytes(b"no zip")
    with pytest.raises(ReferenceFileError, match="whole zip file"):
        load([path])
