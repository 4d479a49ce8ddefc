"""LEAN's momentum indicators, made of ours."""

from typing import Any

import numpy as np

from tests.conformance.indicators.lean_names import kind_of
from tests.conformance.indicators.lean_trend import average
from tests.conformance.indicators.support import Columns, Mapping, Outputs, on, run

Numbers = dict[str, Any]


def _of(indicator: str, output: str = "value", **more: float) -> Any:
    """Return the mapping of an indicator with one window over bars."""
    return lambda p, c: {"value": run(indicator, c, window=p["period"], **more)[output]}


def _rate(scale: float, add: float) -> Any:
    return lambda p, c: {"value": scale * (on("rate", c["close"], window=p["period"])["percent"] / 100 + add)}


def _log_return(p: Numbers, c: Columns) -> Outputs:
    """Return the log return; LEAN is ready a bar before its window is over, with the return since its first bar."""
    n, x = p["period"], c["close"]
    out = on("log_return", x, window=n)["value"]
    out[n - 1 : n] = np.log(x[n - 1 : n] / x[:1])
    return {"value": out}


def _rsi(p: Numbers, c: Columns) -> Outputs:
    return {"value": on("relative_strength", c["close"], window=p["period"], ma=kind_of(p, "wilders"))["rsi"]}


def _stochastic(p: Numbers, c: Columns) -> Outputs:
    k, d = p.get("k", 3), p.get("d", 3)
    out = run("stoch", c, window=p["period"], k=k, k_ma=0, d=d, d_ma=0)
    return {"value": out["fast"], "fast": out["fast"], "k": out["k"], "d": out["d"]}


def _stoch_rsi(p: Numbers, c: Columns) -> Outputs:
    kind = kind_of(p, "simple")
    numbers = {"window": p["rsi"], "channel": p["stoch"], "k": p["k"], "k_ma": kind, "d": p["d"], "d_ma": kind}
    return on("stoch_rsi", c["close"], **numbers)


def _strength_index(p: Numbers, c: Columns) -> Outputs:
    long, short, signal = p.get("long", 25), p.get("short", 13), p.get("signal", 7)
    out = on("tsi", c["close"], long=long, short=short, signal=signal)
    kind = kind_of(p, "exponential", "signal_ma")
    first = long + short - 1
    return out | {"signal": np.r_[out["value"][:first], average(kind, out["value"][first:], signal)]}


def _aroon(p: Numbers, c: Columns) -> Outputs:
    up = p.get("up", p.get("period"))
    return run("aroon", c, up=up, down=p.get("down", up))


def _awesome(p: Numbers, c: Columns) -> Outputs:
    out = run("awesome", c, fast=p["fast"], slow=p["slow"], signal=1, ma=kind_of(p, "simple"))
    return {"value": out["value"]}


def _known(p: Numbers, c: Columns) -> Outputs:
    windows = {f"roc_{i}": p[f"roc{i}"] for i in range(1, 5)} | {f"ma_{i}": p[f"roc{i}_ma"] for i in range(1, 5)}
    return on("know_sure_thing", c["close"], **windows, signal=p["signal"], ma=kind_of(p, "simple"))


def _schaff(p: Numbers, c: Columns) -> Outputs:
    """Return the cycle from one cycle behind its first value on.

    LEAN smooths from the first bar on, over windows that are not full, and so long is that seen.
    """
    kind = kind_of(p, "exponential")
    out = on("schaff", c["close"], cycle=p["cycle"], fast=p["fast"], slow=p["slow"], ma=kind)["value"]
    out[: int(np.argmin(np.isnan(out))) + p["cycle"]] = np.nan
    return {"value": out}


def _ultimate(p: Numbers, c: Columns) -> Outputs:
    return run("ultimate", c, short=p["p1"], middle=p["p2"], long=p["p3"])


def _connors(p: Numbers, c: Columns) -> Outputs:
    windows = {"window": p.get("rsi", 3), "run": p.get("streak", 2), "rank": p.get("lookback", 100)}
    return on("connors", c["close"], **windows, first=1)


def _derivative(p: Numbers, c: Columns) -> Outputs:
    names = ("rsi", "smoothing", "double_smoothing", "signal")
    given = dict(zip(("window", "first", "second", "signal"), (p[name] for name in names), strict=True))
    return on("derivative", c["close"], **given)


def _vigor(p: Numbers, c: Columns) -> Outputs:
    return run("vigor", c, window=p["period"], ma=kind_of(p, "simple"))


def _vortex(p: Numbers, c: Columns) -> Outputs:
    out = run("vortex", c, window=p["period"], first=1)
    return {"value": out["mean"], "plus": out["plus"], "minus": out["minus"]}


def _squeeze(p: Numbers, c: Columns) -> Outputs:
    bands = {"window": p["bollinger"], "width": p["bollinger_mult"]}
    return run("squeeze_momentum", c, **bands, channel=p["keltner"], channel_width=p["keltner_mult"])


def _commodity_channel(p: Numbers, c: Columns) -> Outputs:
    return {"value": run("cci", c, window=p["period"])["value"]}


def _momersion(p: Numbers, c: Columns) -> Outputs:
    least = p.get("min") or p["full"] + 1
    return {"value": on("momersion", c["close"], window=p["full"], least=least)["value"]}


def _wave_trend(p: Numbers, c: Columns) -> Outputs:
    return run("wave_trend", c, channel=p["channel"], average=p["average"], signal=p["signal"])


MAPPING: Mapping = {
    "Momentum": _of("rate", "change"),
    "LogReturn": _log_return,
    "RateOfChange": _rate(1, 0),
    "RateOfChangePercent": _rate(100, 0),
    "MomentumPercent": _rate(100, 0),
    "RateOfChangeRatio": _rate(1, 1),
    "RelativeStrengthIndex": _rsi,
    "ChandeMomentumOscillator": _of("relative_strength", "cmo", ma=13),
    "StochasticRelativeStrengthIndex": _stoch_rsi,
    "ConnorsRelativeStrengthIndex": _connors,
    "DerivativeOscillator": _derivative,
    "Stochastic": _stochastic,
    "PremierStochasticOscillator": lambda p, c: {
        "value": run("premier", c, window=p["period"], smooth=p["ema"])["value"]
    },
    "WilliamsPercentR": _of("williams"),
    "CommodityChannelIndex": _commodity_channel,
    "MoneyFlowIndex": _of("mfi"),
    "UltimateOscillator": _ultimate,
    "AroonOscillator": _aroon,
    "BalanceOfPower": lambda _, c: {"value": run("balance", c)["value"]},
    "AwesomeOscillator": _awesome,
    "TrueStrengthIndex": _strength_index,
    "Trix": lambda p, c: {"value": on("trix", c["close"], window=p["period"])["value"]},
    "CoppockCurve": lambda p, c: {
        "value": on("coppock", c["close"], short=p["short_roc"], long=p["long_roc"], window=p["lwma"])["value"]
    },
    "KnowSureThing": _known,
    "DetrendedPriceOscillator": lambda p, c: {
        "value": on("detrended", c["close"], window=p["period"], lag=p["period"] // 2 + 1)["value"]
    },
    "KaufmanEfficiencyRatio": lambda p, c: {"value": on("efficiency", c["close"], window=p["period"])["value"]},
    "DeMarkerIndicator": lambda p, c: {
        "value": run("demarker", c, window=p["period"], ma=kind_of(p, "simple"))["value"]
    },
    "RelativeVigorIndex": _vigor,
    "SchaffTrendCycle": _schaff,
    "FisherTransform": _of("fisher"),
    "MassIndex": lambda p, c: run("mass_index", c, average=p.get("ema", 9), window=p.get("sum", 25)),
    "ChoppinessIndex": _of("choppiness"),
    "Vortex": _vortex,
    "WaveTrendOscillator": _wave_trend,
    "SqueezeMomentum": _squeeze,
    "Momersion": _momersion,
    "MomersionIndicator": _momersion,
    "ZigZag": lambda p, c: {
        "value": run("zigzag", c, least=p.get("sensitivity", 0.05), bars=p.get("min_trend_length", 1))["value"]
    },
    "TomDemarkSequential": lambda _, c: {"value": run("sequential", c)["phase"]},
}  # fmt: skip
"""Indicator of LEAN -> its outputs as the manifest names them."""
