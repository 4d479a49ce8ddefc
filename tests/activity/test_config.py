"""The file of activity bars: what is right is taken, and what is wrong is named by file, line and column."""

from pathlib import Path

import pytest

from processors.activity.config import ActivityConfig, load_config, read_selections
from processors.errors import ConfigError
from schemas.activity import KINDS, is_activity, parse_activity
from tests.bars.oracle import INSTRUMENTS

HEADER = "symbol_id,asset_class,bar\n"


def test_rows_pick_by_symbol_and_class(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A star fits all; a symbol has the bars of all its rows, in the order of the file."""
    path = tmp_path / "bars.csv"
    path.write_text(HEADER + "*,equity,volume:100.5\n*,*,tick:500\nIBM:T,*,tick_imbalance:20\n")
    monkeypatch.setenv("MPS_ACTIVITY_BARS", str(path))
    bars = {s: [b.name for b in of] for s, of in load_config().bars_of(INSTRUMENTS).items()}
    assert bars["IBM:T"] == ["volume:100.5", "tick:500", "tick_imbalance:20"]
    assert bars["EUR:T"] == ["tick:500"]
    monkeypatch.delenv("MPS_ACTIVITY_BARS")
    assert load_config() == ActivityConfig()


@pytest.mark.parametrize(
    ("text", "line", "key"),
    [
        ("", 1, "header"),
        ("symbol_id,bar\nBTC:T,tick:5\n", 1, "header"),
        (HEADER + "BTC:T,tick:5\n", 2, "row"),
        (HEADER + "BTC:T,*,tick:5,x\n", 2, "row"),
        (HEADER + "*,*,tick:5\n,*,tick:5\n", 3, "symbol_id"),
        (HEADER + "BTC:T,coin,tick:5\n", 2, "asset_class"),
        (HEADER + "BTC:T,*, tick:5\n", 2, "bar"),
        *((HEADER + f"BTC:T,*,{bar}\n", 2, "bar") for bar in (
            "ticks:5", "tick:0", "tick:2.5", "tick:05", "tick:5.0", "tick:", "tick", "tick:five", "volume:-1",
            "volume:1e4", "volume:nan", "volume:inf", "dollar:1e16", "tick_imbalance:1", "volume_imbalance:2.5",
        )),
        (HEADER + "NOSUCH:T,*,tick:5\n", 2, "symbol_id"),
        (HEADER + "*,metal,tick:5\n", 2, "asset_class"),
        (HEADER + "BTC:T,equity,tick:5\n", 2, "symbol_id"),
        (HEADER + "EUR:T,*,volume:5\n", 2, "bar"),
        (HEADER + "*,crypto,tick:5\nBTC:T,*,tick:5\n", 3, "bar"),
        (HEADER + "".join(f"BTC:T,*,tick:{n}\n" for n in range(1, 18)), 18, "bar"),
    ],
)  # fmt: skip
def test_a_wrong_row_is_named(tmp_path: Path, text: str, line: int, key: str) -> None:
    """The error says file, line and column."""
    path = tmp_path / "bars.csv"
    path.write_text(text)
    with pytest.raises(ConfigError) as error:
        ActivityConfig(read_selections(path)).bars_of(INSTRUMENTS)
    assert (error.value.where, error.value.key) == (f"{path}:{line}", key)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """The error says how to name another."""
    with pytest.raises(ConfigError, match="MPS_ACTIVITY_BARS"):
        read_selections(tmp_path / "none.csv")


@pytest.mark.parametrize(
    ("knob", "value"),
    [("ticks_span_bars", 0.5), ("flow_span_bars", float("inf")), ("ticks_ratio_max", 0), ("bar_ticks_ratio_max", 2.0)],
)
def test_a_wrong_knob_is_refused(knob: str, value: float) -> None:
    """Spans and ratios are at least 1, and a bar may last as long as is expected at most."""
    with pytest.raises(ConfigError) as error:
        ActivityConfig(**{knob: value})  # type: ignore[arg-type]
    assert error.value.key == knob


def test_every_kind_has_a_name() -> None:
    """Each kind is read back from its name, and a timeframe of the clock is none."""
    for kind in KINDS:
        assert parse_activity(f"{kind}:20").kind == kind
    assert not any(is_activity(tf) for tf in ("1m", "1d", "7m", "", ":", "tick:+5"))
