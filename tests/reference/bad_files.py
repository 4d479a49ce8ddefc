"""Ten thousand files with one thing wrong each: ``python -m tests.reference.bad_files --files 10000``.

A good file is generated, one thing in it is made wrong, and the import must refuse it: naming the row and the column,
and keeping nothing, not even of the good file beside it.
"""

import argparse
import json
import random
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from processors.reference.load import import_files
from processors.reference.records import Record
from processors.reference.table import ReferenceFileError
from tests.reference.good_files import FORMS, SUFFIXES, Rows, encoded, parquet


class MemoryStore:
    """Keeps records in a list."""

    def __init__(self) -> None:
        self.records: list[Record] = []

    def read(self, topic: str) -> list[Record]:
        """Return the records of a topic."""
        return [r for r in self.records if topic == r.TOPIC]

    def publish(self, records) -> dict[str, int]:
        """Keep records."""
        self.records += records
        return {}


@dataclass(frozen=True)
class Bad:
    """One wrong file.

    Parameters
    ----------
    what
        What is wrong, in words.
    row, columns
        Where the error must point; any of the columns.
    """

    suffix: str
    data: bytes
    what: str
    row: int
    columns: set[str]


# ---- one thing wrong ----

NOT_NUMBERS = ("abc", "1,5", "nan", "inf", "-inf", "1_000", " 1", "1e999", "0x10", "$5", "--1", "1.2.3")
NOT_POSITIVE = (*NOT_NUMBERS, "-1", "0", "-0.0")
NOT_DATES = ("2014-02-30", "2014-13-01", "02/05/2014", "2014-5-2", "20140502", "9999-01-01", "0014-05-02", "today",
             "2014-05-02T00:00:00", "1398902403")  # fmt: skip
NOT_INSTANTS = ("2014-05-02", "2014-05-02T12:30:00", "2014-05-02T25:00:00Z", "2014-02-30T00:00:00Z", "yesterday",
                "1398902403", "2914-05-02T12:30:00Z", "12:30:00Z", "2014-05-02T12:30:00 New York")  # fmt: skip
NOT_TEXT = (" made", "made ", "ma\x00de", "ma\tde", "x" * 65, "ma\u200bde")
NOT_SYMBOLS = ("AIG", "AIG US", ":US", "AIG:", "AIG:us", "A IG:US", "AIG:US:X", "ÄIG:US", "-AIG:US")

WRONG: dict[str, dict[str, tuple[str, ...]]] = {
    "securities": {
        "symbol_id": NOT_SYMBOLS, "security_id": ("#1", " a", "x" * 65), "symbol": ("!", "AIG ", "A,B;C"),
        "isin": ("US0000000000", "us94106L1098", "US94106L109", "US94106L10988", "94106L1098US", "US94106L1O98"),
        "mic": ("NYSE1", "xnys", "XNY", "X NY"), "asset_class": ("stock", "Equity", "1", "option"),
        "price_basis": ("last", "Trade", "mid"), "currency": ("usd", "$", "US", "US DOLLAR", "USD "),
        "tick_size": NOT_POSITIVE, "lot_size": NOT_POSITIVE, "multiplier": NOT_POSITIVE,
        "session_calendar": ("XNYZ", "nyse open", "24x7", "XNYS "), "time_zone": ("America/NewYork", "EST5", "utc+1"),
        "contract_month": ("2013-13", "13-12", "DEC13", "201312"), "first_notice": NOT_DATES, "last_trade": NOT_DATES,
        "listed": NOT_DATES, "delisted": NOT_DATES, "ts_known": NOT_INSTANTS,
        "valid_from": ("2014-02-30", "2014-05-02T12:30:00", "soon"), "valid_to": ("2014-02-30", "20140502", "never"),
        "roll_rules": ("volume,open_interest", "first_notice", "volume volume", "cheapest", "last_trade-x"),
        "source": NOT_TEXT, "root": ("GC", "GC:cmx"),
    },
    "fundamentals": {
        "symbol_id": NOT_SYMBOLS, "metric": ("EPS", "eps diluted", "_eps", "eps-1"), "period_end": NOT_DATES,
        "period": ("Q4 2013", "2013Q5", "2013M13", "13Q1"), "value": NOT_NUMBERS, "unit": ("$", "1", "USD,", " USD"),
        "ts_event": NOT_INSTANTS, "ts_known": NOT_INSTANTS, "source": NOT_TEXT,
    },
    "events": {
        "symbol_id": NOT_SYMBOLS, "event_id": NOT_TEXT, "type": ("Dividend", "div", "ipo"), "source": NOT_TEXT,
        "name": ("Amount", "cash amount", "a-b"), "ts_event": NOT_INSTANTS, "ts_known": NOT_INSTANTS,
        "value": NOT_NUMBERS, "unit": ("$", "1", "USD "), "text": NOT_TEXT,
    },
    "index_closes": {
        "date": NOT_DATES, "symbol": ("vix", "VXX", "VIX "), "open": NOT_POSITIVE, "high": NOT_POSITIVE,
        "low": NOT_POSITIVE, "close": NOT_POSITIVE,
    },
    "corporate_actions": {
        "date": NOT_DATES, "symbol": ("aapl", "AA PL", "1A"), "dividend": (*NOT_NUMBERS, "-0.5"), "split": NOT_POSITIVE,
    },
    "curve": {"date": NOT_DATES, "3month": (*NOT_NUMBERS, "7.89", "-0.5"), "10year": (*NOT_NUMBERS, "4.1")},
    "policy": {"DATE": NOT_DATES, "PCREDIT8": (*NOT_NUMBERS, "500", "-20")},
}  # fmt: skip
"""By form and column: values that are wrong in any row."""

REQUIRED = {
    "securities": ("symbol_id", "asset_class", "price_basis", "currency", "tick_size", "lot_size", "multiplier",
                   "session_calendar"),
    "fundamentals": ("symbol_id", "metric", "period_end", "value", "unit", "ts_known"),
    "events": ("symbol_id", "type", "name", "ts_event"),
    "index_closes": ("date", "symbol", "open", "high", "low", "close"),
    "corporate_actions": ("date", "symbol", "dividend", "split"), "curve": ("date",), "policy": ("DATE", "PCREDIT8"),
}  # fmt: skip

Change = tuple[str, int, dict[str, str], set[str]]
"""What is wrong, row from 0, cells to change, columns that may be named."""

TOGETHER: dict[str, list[Change]] = {
    "securities": [
        ("a span that ends before it begins", 3, {"valid_to": "1990-01-01"}, {"valid_to"}),
        ("listed after the last trade", 4, {"listed": "2014-01-30"}, {"first_notice", "last_trade"}),
        ("delisted before it was listed", 3, {"delisted": "1990-01-04"}, {"delisted"}),
        ("a share with a root", 0, {"root": "WM:US"}, {"root"}),
        ("a coin with a last trade", 5, {"last_trade": "2015-05-05"}, {"last_trade"}),
        ("a share with a rule to roll", 1, {"roll_rules": "volume"}, {"roll_rules"}),
        ("a contract without a root", 4, {"root": ""}, {"root"}),
        ("a last trade in another year", 4, {"last_trade": "2012-12-27"}, {"last_trade"}),
        ("a first notice in another year", 4, {"first_notice": "2015-11-29"}, {"first_notice"}),
        ("traded after it was delisted", 4, {"delisted": "2013-12-20"}, {"delisted"}),
    ],
    "fundamentals": [
        ("known before its period ends", 3, {"ts_known": "1994-01-01T00:00:00Z"}, {"ts_known"}),
        ("published after it was known", 2, {"ts_event": "2031-01-01T00:00:00Z"}, {"ts_event"}),
        ("a value taken back twice", 2, {"value": "Withdrawn"}, {"value"}),
    ],
    "events": [
        ("a dividend below 0", 0, {"value": "-0.5"}, {"value"}),
        ("a split of nothing", 2, {"value": "0"}, {"value"}),
        ("a value without unit", 3, {"unit": ""}, {"unit"}),
        ("neither value nor text", 5, {"value": ""}, {"value"}),
        ("a change to no ticker", 4, {"text": ""}, {"text", "value"}),
        ("known ten years before", 1, {"ts_known": "1980-01-01T00:00:00Z"}, {"ts_known"}),
    ],
    "index_closes": [("a low above the high", 1, {"low": "99.0"}, {"low"})],
    "corporate_actions": [("a row that says nothing", 0, {"dividend": "0.0"}, {"dividend"})],
    "curve": [("a day without any yield", 1, {"3month": "", "10year": ""}, {"3month"})],
    "policy": [],
}


def bad_file(seed: int) -> Bad:
    """Return the wrong file of a seed: the same at each call."""
    rng = random.Random(seed)
    form = rng.choice(list(FORMS))
    rows = FORMS[form](rng)
    suffix = rng.choice(SUFFIXES)
    way = rng.choice((_wrong_value, _wrong_value, _wrong_value, _empty, _contradiction, _twice, _shared, _file))
    return way(form, rows, suffix, rng) or _wrong_value(form, rows, suffix, rng)


def _wrong_value(form: str, rows: Rows, suffix: str, rng: random.Random) -> Bad:
    column = rng.choice(list(WRONG[form]))
    at = rng.randrange(len(rows))
    rows[at][column] = rng.choice(WRONG[form][column])
    return _told(f"{column} is {rows[at][column]!r}", rows, suffix, at, {column})


def _empty(form: str, rows: Rows, suffix: str, rng: random.Random) -> Bad:
    column, at = rng.choice(REQUIRED[form]), rng.randrange(len(rows))
    rows[at][column] = ""
    return _told(f"{column} is empty", rows, suffix, at, {column})


def _contradiction(form: str, rows: Rows, suffix: str, rng: random.Random) -> Bad | None:
    if not TOGETHER[form]:
        return None
    what, at, cells, columns = rng.choice(TOGETHER[form])
    rows[at] |= cells
    return _told(what, rows, suffix, at, columns)


def _twice(_: str, rows: Rows, suffix: str, rng: random.Random) -> Bad:
    at = rng.randrange(len(rows))
    rows.append(dict(rows[at]))
    columns = {"valid_from", "period_end", "ts_event", "date", "DATE"}
    return _told("a row twice", rows, suffix, len(rows) - 1, columns)


def _shared(form: str, rows: Rows, suffix: str, rng: random.Random) -> Bad | None:
    """Two records that cannot both be: their spans overlap, or two securities have one symbol at one time."""
    if form != "securities":
        return None
    if rng.random() < 0.5:
        rows[2]["valid_from"] = str(int(rows[0]["valid_to"][:4]) - 1) + "-08-04T04:00:00Z"
        return _told("a ticker that another still has", rows, suffix, 2, {"symbol_id"})
    rows[1]["ts_known"] = rows[0]["ts_known"]
    rows[1]["valid_from"] = str(int(rows[0]["valid_to"][:4]) - 1) + rows[0]["valid_to"][4:]
    return _told("two tickers at one time", rows, suffix, 1, {"valid_from"})


def _file(form: str, rows: Rows, suffix: str, rng: random.Random) -> Bad:
    """Something that is wrong with the file itself."""
    ways = {".csv": _bad_csv, ".jsonl": _bad_lines, ".parquet": _bad_parquet}
    return ways[suffix](form, rows, rng)


def _bad_csv(form: str, rows: Rows, rng: random.Random) -> Bad:
    lines = encoded(rows, ".csv").decode().splitlines()
    header = lines[0].split(",")
    at = rng.randrange(1, len(lines))
    column = rng.choice(REQUIRED[form])
    own = form in ("securities", "fundamentals", "events")
    what = rng.choice(("cell too few", "cell too many", "open quote", "not UTF-8", "no rows", "column twice",
                       "semicolons", "column missing", "column unknown"))  # fmt: skip
    if what in ("column missing", "column unknown") and not own:
        # Another column makes another form of it: then the columns of that are missing.
        what = "column twice"
    row, columns = at + 1, {column}
    i = header.index(column)
    cells = lines[at].split(",")
    if what == "cell too few":
        lines[at], columns = ",".join(cells[:-1]), {header[-1]}
    elif what == "cell too many":
        lines[at], columns = lines[at] + ",x", {str(len(header) + 1)}
    elif what == "open quote":
        lines[at] = ",".join([*cells[:i], '"' + cells[i], *cells[i + 1 :]])
    elif what == "not UTF-8":
        bad = ",".join([*cells[:i], "\udcff" + cells[i], *cells[i + 1 :]])
        lines[at] = bad
    elif what == "no rows":
        lines, row, columns = lines[:1], 1, {header[0]}
    elif what == "column twice":
        lines = [f"{line},{line.split(',')[i]}" for line in lines]
        row = 1
    elif what == "semicolons":
        lines, row, columns = [line.replace(",", ";") for line in lines], 1, {"1"}
    elif what == "column missing":
        lines = [",".join(c for j, c in enumerate(line.split(",")) if j != i) for line in lines]
        row = 1
    else:
        lines[0] = lines[0].replace(header[-1], "remark")
        row, columns = 1, {"remark"}
    data = ("\n".join(lines) + "\n").encode(errors="surrogateescape")
    return Bad(".csv", data, f"{what}, {column}", row, columns)


def _bad_lines(form: str, rows: Rows, rng: random.Random) -> Bad:
    lines = encoded(rows, ".jsonl").decode().splitlines()
    at = rng.randrange(len(lines))
    column = rng.choice(REQUIRED[form])
    row = json.loads(lines[at])
    what = rng.choice(("cut", "a list", "a name twice", "no object", "an object", "a boolean", "NaN"))
    columns = {column}
    if what == "cut":
        lines[at] = lines[at][: lines[at].index(f'"{column}":') + len(column) + 4]
    elif what in ("a list", "an object", "a boolean", "NaN"):
        row[column] = {"a list": [1], "an object": {"a": 1}, "a boolean": True, "NaN": float("nan")}[what]
        lines[at] = json.dumps(row)
    elif what == "a name twice":
        lines[at] = lines[at][:-1] + f', "{column}": 1}}'
    else:
        lines[at], columns = "[1, 2]", {"1"}
    return Bad(".jsonl", ("\n".join(lines) + "\n").encode(), f"{what}, {column}", at + 1, columns)


def _bad_parquet(form: str, rows: Rows, rng: random.Random) -> Bad:
    data = encoded(rows, ".parquet")
    column = rng.choice(REQUIRED[form])
    what = rng.choice(("cut", "not Parquet", "no rows", "a list"))
    if what == "cut":
        return Bad(".parquet", data[: rng.randrange(len(data) - 1)], what, 1, {"1"})
    if what == "not Parquet":
        return Bad(".parquet", encoded(rows, ".csv"), what, 1, {"1"})
    table = pq.read_table(pa.BufferReader(data))
    if what == "no rows":
        return Bad(".parquet", parquet(table.slice(0, 0)), what, 1, {table.column_names[0]})
    i = table.column_names.index(column)
    lists = pa.array([[1.0]] * table.num_rows)
    return Bad(".parquet", parquet(table.set_column(i, column, lists)), f"{what}, {column}", 1, {column})


def _told(what: str, rows: Rows, suffix: str, at: int, columns: set[str]) -> Bad:
    return Bad(suffix, encoded(rows, suffix), what, at + (2 if suffix == ".csv" else 1), columns)


# ---- the check ----


def fault(bad: Bad, folder: Path) -> str:
    """Import a good and a wrong file together and return what is wrong with the answer; empty where it is right."""
    good, path = folder / "good.csv", folder / f"bad{bad.suffix}"
    if not good.exists():
        rows = [row | {"symbol_id": "XOM:US"} for row in FORMS["fundamentals"](random.Random(1))]
        good.write_bytes(encoded(rows, ".csv"))
    path.write_bytes(bad.data)
    store = MemoryStore()
    try:
        import_files([good, path], store)
    except ReferenceFileError as e:
        first = e.problems[0]
        if store.records:
            return "something was kept"
        if Path(first.file) != path or first.row != bad.row or first.column not in bad.columns:
            return f"names row {first.row}, column {first.column}: {e}"
        return "" if first.remedy and str(first.row) in str(e) and first.column in str(e) else f"not told: {e}"
    except Exception as e:  # noqa: BLE001 - any other error is the fault that is looked for
        return f"{type(e).__name__}: {e}"
    return "was taken"


def main() -> int:
    """Check many wrong files and print the account; return 1 where an answer is wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.reference.bad_files", description=__doc__)
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    begun_s, wrong, by_suffix = time.monotonic(), 0, Counter[str]()
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(chosen.seed, chosen.seed + chosen.files):
            bad = bad_file(seed)
            by_suffix[bad.suffix] += 1
            said = fault(bad, Path(folder))
            if said:
                wrong += 1
                sys.stderr.write(f"seed {seed} ({bad.suffix}, {bad.what}, row {bad.row}, {bad.columns}): {said}\n")
    seconds = time.monotonic() - begun_s
    counts = ", ".join(f"{n:,} {s}" for s, n in sorted(by_suffix.items()))
    sys.stdout.write(
        f"{chosen.files:,} wrong files ({counts}): {chosen.files - wrong:,} refused by row and column with nothing "
        f"kept, {wrong:,} not, {seconds:.0f} s\n"
    )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
