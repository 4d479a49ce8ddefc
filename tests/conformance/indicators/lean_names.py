"""The names of LEAN's indicators, of their parameters and of their outputs, however a manifest spells them.

Case, spaces, underscores and signs do not matter (``plain``). A parameter is known by LEAN's own name for it in the
constructor, or by another in ``SAME_PARAMETER``; what is known by neither goes by its place among LEAN's parameters,
where as many are left as there are places. Outputs are known by our name, LEAN's or another in ``SAME_OUTPUT``.
"""

import re
from typing import Any

from tests.conformance.indicators.lean_aliases import SAME_OUTPUT, SAME_PARAMETER
from tests.conformance.indicators.support import Outputs

PERIOD = ("period", "ma")
"""Parameters of an indicator that ``PARAMETERS`` does not name."""
PARAMETERS: dict[str, tuple[str, ...]] = {
    "AbsolutePriceOscillator": ("fast", "slow", "ma", "signal"),
    "PercentagePriceOscillator": ("fast", "slow", "ma", "signal"),
    "MovingAverageConvergenceDivergence": ("fast", "slow", "signal", "ma"),
    "AccelerationBands": ("period", "width", "ma"),
    "AccumulationDistributionOscillator": ("fast", "slow"),
    "ChaikinOscillator": ("fast", "slow"),
    "Alpha": ("target", "reference", "period", "beta", "risk_free"),
    "Beta": ("target", "reference", "period"),
    "Correlation": ("target", "reference", "period", "type"),
    "CorrelationPearson": ("target", "reference", "period", "type"),
    "CorrelationSpearman": ("target", "reference", "period", "type"),
    "Covariance": ("target", "reference", "period"),
    "AdvanceDeclineDifference": ("symbols",),
    "AdvanceDeclineRatio": ("symbols",),
    "AdvanceDeclineVolumeRatio": ("symbols",),
    "ArmsIndex": ("symbols",),
    "NewHighsNewLows": ("period", "symbols"),
    "NewHighsNewLowsVolume": ("period", "symbols"),
    "McClellanOscillator": ("fast", "slow"),
    "McClellanSummationIndex": ("fast", "slow"),
    "ArnaudLegouxMovingAverage": ("period", "sigma", "offset"),
    "AroonOscillator": ("up", "down", "period"),
    "AutoRegressiveIntegratedMovingAverage": ("ar_order", "diff_order", "ma_order", "period", "intercept"),
    "AwesomeOscillator": ("fast", "slow", "ma"),
    "BollingerBands": ("period", "k", "ma"),
    "ChandeKrollStop": ("atr", "atr_mult", "period", "ma"),
    "ConnorsRelativeStrengthIndex": ("rsi", "streak", "lookback"),
    "CoppockCurve": ("short_roc", "long_roc", "lwma"),
    "DerivativeOscillator": ("rsi", "smoothing", "double_smoothing", "signal"),
    "DonchianChannel": ("upper", "lower", "period"),
    "EaseOfMovementValue": ("period", "scale"),
    "EaseOfMovement": ("period", "scale"),
    "FractalAdaptiveMovingAverage": ("period", "long"),
    "HilbertTransform": ("length", "in_phase", "quadrature"),
    "HurstExponent": ("period", "max_lag"),
    "IchimokuKinkoHyo": ("tenkan", "kijun", "senkou_a", "senkou_b", "senkou_a_delay", "senkou_b_delay"),
    "KaufmanAdaptiveMovingAverage": ("period", "fast", "slow"),
    "KeltnerChannels": ("period", "k", "ma"),
    "KlingerVolumeOscillator": ("fast", "slow", "signal"),
    "KnowSureThing": ("roc1", "roc1_ma", "roc2", "roc2_ma", "roc3", "roc3_ma", "roc4", "roc4_ma", "signal", "ma"),
    "MassIndex": ("ema", "sum"),
    "MesaAdaptiveMovingAverage": ("fast_limit", "slow_limit"),
    "Momersion": ("min", "full"),
    "MomersionIndicator": ("min", "full"),
    "ParabolicStopAndReverse": ("af_start", "af_increment", "af_max"),
    "ParabolicStopAndReverseExtended": (
        "sar_start", "offset_on_reverse", "af_start_short", "af_increment_short", "af_max_short",
        "af_start_long", "af_increment_long", "af_max_long",
    ),
    "PivotPointsHighLow": ("high", "low", "last", "strict", "surrounding_bars"),
    "PremierStochasticOscillator": ("period", "ema"),
    "RegressionChannel": ("period", "k"),
    "RelativeDailyVolume": ("period", "resolution"),
    "SchaffTrendCycle": ("cycle", "fast", "slow", "ma"),
    "SharpeRatio": ("period", "risk_free"),
    "SortinoRatio": ("period", "minimum_acceptable_return"),
    "TargetDownsideDeviation": ("period", "minimum_acceptable_return"),
    "SqueezeMomentum": ("bollinger", "bollinger_mult", "keltner", "keltner_mult"),
    "Stochastic": ("period", "k", "d"),
    "StochasticRelativeStrengthIndex": ("rsi", "stoch", "k", "d", "ma"),
    "SuperTrend": ("period", "multiplier", "ma"),
    "SwissArmyKnife": ("period", "delta", "tool"),
    "T3MovingAverage": ("period", "volume_factor"),
    "TimeProfile": ("period", "value_area", "round_off"),
    "VolumeProfile": ("period", "value_area", "round_off"),
    "TrueStrengthIndex": ("long", "short", "signal", "signal_ma"),
    "UltimateOscillator": ("p1", "p2", "p3"),
    "ValueAtRisk": ("period", "confidence"),
    "WaveTrendOscillator": ("channel", "average", "signal"),
    "WilderAccumulativeSwingIndex": ("limit_move",),
    "WilderSwingIndex": ("limit_move",),
    "ZigZag": ("sensitivity", "min_trend_length"),
}  # fmt: skip
"""Indicator of LEAN -> its parameters in the order of its constructor, by the names that the mappings have for them."""

NOT_NUMBERS = ("ma", "signal_ma", "type", "tool", "target", "reference", "symbols", "resolution")
"""Parameters that no number is taken for by its place."""

KINDS = {
    "simple": 0, "exponential": 1, "linearweightedmovingaverage": 2, "linearweighted": 2, "weighted": 2,
    "doubleexponential": 3, "tripleexponential": 4, "triangular": 5, "kama": 6, "kaufman": 6, "t3": 8, "hull": 9,
    "zlema": 12, "zerolag": 12, "wilder": 13, "wilders": 13, "alma": 14, "mgd": 15, "mcginley": 15,
    "sma": 0, "ema": 1, "wma": 2, "lwma": 2, "dema": 3, "tema": 4, "trima": 5, "hma": 9, "rma": 13, "smma": 13,
}  # fmt: skip
"""LEAN's kinds of moving average by plain name -> our number of the kind."""

_ENDINGS = ("periods", "period", "length", "window", "value", "symbol")


def plain(name: str) -> str:
    """Return a name in small letters and digits alone: ``Percent_B``, ``PercentB`` and ``%B`` are one."""
    signed = re.sub(r"^\s*\+", "plus", re.sub(r"^\s*-", "minus", name)).replace("%", "percent")
    return re.sub(r"[^a-z0-9]", "", signed.lower())


def kind_of(given: dict[str, Any], default: str, name: str = "ma") -> int:
    """Return our number of the kind of average that a case names, of LEAN's default where it names none.

    Raises
    ------
    KeyError
        There is no such kind.
    """
    said = given.get(name, default)
    return said if isinstance(said, int) else KINDS[plain(str(said)).removeprefix("movingaveragetype")]


def short_of(indicator: str) -> str:
    """Return an indicator's own name, without a remark behind it: ``Beta (vs reference)`` -> ``Beta``."""
    return re.split(r"[ (:.,]", indicator.strip(), maxsplit=1)[0]


_PARAMETERS = {plain(name): order for name, order in PARAMETERS.items()}
_SAME_PARAMETER = {name: frozenset({plain(name), *others.split()}) for name, others in SAME_PARAMETER.items()}
_SAME_OUTPUT = {plain(name): frozenset({plain(name), *others.split()}) for name, others in SAME_OUTPUT.items()}


def _number(value: Any) -> Any:
    """Return a number that is written as a text or as a float as what it is; anything else as it is."""
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return value
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _spread(given: dict[str, Any]) -> dict[str, Any]:
    """Return parameters with a list of numbers as one each: ``roc: [1, 2]`` -> ``roc1: 1, roc2: 2``."""
    out: dict[str, Any] = {}
    for name, value in given.items():
        if isinstance(value, list) and value and all(isinstance(v, int | float) for v in value):
            out |= {f"{name}{i}": v for i, v in enumerate(value, 1)}
        else:
            out[name] = value
    return out


def _meant(name: str, places: list[str]) -> str | None:
    """Return which of the parameters still open a name means: its own name first, then another for it."""
    said = [plain(name)]
    said += [said[0].removesuffix(end) for end in _ENDINGS if said[0].endswith(end) and said[0] != end]
    own = [place for one in said for place in places if plain(place) == one]
    other = [place for one in said for place in places if one in _SAME_PARAMETER.get(place, ())]
    return next(iter(own + other), None)


def parameters_of(indicator: str, given: dict[str, Any]) -> tuple[dict[str, Any], str]:
    """Return a case's parameters by the names that the mappings have for them, and what was taken by its place.

    Parameters
    ----------
    indicator
        As the manifest writes it.
    given
        As the manifest writes them. One whose name and place say nothing keeps its name.
    """
    order = _PARAMETERS.get(plain(short_of(indicator)), PERIOD)
    numbers, unknown, out = _spread(given), {}, dict[str, Any]()
    # Names that are exactly one of ours go first, so that an alias of another does not take their place.
    for name in sorted(numbers, key=lambda n: plain(n) not in {plain(p) for p in order}):
        place = _meant(name, [p for p in order if p not in out])
        if place is None:
            unknown[name] = _number(numbers[name])
        else:
            out[place] = _number(numbers[name])
    left = [p for p in order if p not in out and p not in NOT_NUMBERS]
    by_place = [n for n in numbers if n in unknown and isinstance(unknown[n], int | float)]
    taken = dict(zip(left, by_place, strict=False))
    out |= {place: unknown.pop(name) for place, name in taken.items()}
    return out | unknown, "; ".join(f"parameter {name} taken as {place}" for place, name in taken.items())


def output_of(outputs: Outputs, name: str) -> str | None:
    """Return the key of an output by any of its names; the only output has any name. None where it is not known."""
    if len(outputs) == 1:
        return next(iter(outputs))
    said = plain(name)
    keys = {plain(key): key for key in outputs}
    if said in keys:
        return keys[said]
    stripped = {said, said.removesuffix("line"), said.removesuffix("value"), said.removesuffix("band")} & keys.keys()
    same = [key for p, key in keys.items() if said in _SAME_OUTPUT.get(p, ())]
    return next((keys[p] for p in sorted(stripped)), next(iter(same), None))
