"""Trend: averages, channels and lines, directional movement; ``trend_averages`` and its siblings compute them."""
# A branch for each indicator.

from processors.featurize.indicators import averages as a
from processors.featurize.indicators import trend_averages as avg
from processors.featurize.indicators import trend_bands as bands
from processors.featurize.indicators import trend_direction as direction
from processors.featurize.indicators.binding import NOTHING, Kernel, Numbers, fixed, window_plus


def _own_closes(p: Numbers) -> int:
    """Return the state of a simple average: closes of its own where its window is longer than the ring shall be."""
    return a.kept_size(int(p["window"])) if p["window"] > avg.RING_MAX else 0


def _thirds(p: Numbers) -> int:
    windows = ("fast", "slow", "signal")
    return 3 * max(a.average_size(p[f"{name}_ma"], p[name]) for name in windows)


def _lags(p: Numbers) -> int:
    return int(a.kept_size(int(p["lag_a"]) + 1) + a.kept_size(int(p["lag_b"]) + 1))


_LINE, _WINDOW = ("value", "ratio"), ("window",)
_SAR = ("start", "offset", "init_long", "step_long", "max_long", "init_short", "step_short", "max_short")
_MACD = ("value", "signal", "hist", "ratio")

KERNELS = {
    "ema": Kernel(avg.ema, _WINDOW, _LINE, fixed(2)),
    "sma": Kernel(avg.sma, _WINDOW, _LINE, _own_closes, lambda p: min(int(p["window"]), avg.RING_MAX)),
    "wma": Kernel(avg.wma, _WINDOW, _LINE, n_bars=window_plus(0)),
    "dema": Kernel(avg.dema, _WINDOW, _LINE, fixed(4)),
    "tema": Kernel(avg.tema, _WINDOW, _LINE, fixed(6)),
    "t3": Kernel(avg.t3, ("window", "factor"), _LINE, fixed(12)),
    "trima": Kernel(avg.trima, _WINDOW, _LINE, n_bars=window_plus(0)),
    "kama": Kernel(avg.kama, ("window", "fast", "slow"), _LINE, fixed(1), window_plus(1)),
    "wilder_average": Kernel(avg.wilder, _WINDOW, _LINE, fixed(2)),
    "hull": Kernel(
        avg.hull, ("window", "half", "root"), _LINE, lambda p: int(a.kept_size(int(p["root"]))), window_plus(0)
    ),
    "zlema": Kernel(avg.zlema, ("window", "lag"), _LINE, fixed(2), lambda p: int(p["lag"]) + 1),
    "alma": Kernel(avg.alma, ("window", "sigma", "offset"), _LINE, lambda p: a.average_size(a.ALMA, p["window"])),
    "mcginley": Kernel(avg.mcginley, _WINDOW, _LINE, fixed(2)),
    "vidya": Kernel(avg.vidya, _WINDOW, _LINE, fixed(5)),
    "frama": Kernel(avg.frama, ("window", "slowest"), _LINE, fixed(1), window_plus(0)),
    "vwma": Kernel(avg.vwma, _WINDOW, _LINE, NOTHING, window_plus(0)),
    "relative_average": Kernel(avg.relative_average, _WINDOW, _LINE, NOTHING, lambda p: 3 * int(p["window"])),
    "swiss_knife": Kernel(avg.swiss_knife, ("window", "delta", "tool"), ("value",), fixed(10)),
    "accbands": Kernel(
        bands.accbands, ("window", "width", "ma"), ("upper", "middle", "lower"),
        lambda p: 3 * a.average_size(p["ma"], p["window"]),
    ),
    "midpoint": Kernel(bands.midpoint, _WINDOW, ("close", "range"), NOTHING, window_plus(0)),
    "ichimoku": Kernel(
        bands.ichimoku, ("tenkan", "kijun", "senkou", "lag_a", "lag_b"),
        ("tenkan", "kijun", "senkou_a", "senkou_b", "chikou"), _lags,
        lambda p: int(max(p["tenkan"], p["kijun"], p["senkou"], p["lag_a"] + 1)),
    ),
    "sar": Kernel(bands.sar, _SAR, ("signed", "value", "ratio"), fixed(4)),
    "supertrend": Kernel(
        bands.supertrend, ("window", "width", "ma", "first"), ("value", "side", "ratio"),
        lambda p: 4 + a.average_size(p["ma"], p["window"]),
    ),
    "dmi": Kernel(
        direction.dmi, ("window", "seed"), ("plus_dm", "minus_dm", "plus_di", "minus_di", "dx", "adx", "adxr"),
        lambda p: 6 + int(a.kept_size(int(p["window"]))),
    ),
    "macd": Kernel(direction.macd, ("fast", "slow", "signal"), _MACD, fixed(4), lambda p: int(p["slow"])),
    "macd_fixed": Kernel(direction.macd_fixed, ("fast", "slow", "signal"), _MACD, fixed(4), lambda p: int(p["slow"])),
    "price_oscillator": Kernel(
        direction.price_oscillator, ("fast", "slow", "signal", "fast_ma", "slow_ma", "signal_ma", "together"),
        ("value", "percent", "signal", "hist"), _thirds,
    ),
}  # fmt: skip
"""Indicator of the catalog -> its kernel."""
