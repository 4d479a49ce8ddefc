"""Which instruments a command works with: what was imported reaches stages by a file, or by the topic at the start."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from cli.commands.reference import reference
from processors.errors import ConfigError
from processors.futures.config import RollsConfig
from processors.reference import in_use as module
from processors.reference.in_use import use_reference
from processors.reference.load import load
from processors.reference.master import beside_list, default_master
from processors.reference.records import Security
from schemas.instruments import instruments_csv, load_instruments, read_instruments

HEADER = (
    "security_id,symbol_id,asset_class,price_basis,currency,tick_size,lot_size,multiplier,session_calendar,root,"
    "roll_rules,valid_from,valid_to,ts_known"
)
ROWS = (
    "S1,WMI:US,equity,trade,USD,0.01,1,1,XNYS,,,,2012-01-01,",
    "S1,WM:US,equity,trade,USD,0.02,1,1,XNYS,,,2012-01-01,,",
    "S2,WM:US,equity,trade,USD,0.05,1,1,XNYS,,,,2008-09-26,",
    "S3,ZNH30:CBT,future,trade,USD,0.015625,1,1000,CMES,ZN:CBT,oi notice-4,,,",
    "S4,NDX:INDEX,index,trade,USD,0.01,1,1,XNYS,,,,,",
    "S5,EURUSD:FX,fx,quote,USD,0.0001,1,1,FX,,,,,",
)


@pytest.fixture(name="securities")
def _securities(tmp_path: Path) -> Path:
    path = tmp_path / "securities.csv"
    path.write_text("\n".join([HEADER, *ROWS]) + "\n")
    return path


@pytest.fixture(autouse=True)
def _no_caches(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MPS_HOME", str(tmp_path / "home"))
    for name in ("MPS_INSTRUMENTS", "MPS_REFERENCE"):
        # Set first, so that what the code under test sets is taken back.
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)


@pytest.fixture(autouse=True)
def _known_again():
    yield
    load_instruments.cache_clear()
    default_master.cache_clear()


def test_the_list_of_the_stages_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    """What is written of the shipped list is that list."""
    path = tmp_path / "list.csv"
    path.write_text(instruments_csv(load_instruments()))
    assert read_instruments(path).rows == load_instruments().rows


def test_the_export_has_what_was_imported_and_the_list_beside_it(securities: Path, tmp_path: Path) -> None:
    """Former tickers and delisted ones too, each as at its last; indexes are not traded; what is imported counts."""
    out = tmp_path / "out.csv"
    done = CliRunner().invoke(reference, ["export", str(out), "--file", str(securities)])
    assert done.exit_code == 0, done.output + repr(done.exception)
    found = read_instruments(out)
    by_symbol = {r.symbol_id: r for r in found.rows}
    before = {r.symbol_id: r for r in load_instruments().rows}
    assert by_symbol.keys() == before.keys() | {"WMI:US", "WM:US", "ZNH30:CBT"}
    assert (by_symbol["WM:US"].tick_size, by_symbol["WMI:US"].tick_size) == (0.02, 0.01)
    assert by_symbol["ZNH30:CBT"].partition_key == "ZN:CBT"
    assert (by_symbol["EURUSD:FX"].tick_size, before["EURUSD:FX"].tick_size) == (0.0001, 0.00001)
    assert by_symbol["NZDUSD:FX"] == before["NZDUSD:FX"]
    assert f"{len(found.rows):,} instruments" in done.output


def test_stages_know_what_was_imported_where_the_environment_says_topic(
    securities: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A new symbol is unknown before and known after; the file is named by its content: twice the same is one file."""
    imported = load([securities]).securities
    monkeypatch.setattr(module, "topic_securities", lambda _prefix: imported)
    assert "ZNH30:CBT" not in load_instruments().by_symbol
    use_reference()
    assert "ZNH30:CBT" not in load_instruments().by_symbol
    monkeypatch.setenv("MPS_REFERENCE", "topic")
    for _ in range(2):
        use_reference()
        known = load_instruments()
        assert known.rows[known.by_symbol["ZNH30:CBT"]].multiplier == 1000.0
        assert "NZDUSD:FX" in known.by_symbol
        # The rolls stage finds the rules of the master in the same list.
        assert dict(RollsConfig.from_environment().by_root)["ZN"] == ("volume", "notice-3", "oi", "notice-4")
    assert len(list((tmp_path / "home").glob("instruments-*.csv"))) == 1


def test_another_word_than_topic_or_file_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message names the variable, the value and what is allowed."""
    monkeypatch.setenv("MPS_REFERENCE", "kafka")
    with pytest.raises(ConfigError, match=r"MPS_REFERENCE.*kafka.*topic"):
        use_reference()


def test_a_missing_list_says_how_to_make_one(tmp_path: Path) -> None:
    """A name of no file: the error names the export."""
    with pytest.raises(ConfigError, match="mps reference export"):
        read_instruments(tmp_path / "none.csv")


def test_what_was_imported_of_a_symbol_replaces_the_list(securities: Path) -> None:
    """Of EURUSD the master has the imported record alone."""
    master = beside_list(load([securities]).securities)
    assert [s.security_id for s in master.records if s.symbol_id == "EURUSD:FX"] == ["S5"]
    assert isinstance(master.records[0], Security)
