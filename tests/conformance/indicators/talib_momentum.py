"""TA-Lib's momentum functions, made of our indicators."""

from typing import Any

import numpy as np

from tests.conformance.indicators.support import Columns, Mapping, Outputs, Series, on, run, together
from tests.conformance.indicators.talib_trend import average

Numbers = dict[str, Any]


def _on(indicator: str, output: str = "value", **more: float) -> Any:
    """Return the mapping of a function with one window over one price."""
    return lambda p, c: {"": on(indicator, c["price"], window=p["timeperiod"], **more)[output]}


def _of(indicator: str, output: str = "value", **more: float) -> Any:
    """Return the mapping of a function with one window over bars."""
    return lambda p, c: {"": run(indicator, c, window=p["timeperiod"], **more)[output]}


def _macd(fast: int, slow: int, signal: int, c: Columns, indicator: str = "macd") -> Outputs:
    fast, slow = min(fast, slow), max(fast, slow)
    return _macd_outputs(on(indicator, c["price"], fast=fast, slow=slow, signal=signal))


def _macd_outputs(out: Outputs) -> Outputs:
    return together({"macd": out["value"], "macdsignal": out["signal"], "macdhist": out["hist"]})


def _oscillator(p: Numbers, c: Columns, *, together_: bool) -> Outputs:
    """Return the difference of two averages of any kind; TA-Lib puts the shorter window first."""
    kind = p.get("matype", 0)
    fast, slow = (p["fastperiod"], p.get("fastmatype", kind)), (p["slowperiod"], p.get("slowmatype", kind))
    if slow[0] < fast[0]:
        fast, slow = slow, fast
    return on(
        "price_oscillator", c["price"], fast=fast[0], slow=slow[0], signal=p.get("signalperiod", 1),
        fast_ma=fast[1], slow_ma=slow[1], signal_ma=p.get("signalmatype", 0), together=together_,
    )  # fmt: skip


def _stochastic(p: Numbers, c: Columns) -> Outputs:
    return run(
        "stoch", c, window=p["fastk_period"], k=p["slowk_period"], k_ma=p["slowk_matype"],
        d=p["slowd_period"], d_ma=p["slowd_matype"],
    )  # fmt: skip


def _fast(k: Series, p: Numbers) -> Outputs:
    first = int(np.isnan(k).sum())
    d = np.r_[k[:first], average(p.get("fastd_matype", 0), k[first:], p["fastd_period"])]
    return together({"fastk": k, "fastd": d})


def _stoch_fast(p: Numbers, c: Columns) -> Outputs:
    return _fast(run("stoch", c, window=p["fastk_period"], k=1, k_ma=0, d=1, d_ma=0)["fast"], p)


def _stoch_strength(p: Numbers, c: Columns) -> Outputs:
    numbers = {"window": p["timeperiod"], "channel": p["fastk_period"], "k": 1, "k_ma": 0, "d": 1, "d_ma": 0}
    return _fast(on("stoch_rsi", c["price"], **numbers)["k"], p)


def _aroon(p: Numbers, c: Columns) -> Outputs:
    out = run("aroon", c | {"close": c["high"]}, up=p["timeperiod"], down=p["timeperiod"])
    return {"aroondown": out["down"], "aroonup": out["up"], "": out["value"]}


def _smi(p: Numbers, c: Columns) -> Outputs:
    windows = {"window": p["timeperiod"], "long": p["slowperiod"], "short": p["fastperiod"]}
    out = run("smi", c, **windows, signal=p["signalperiod"])
    return together({"smi": out["value"], "smisignal": out["signal"]})


def _ultimate(p: Numbers, c: Columns) -> Outputs:
    short, middle, long = sorted(p[f"timeperiod{i}"] for i in (1, 2, 3))
    return {"": run("ultimate", c, short=short, middle=middle, long=long)["value"]}


def _awesome(p: Numbers, c: Columns, output: str) -> Outputs:
    fast, slow = p["fastperiod"], p["slowperiod"]
    bars = c | {"close": c["high"]}
    return {"": run("awesome", bars, fast=fast, slow=slow, signal=p.get("signalperiod", 1), ma=0)[output]}


def _fractal(p: Numbers, c: Columns) -> Outputs:
    out = run("fractal", c | {"close": c["high"]}, left=p["leftbars"], right=p["rightbars"])
    return {"swinghigh": 100 * np.nan_to_num(out["high"]), "swinglow": 100 * np.nan_to_num(out["low"])}


def _coppock(p: Numbers, c: Columns) -> Outputs:
    rates = {"short": p["roc1period"], "long": p["roc2period"]}
    return {"": on("coppock", c["price"], **rates, window=p["wmaperiod"])["value"]}


def _detrended(p: Numbers, c: Columns) -> Outputs:
    return {"": on("detrended", c["price"], window=p["timeperiod"], lag=p["timeperiod"] // 2 + 1)["value"]}


def _rate(scale: float, add: float) -> Any:
    """Return the mapping of a rate of change of any scale."""
    return lambda p, c: {"": scale * (on("rate", c["price"], window=p["timeperiod"])["percent"] / 100 + add)}


MAPPING: Mapping = {
    "MOM": _on("rate", "change"),
    "ROC": _on("rate", "percent"),
    "ROCP": _rate(1, 0),
    "ROCR": _rate(1, 1),
    "ROCR100": _rate(100, 1),
    "RSI": _on("rsi"),
    "CMO": _on("relative_strength", "cmo", ma=13),
    "CMOU": _on("relative_strength", "cmo", ma=0),
    "TRIX": _on("trix"),
    "ER": _on("efficiency"),
    "VHF": _on("efficiency", "width"),
    "FOSC": _on("forecast"),
    "DPO": _detrended,
    "COPPOCK": _coppock,
    "TSI": lambda p, c: {
        "": on("tsi", c["price"], long=p["firstperiod"], short=p["secondperiod"], signal=1)["value"]
    },
    "MACD": lambda p, c: _macd(p["fastperiod"], p["slowperiod"], p["signalperiod"], c),
    "MACDFIX": lambda p, c: _macd(12, 26, p["signalperiod"], c, "macd_fixed"),
    "MACDEXT": lambda p, c: _macd_outputs(_oscillator(p, c, together_=True)),
    "APO": lambda p, c: {"": _oscillator(p, c, together_=False)["value"]},
    "PPO": lambda p, c: {"": _oscillator(p, c, together_=False)["percent"]},
    "STOCH": lambda p, c: together({"slowk": (out := _stochastic(p, c))["k"], "slowd": out["d"]}),
    "KDJ": lambda p, c: together({name: values for name, values in _stochastic(p, c).items() if name != "fast"}),
    "STOCHF": _stoch_fast,
    "STOCHRSI": _stoch_strength,
    "AROON": lambda p, c: {name: values for name, values in _aroon(p, c).items() if name},
    "AROONOSC": lambda p, c: {"": _aroon(p, c)[""]},
    "AO": lambda p, c: _awesome(p, c, "value"),
    "AC": lambda p, c: _awesome(p, c, "acceleration"),
    "BOP": lambda _, c: {"": run("balance", c)["value"]},
    "CCI": _of("cci"),
    "WILLR": _of("williams"),
    "MFI": _of("mfi"),
    "IMI": _of("imi"),
    "QSTICK": _of("qstick"),
    "ERI": lambda p, c: {f"{k}power": v for k, v in run("elder_ray", c, window=p["timeperiod"]).items()},
    "VORTEX": lambda p, c: {
        "plusvi": (out := run("vortex", c, window=p["timeperiod"], first=0))["plus"], "minusvi": out["minus"]
    },
    "ULTOSC": _ultimate,
    "SMI": _smi,
    "WAD": lambda _, c: {"": run("williams_accumulation", c)["value"]},
    "FRACTAL": _fractal,
}  # fmt: skip
"""Function of TA-Lib -> its outputs by the suffix of their columns; the one output of a function has the suffix ""."""
