"""Draw a recorded day with its filtered regimes: ``python -m docs.pictures.regime [FOLDER OF RECORDED SERIES]``.

Writes the PNG beside it. The day is 2 February 2012 and the next, minutes of GBPUSD, after a day that warms the stage.
"""

import sys
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd

from bench.regime import MARKET, gold_of

mpl.use("Agg")
from matplotlib import pyplot as plt

PNG = Path(__file__).with_suffix(".png")
COLOURS = {"trend": "#2a6fb0", "meanrev": "#b9c4cf", "stress": "#c0392b"}
CLUSTERS = ("calm", "up", "down", "choppy", "turbulent", "break")
FIRST, LAST = 1440, 1440 + 1500


def main(market: Path) -> None:
    """Draw and write the picture."""
    bars = pd.read_parquet(market / "fx" / "gbpusd_minute_fxcm_2012.parquet").iloc[:LAST]
    close = bars["bid_close"].to_numpy(float)
    ts = bars["ts"]
    returns = np.diff(np.log(close), prepend=np.nan)
    returns[1:][np.diff(ts.to_numpy("datetime64[ns]").astype(np.int64)) != 60_000_000_000] = np.nan
    gold = gold_of("bocpd", returns, ((bars["bid_high"] - bars["bid_low"]) / bars["bid_close"]).to_numpy(float))
    shown, at = slice(FIRST, LAST), ts.to_numpy()[FIRST:LAST]
    figure, axes = plt.subplots(4, 1, figsize=(11, 8), sharex=True, height_ratios=[2, 1, 1, 1])
    axes[0].plot(at, close[shown], color="#222222", linewidth=0.8)
    axes[0].set_ylabel("GBPUSD bid")
    for axis, prefix, title in ((axes[1], "regime.p_", "change points"), (axes[2], "regime.hmm_p_", "hidden Markov")):
        parts = [np.asarray(gold[prefix + name], np.float64)[shown] for name in COLOURS]
        axis.stackplot(at, *parts, colors=list(COLOURS.values()), labels=list(COLOURS))
        axis.set_ylim(0, 1)
        axis.set_ylabel(title)
    axes[1].legend(loc="upper left", ncols=3, fontsize=8)
    axes[3].plot(at, np.asarray(gold["regime.change_prob"], np.float64)[shown], color="#222222", linewidth=0.8)
    axes[3].set_ylabel("change prob.")
    clusters = axes[3].twinx()
    told = np.asarray(gold["regime.cluster_id"])[shown]
    clusters.plot(at[told >= 0], told[told >= 0], ".", color="#e67e22", markersize=2)
    clusters.set_yticks(range(6), CLUSTERS, fontsize=7)
    figure.align_ylabels()
    figure.tight_layout()
    figure.savefig(PNG, dpi=80)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else MARKET)
