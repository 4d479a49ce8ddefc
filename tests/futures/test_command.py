"""``mps futures`` on a small file."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from cli.commands.futures import futures
from processors.errors import ConfigError

HEAD = "date,contract,settle,volume,open_interest\n"
ROWS = (
    ("2013-12-02", 1800.0, 1794.0, 50, 40),
    ("2013-12-03", 1801.0, 1795.0, 45, 46),
    ("2013-12-04", 1802.0, 1797.0, 1, 90),
)  # fmt: skip


@pytest.fixture(name="chain")
def _chain(tmp_path: Path) -> str:
    path = tmp_path / "es.csv"
    lines = [f"{d},ESZ13,{a},9,{i}\n{d},ESH14,{b},9,{j}\n" for d, a, b, i, j in ROWS]
    path.write_text(HEAD + "".join(lines))
    return str(path)


def lines(*words: str) -> list[dict]:
    """Return what a call prints as JSON."""
    done = CliRunner().invoke(futures, [*words, "--json"], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return [json.loads(line) for line in done.output.splitlines()]


def test_dates_of_a_year_are_those_of_the_rules():
    """Four contracts of a quarterly root."""
    found = lines("dates", "ES", "--from", "2013-01", "--to", "2013-12")
    assert [x["contract"] for x in found] == ["ESH13", "ESM13", "ESU13", "ESZ13"]
    assert found[-1] == {"contract": "ESZ13", "month": "2013-12", "first_notice": "", "last_trade": "2013-12-20"}


def test_the_curve_of_a_day_and_of_the_newest(chain: str):
    """A day that is named cuts off what comes later."""
    assert [x["price"] for x in lines("curve", "ES", "--files", chain, "--day", "2013-12-02")] == [1800.0, 1794.0]
    newest = lines("curve", "ES", "--files", chain)
    assert [(x["contract"], x["days_to_end"], x["open_interest"]) for x in newest] == [
        ("ESZ13", 16.0, 1.0), ("ESH14", 107.0, 90.0),
    ]  # fmt: skip


def test_rolls_and_continuous_prices_agree(chain: str):
    """Interest passes on the second day, is known on the third: one roll of -5, which earlier prices are moved by."""
    (roll,) = lines("rolls", "ES", "--files", chain)
    assert (roll["contract_from"], roll["contract_to"], roll["difference"]) == ("ESZ13", "ESH14", -5.0)
    assert roll["ts"] == "2013-12-05T00:00Z"
    found = lines("continuous", "ES", "--files", chain, "--method", "back_difference")
    assert [(x["date"], x["contract"], x["price"]) for x in found] == [
        ("2013-12-03", "ESZ13", 1796.0), ("2013-12-04", "ESZ13", 1797.0),
    ]  # fmt: skip


def test_interest_of_the_same_day_rolls_a_day_early_on_wish(chain: str):
    """As a vendor's table stands: the figure of the second day decides at its end, before it is published."""
    (roll,) = lines("rolls", "ES", "--files", chain, "--interest", "same-day")
    assert (roll["difference"], roll["ts"]) == (-6.0, "2013-12-04T00:00Z")
    found = lines("continuous", "ES", "--files", chain, "--method", "back_difference", "--interest", "same-day")
    assert [(x["date"], x["contract"], x["price"]) for x in found] == [
        ("2013-12-03", "ESZ13", 1795.0), ("2013-12-04", "ESH14", 1797.0),
    ]  # fmt: skip


def test_a_table_is_printed_for_people(chain: str):
    """Without --json there is a table; a file without rolls says so."""
    done = CliRunner().invoke(futures, ["rolls", "ES", "--files", chain], catch_exceptions=False)
    assert "ESH14" in done.output
    none = CliRunner().invoke(futures, ["rolls", "ES", "--files", chain, "--rule", "last-0"], catch_exceptions=False)
    assert none.output == "ES rolls: nothing in these files\n"


def test_without_open_interest_volume_rolls_and_says_so(tmp_path: Path):
    """The default falls back with a line on stderr; a rule by name is refused, and so is one with nothing to go by."""
    path = tmp_path / "es.csv"
    rows = [f"{d},ESZ13,{a},{i}\n{d},ESH14,{b},{j}\n" for d, a, b, i, j in ROWS]
    path.write_text("date,contract,settle,volume\n" + "".join(rows))
    words = ["rolls", "ES", "--files", str(path), "--json"]
    done = CliRunner().invoke(futures, words, catch_exceptions=False)
    assert [json.loads(x)["rule"] for x in done.stdout.splitlines()] == ["volume"]
    assert "no open_interest known in these files of ES: rolled by volume" in done.stderr
    for rule in ("oi", "oi-next", "oi-annual"):
        with pytest.raises(ConfigError, match="open_interest, and none is known in these files: --rule volume"):
            CliRunner().invoke(futures, [*words, "--rule", rule], catch_exceptions=False)
    path.write_text(HEAD + "2013-12-02,ESZ13,1800,9,5\n2013-12-12,ESZ13,1801,9,5\n")
    done = CliRunner().invoke(futures, words, catch_exceptions=False)
    assert "no open_interest known in these files" in done.stderr, "ten days are too long for a figure"
    path.write_text("date,contract,settle\n2013-12-02,ESZ13,1800\n2013-12-02,ESH14,1794\n")
    for more, column in (([], "open_interest"), (["--rule", "volume"], "volume")):
        with pytest.raises(ConfigError, match=f"{column}, and none is known in these files: --rule last-5"):
            CliRunner().invoke(futures, [*words, *more], catch_exceptions=False)


def test_what_cannot_be_answered_is_refused(chain: str, tmp_path: Path):
    """No files, no such file, a root without a rule, a contract of another root, a rule that is none."""
    other = tmp_path / "gc.csv"
    other.write_text(HEAD + "2013-12-02,GCZ13,1.0,1,1\n")
    bare = tmp_path / "bare.csv"
    bare.write_text("date,contract\n2013-12-02,ESZ13\n")
    for words, told in (
        (["rolls", "ES"], "--files"),
        (["rolls", "ES", "--files", "none.csv"], "a file that is there"),
        (["rolls", "NOPE", "--files", chain], "NOPE"),
        (["rolls", "ES", "--files", str(other)], "contracts of ES"),
        (["rolls", "ES", "--files", str(bare)], "settle, close"),
        (["rolls", "ES", "--files", chain, "--rule", "never"], "never"),
    ):
        with pytest.raises(ConfigError, match=told):
            CliRunner().invoke(futures, words, catch_exceptions=False)
