"""``mps reference adjusted`` and what it reads: closes as traded and adjusted, as known at a time."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from cli.commands import adjusted as command
from cli.commands.reference import reference
from processors.errors import ConfigError
from processors.reference.closes import closes_of_file
from processors.sessions import sessions

ACTIONS = "date,symbol,dividend,split\n2014-06-09,AIG,0,7\n2014-06-11,AIG,0.5,1\n2014-06-10,WFC,0,2\n"
CLOSES = (
    "date,symbol,close\n2014-06-10,AIG,94.25\n2014-06-06,AIG,645.57\n2014-06-09,AIG,93.70\n2014-06-11,AIG,93.86\n"
    "2014-06-06,WFC,50\n2014-06-09,WFC,51\n"
)


@pytest.fixture(name="files")
def _files(tmp_path: Path) -> list[str]:
    for name, text in (("actions.csv", ACTIONS), ("closes.csv", CLOSES)):
        (tmp_path / name).write_text(text)
    return ["--file", str(tmp_path / "actions.csv"), "--closes", str(tmp_path / "closes.csv")]


def shown(*arguments: str) -> list[dict[str, float]]:
    """Return the rows of the command as JSON."""
    found = CliRunner().invoke(reference, ["adjusted", "AIG:US", *arguments, "--json"])
    assert found.exit_code == 0, found.output + repr(found.exception)
    return [json.loads(line) for line in found.output.splitlines()]


def test_the_command_shows_raw_and_adjusted_closes_in_either_convention(files: list[str]) -> None:
    """A split and a dividend: factors of the day before, in shares of the last day, by both conventions."""
    rows = shown(*files)
    assert [r["close"] for r in rows] == [645.57, 93.70, 94.25, 93.86]
    paid = 1 - 0.5 / 94.25
    assert [r["price_factor"] for r in rows] == pytest.approx([paid / 7, paid, paid, 1.0], rel=1e-15)
    assert [r["adjusted"] for r in rows] == pytest.approx([645.57 * paid / 7, 93.70 * paid, 94.25 * paid, 93.86])
    assert [r["share_factor"] for r in rows] == [7.0, 1.0, 1.0, 1.0]
    other = shown(*files, "--convention", "ex_close")
    assert other[2]["price_factor"] == pytest.approx(93.86 / 94.36, rel=1e-15)


def test_the_command_adjusts_nothing_before_it_was_known(files: list[str]) -> None:
    """Before the close of the ex-date the view ends the day before, as traded; from then on it is adjusted."""
    close = "2014-06-09T20:00:00"
    assert [(r["date"], r["price_factor"]) for r in shown(*files, "--as-of", "2014-06-09T19:59:59")] == [
        ("2014-06-06", 1.0)
    ]
    assert [r["price_factor"] for r in shown(*files, "--as-of", close)] == [1 / 7, 1.0]


def test_the_command_shows_the_dates_asked_for(files: list[str]) -> None:
    """From a date on, before a date; the factors are those of the whole series."""
    rows = shown(*files, "--from", "2014-06-09", "--to", "2014-06-11")
    assert [r["date"] for r in rows] == ["2014-06-09", "2014-06-10"]
    assert rows[0]["price_factor"] == pytest.approx(1 - 0.5 / 94.25)


def test_closes_come_from_the_warehouse_where_no_file_is_named(
    files: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Daily bars by their start and end: the same rows as those of the file; a symbol without bars is refused."""
    known = closes_of_file(Path(files[3]), "AIG:US", "XNYS")
    opens = {int(d) // 86_400_000_000_000: int(o) for d, o in zip(sessions("XNYS").label_ns, sessions("XNYS").open_ns,
                                                                 strict=True)}  # fmt: skip
    bars = [
        {"start": opens[int(d)], "end": int(k), "c": float(c)}
        for d, k, c in zip(known.day, known.known_ns, known.close, strict=True)
    ]
    monkeypatch.setattr(command, "rows_of", lambda _query: bars)
    assert shown(*files[:2]) == shown(*files)
    monkeypatch.setattr(command, "rows_of", lambda _query: [])
    found = CliRunner().invoke(reference, ["adjusted", "AIG:US", *files[:2]])
    assert "--closes FILE" in str(found.exception)


def test_an_unknown_symbol_is_refused_with_what_to_do(files: list[str]) -> None:
    """The message names the symbol, some that are known, and the export."""
    found = CliRunner().invoke(reference, ["adjusted", "NOBODY:US", *files])
    assert "NOBODY:US" in str(found.exception)
    assert "mps reference export" in str(found.exception)


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("date,price\n2014-06-06,1\n", "close too"),
        ("date,symbol,close\n2014-06-06,IBM,1\n", "a symbol that has rows"),
        ("date,close\n2014-06-06,1\n2014-06-06,2\n", "2014-06-06"),
        ("date,close\n2014-06-06,-1\n", "a price above 0"),
    ],
)
def test_a_wrong_file_of_closes_is_refused(tmp_path: Path, text: str, wrong: str) -> None:
    """A missing column, no row of the symbol, a date twice and a price that cannot be are named."""
    path = tmp_path / "closes.csv"
    path.write_text(text)
    with pytest.raises(ConfigError, match=wrong):
        closes_of_file(path, "AIG:US", "XNYS")
