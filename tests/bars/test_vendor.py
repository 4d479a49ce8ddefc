"""Bars of recorded ticks against the bars that the vendor itself made of them."""

import numpy as np
import pandas as pd
import pytest

from processors.bars.config import BarsConfig
from processors.bars.stage import BarsStage
from processors.runtime.batch import Columns
from processors.runtime.strings import STRINGS
from processors.segments import segment_at
from processors.sessions import sessions
from tests.bars.oracle import INSTRUMENTS, KINDS, LAYOUT, SECOND
from tests.support import SHARED

FX = SHARED / "market" / "fx"
pytestmark = pytest.mark.skipif(not FX.is_dir(), reason="no recordings: MPS_SHARED names no folder with market/fx")


def _bars(vendor: str, side: str) -> pd.DataFrame:
    """Return the stage's bars of one side of a vendor's EURUSD quotes, taken as if it were the mid."""
    ticks = pd.read_parquet(FX / "eurusd_ticks_two_vendors.parquet", filters=[("vendor", "=", vendor)])
    ticks = ticks.sort_values(["ts", "seq"])
    batch = Columns.empty(LAYOUT, len(ticks))
    ts = ticks["ts"].astype("int64").to_numpy()
    batch["symbol_id"], batch["kind"] = STRINGS.code("EUR:T"), KINDS.index("quote")
    batch["ts_event"] = batch["ts_recv"] = ts
    batch["watermark"] = ts - 2 * SECOND
    batch["price"], batch["bid"], batch["ask"] = ticks[side], ticks["bid"], ticks["ask"]
    batch["size"], batch["n_src"] = np.nan, 1
    stage = BarsStage(BarsConfig(), INSTRUMENTS)
    output = stage.step(stage.open(), batch)
    # Before the week opens FXCM publishes indications: no session, no bar.
    indications = {"FXCM": 706, "OANDA": 0}[vendor]
    assert (output.counts["in_bar"], output.counts["off_session"]) == (len(ticks) - indications, indications)
    bars = output.records["bars.v1"]
    frame = pd.DataFrame({name: bars[name] for name in ("ts_start", "ts", "o", "h", "l", "c", "n_trades", "revision")})
    frame["tf"] = [STRINGS.text(int(c)) for c in bars["tf"]]
    return frame


@pytest.mark.parametrize("vendor", ["OANDA", "FXCM"])
@pytest.mark.parametrize("side", ["bid", "ask"])
def test_minutes_equal_the_vendors_own_minutes_exactly(vendor: str, side: str) -> None:
    """Minutes equal the vendor's own minutes exactly, each one that it has and no other; so do their hours."""
    got = _bars(vendor, side)
    minutes = got[got["tf"] == "1m"].set_index("ts_start")
    assert (got["revision"] == 0).all()
    known = pd.read_parquet(
        FX / "minute_quote_two_vendors.parquet", filters=[("vendor", "=", vendor), ("symbol", "=", "EURUSD")]
    )
    known["start"] = known["ts"].astype("int64")
    fx = sessions("FX")
    known = known[[segment_at(fx.open_ns, fx.close_ns, start) >= 0 for start in known["start"]]]
    known = known[known["start"] <= minutes.index.max()].set_index("start").sort_index()
    assert minutes.index.tolist() == known.index.tolist()
    for ours, theirs in zip("ohlc", ("open", "high", "low", "close"), strict=True):
        assert np.array_equal(minutes[ours], known[f"{side}_{theirs}"])
    # Sessions change on a full hour, so none is clipped.
    hour = known.index // (3600 * SECOND) * 3600 * SECOND
    hours = got[got["tf"] == "1h"].set_index("ts_start")
    high = known[f"{side}_high"].groupby(hour).max()
    assert np.array_equal(hours["h"], high.loc[hours.index])
    assert len(hours) >= len(high) - 1


def test_a_day_of_fx_is_the_session_from_five_to_five_in_new_york() -> None:
    """A day of FX is the session from five to five in New York, and counts every tick in it."""
    got = _bars("OANDA", "bid")
    days = got[got["tf"] == "1d"]
    fx = sessions("FX")
    assert set(days["ts"]) <= set(fx.session_close_ns)
    minutes = got[got["tf"] == "1m"]
    for day in days.itertuples():
        inside = minutes[(minutes["ts_start"] >= day.ts_start) & (minutes["ts"] <= day.ts)]
        assert day.n_trades == inside["n_trades"].sum()
        assert day.h == inside["h"].max()
