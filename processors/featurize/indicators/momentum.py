"""Momentum: rates of change and oscillators; ``momentum_rates`` and its siblings compute them."""
# A branch for each indicator.

from processors.featurize.indicators import averages as a
from processors.featurize.indicators import momentum_oscillators as osc
from processors.featurize.indicators import momentum_rates as rates
from processors.featurize.indicators import momentum_setups as setups
from processors.featurize.indicators import momentum_strength as strength
from processors.featurize.indicators.binding import NOTHING, Kernel, Numbers, fixed, window_plus


def _windows(p: Numbers, *names: str) -> int:
    """Return the state of windows of the given lengths."""
    return int(sum(a.kept_size(int(p[name])) for name in names))


def _of_one_kind(p: Numbers, *names: str) -> int:
    """Return the state of as many averages of kind ``ma``, each with as much as the largest needs."""
    return len(names) * max(a.average_size(p["ma"], p[name]) for name in names)


def _smooth(p: Numbers) -> int:
    """Return the state of the averages K and D."""
    return 2 * max(a.average_size(p["k_ma"], p["k"]), a.average_size(p["d_ma"], p["d"]))


_ONE, _WINDOW = ("value",), ("window",)
_KST = ("roc_1", "roc_2", "roc_3", "roc_4", "ma_1", "ma_2", "ma_3", "ma_4", "signal", "ma")

KERNELS = {
    "log_return": Kernel(rates.returns, _WINDOW, _ONE, n_bars=window_plus(1)),
    "rsi": Kernel(strength.rsi, _WINDOW, _ONE, fixed(4)),
    "rate": Kernel(rates.rate, _WINDOW, ("change", "percent"), NOTHING, window_plus(1)),
    "trix": Kernel(rates.trix, _WINDOW, _ONE, fixed(7)),
    "tsi": Kernel(rates.tsi, ("long", "short", "signal"), ("value", "signal"), fixed(10)),
    "smi": Kernel(rates.smi, ("window", "long", "short", "signal"), ("value", "signal"), fixed(10), window_plus(0)),
    "coppock": Kernel(
        rates.coppock, ("short", "long", "window"), _ONE, lambda p: _windows(p, "window"),
        lambda p: int(max(p["short"], p["long"])) + 1,
    ),
    "know_sure_thing": Kernel(
        rates.know_sure_thing, _KST, ("value", "signal"), lambda p: _of_one_kind(p, *_KST[4:9]),
        lambda p: int(max(p[name] for name in _KST[:4])) + 1,
    ),
    "detrended": Kernel(
        rates.detrended, ("window", "lag"), _ONE, NOTHING, lambda p: max(int(p["window"]), int(p["lag"]) + 1)
    ),
    "efficiency": Kernel(rates.efficiency, _WINDOW, ("value", "width"), NOTHING, window_plus(1)),
    "forecast": Kernel(rates.forecast, _WINDOW, _ONE, NOTHING, window_plus(1)),
    "momersion": Kernel(rates.momersion, ("window", "least"), _ONE, NOTHING, window_plus(2)),
    "williams_accumulation": Kernel(rates.accumulation_wad, (), _ONE, fixed(1)),
    "elder_ray": Kernel(rates.elder_ray, _WINDOW, ("bull", "bear"), fixed(2)),
    "qstick": Kernel(rates.qstick, _WINDOW, _ONE, NOTHING, window_plus(0)),
    "schaff": Kernel(
        rates.schaff, ("cycle", "fast", "slow", "ma"), _ONE,
        lambda p: 6 * max(_of_one_kind(p, "fast", "slow") // 2, _windows(p, "cycle"), a.average_size(p["ma"], 3)),
    ),
    "wave_trend": Kernel(
        rates.wave_trend, ("channel", "average", "signal"), ("value", "signal"), lambda p: 6 + _windows(p, "signal")
    ),
    "relative_strength": Kernel(
        strength.relative_strength, ("window", "ma"), ("rsi", "cmo"), lambda p: _of_one_kind(p, "window", "window")
    ),
    "stoch_rsi": Kernel(
        strength.stoch_rsi, ("window", "channel", "k", "k_ma", "d", "d_ma"), ("k", "d"),
        lambda p: 4 + _windows(p, "channel") + _smooth(p),
    ),
    "connors": Kernel(strength.connors, ("window", "run", "rank", "first"), _ONE, lambda p: 9 + _windows(p, "rank")),
    "derivative": Kernel(
        strength.derivative, ("window", "first", "second", "signal"), _ONE, lambda p: 8 + _windows(p, "signal")
    ),
    "mfi": Kernel(strength.mfi, _WINDOW, _ONE, lambda p: 1 + _windows(p, "window", "window")),
    "imi": Kernel(strength.imi, _WINDOW, _ONE, NOTHING, window_plus(0)),
    "demarker": Kernel(strength.demarker, ("window", "ma"), _ONE, lambda p: _of_one_kind(p, "window", "window")),
    "vigor": Kernel(
        strength.vigor, ("window", "ma"), ("value", "signal"), lambda p: 4 + _of_one_kind(p, "window", "window"),
        fixed(4),
    ),
    "stoch": Kernel(
        osc.stoch, ("window", "k", "k_ma", "d", "d_ma"), ("fast", "k", "d", "j"),
        _smooth, window_plus(0),
    ),
    "williams": Kernel(osc.williams, _WINDOW, _ONE, NOTHING, window_plus(0)),
    "premier": Kernel(osc.premier, ("window", "smooth"), _ONE, fixed(4), window_plus(0)),
    "cci": Kernel(osc.cci, _WINDOW, _ONE, lambda p: _windows(p, "window")),
    "ultimate": Kernel(
        osc.ultimate, ("short", "middle", "long"), _ONE,
        lambda p: 2 * max(_windows(p, name) for name in ("short", "middle", "long")),
    ),
    "aroon": Kernel(
        osc.aroon, ("up", "down"), ("up", "down", "value"), NOTHING, lambda p: int(max(p["up"], p["down"])) + 1
    ),
    "balance": Kernel(osc.balance, (), _ONE),
    "awesome": Kernel(
        osc.awesome, ("fast", "slow", "signal", "ma"), ("value", "acceleration"),
        lambda p: _of_one_kind(p, "fast", "slow", "signal"),
    ),
    "vortex": Kernel(
        osc.vortex, ("window", "first"), ("plus", "minus", "mean"), lambda p: 3 * _windows(p, "window")
    ),
    "fisher": Kernel(osc.fisher, _WINDOW, _ONE, lambda p: 2 + _windows(p, "window")),
    "mass_index": Kernel(osc.mass_index, ("average", "window"), _ONE, lambda p: 4 + _windows(p, "window")),
    "choppiness": Kernel(osc.choppiness, _WINDOW, _ONE, lambda p: _windows(p, "window"), window_plus(0)),
    "fractal": Kernel(
        osc.fractal, ("left", "right"), ("high", "low"), NOTHING, lambda p: int(p["left"] + p["right"]) + 1
    ),
    "zigzag": Kernel(osc.zigzag, ("least", "bars"), ("value", "side"), fixed(3)),
    "squeeze_momentum": Kernel(
        setups.squeeze_momentum, ("window", "width", "channel", "channel_width"), _ONE,
        lambda p: 2 + _windows(p, "channel"), window_plus(0),
    ),
    "sequential": Kernel(setups.sequential, (), ("phase", "setup", "countdown"), fixed(4), fixed(10)),
}  # fmt: skip
"""Indicator of the catalog -> its kernel."""
