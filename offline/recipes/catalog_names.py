"""From the words of a strategy file to features of the catalog: ``rsi: 14`` is ``rsi_14_value``.

A feature is named after its indicator and its parameters, and ends with its output: ``macd_12_26_9_hist``. A word and
its numbers mean all outputs of that name that are free of the price; where all are prices, the one output of the same
kernel and parameters that is free of it (``mom: 5`` is ``roc_5_value``); and the price itself where there is none.
"""

import re
from collections.abc import Sequence
from functools import cache

from offline.recipes.features import by_name
from offline.recipes.scales import is_price
from processors.errors import ConfigError
from processors.yaml_reader import near
from schemas.features import Feature

Numbers = tuple[float, ...]

CROSS_FLAGS = {
    "low_vol": ("xs_low_vol_rank",),
    "quality": ("xs_quality_rank",),
    "return": ("xs_return_rank",),
    "market": ("market_correlation", "market_beta", "market_alpha"),
    "breadth": ("market_breadth",),
    "dispersion": ("market_dispersion",),
}
"""Key of ``features.cross`` -> what it means."""
MONTHS = (1, 3, 6)
SPREADS = {"F1F2": "curve_f1f2_log", "F2F3": "curve_f2f3_log"}
CURVE_FLAGS = {
    "use": ("curve_slope",),
    "carry": ("curve_carry",),
    "roll_yield": ("curve_roll_yield",),
    "butterfly": ("curve_butterfly",),
    "state": ("curve_state",),
}
"""Key of ``features.curve`` -> what it means; ``use: false`` turns all of them off."""


def momentum(months: int) -> str:
    """Return the rank of momentum over some months."""
    return f"xs_momentum_{months}mo_rank"


def features_of(word: str, numbers: Numbers) -> tuple[Feature, ...]:
    """Return the features that an indicator with its parameters means.

    Parameters
    ----------
    word
        As names of features begin, for example ``rsi``, ``macd``, ``log_return``; or the whole name of one.
    numbers
        Parameters in the order of the name; none for ``true``.

    Raises
    ------
    ConfigError
        There is none; near names are told. Its key is the word.
    """
    stem = "_".join([word, *map(_spelt, numbers)])
    found = [f for name, f in by_name().items() if f.source != "cross" and _is_of(name, stem)]
    if not numbers and not found:
        # A vector is named without its places.
        found = [f for f in by_name().values() if f.source != "cross" and f.indicator == word]
    if not found:
        raise ConfigError("features", word, _shown(numbers), _remedy(word, stem))
    free = [f for f in found if not is_price(f)]
    if free:
        return tuple(free)
    kin = {(f.indicator, _kernel(f)) for f in found}
    siblings = [f for f in by_name().values() if (f.indicator, _kernel(f)) in kin and not is_price(f)]
    return tuple(siblings) if len(siblings) == 1 else tuple(found)


def _spelt(number: float) -> str:
    return f"{number:g}".replace(".", "p")


def _shown(numbers: Numbers) -> object:
    values = [int(n) if n == int(n) else n for n in numbers]
    return values[0] if len(values) == 1 else values or True


def _is_of(name: str, stem: str) -> bool:
    """Return whether a name is the stem with an output behind it: no more numbers may follow."""
    rest = name.removeprefix(stem)
    return name.startswith(stem) and (not rest or re.fullmatch(r"_[a-z][a-z0-9_]*", rest) is not None)


def _kernel(feature: Feature) -> str:
    return ";".join(p for p in feature.parameters.split(";") if not p.startswith("output="))


@cache
def _stems() -> dict[str, tuple[str, ...]]:
    """Return word -> its numbers as they are written, over the catalog."""
    found: dict[str, list[str]] = {}
    for name, feature in by_name().items():
        match = re.match(r"([a-z][a-z_]*?(?:\d+[a-z_]+?)*?)_((?:\d+(?:p\d+)?(?:_|$))+)", name)
        if match and feature.source != "cross":
            found.setdefault(match[1], []).append(match[2].strip("_").replace("_", ", ").replace("p", "."))
    return {word: tuple(dict.fromkeys(values)) for word, values in found.items()}


def _remedy(word: str, stem: str) -> str:
    known = _stems()
    if word in known:
        return f"the catalog has {word} with {'; '.join(known[word])}"
    words: Sequence[str] = [*known, *by_name()]
    return f"an indicator of the catalog{near(word, words) or near(stem, words)}"
