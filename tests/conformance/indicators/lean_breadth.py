"""LEAN's indicators of a market's breadth, in plain arithmetic over a table with a row a symbol and time.

A time is complete with the last of the symbols' rows; until then the value of the time before stands, 0 at first. A
symbol that has no row at a time leaves it incomplete, and has neither advanced nor declined at the next.
"""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from tests.conformance.indicators.support import Columns, Mapping, Outputs


class Bar(NamedTuple):
    """What breadth reads of a bar."""

    high: float
    low: float
    close: float
    volume: float


Market = dict[str, Bar]
"""Symbol -> its bar at one time, as far as it is known."""
Count = Callable[[list[Bar], list[Bar]], dict[str, float]]


def symbols_of(numbers: dict[str, Any], columns: Columns) -> set[str]:
    """Return the symbols that count: those that a case names, else all of the table."""
    named = numbers.get("symbols")
    return {str(s).split(" ", maxsplit=1)[0] for s in named} if named else set(columns["symbol"].tolist())


def times_of(numbers: dict[str, Any], columns: Columns) -> Iterator[tuple[int, bool, Market]]:
    """Yield each row, whether its time is a new one, and the bars of its time so far."""
    wanted, market, now = symbols_of(numbers, columns), Market(), None
    prices = zip(*(columns[name] for name in ("high", "low", "close", "volume")), strict=True)
    for row, (symbol, time, bar) in enumerate(zip(columns["symbol"], columns["time"], prices, strict=True)):
        new = time != now
        if new:
            market, now = {}, time
        if symbol in wanted:
            market[str(symbol)] = Bar(*(float(x) for x in bar))
        yield row, new, market


def over(up: float, down: float) -> float:
    """Return a ratio as LEAN has it: the numerator where nothing is below it."""
    return up / down if down else up


def volume(bars: list[Bar]) -> float:
    """Return the volume of some bars."""
    return sum(bar.volume for bar in bars)


def advances(advanced: list[Bar], declined: list[Bar]) -> dict[str, float]:
    """Return everything that is made of the bars that closed above and below their last close."""
    n, by_volume = len(advanced), over(volume(advanced), volume(declined))
    ratio = over(n, len(declined))
    arms = ratio / by_volume if by_volume else 0.0
    return {"difference": n - len(declined), "ratio": ratio, "volume_ratio": by_volume, "trin": arms}


def new_extremes(highs: list[Bar], lows: list[Bar]) -> dict[str, float]:
    """Return everything that is made of the bars at new highs and at new lows."""
    by_volume = over(volume(highs), volume(lows))
    return {"difference": len(highs) - len(lows), "ratio": over(len(highs), len(lows)), "volume_ratio": by_volume}


def breadth(numbers: dict[str, Any], columns: Columns, count: Count, bars: int, *, of_closes: bool) -> Outputs:
    """Return the outputs of a count of the bars that are above and below what was in some times before.

    Parameters
    ----------
    bars
        Times before; 1 and ``of_closes``: the last close, else highs and lows.
    """
    wanted, n = symbols_of(numbers, columns), len(columns["close"])
    out = {name: np.full(n, np.nan) for name in count([], [])}
    past = {symbol: list[Bar]() for symbol in wanted}
    before, held = Market(), dict.fromkeys(out, 0.0)
    for row, new, market in times_of(numbers, columns):
        if new:
            for symbol, bar in before.items():
                past[symbol] = [*past[symbol], bar][-bars:]
            if of_closes:
                past = {symbol: past[symbol] if symbol in before else [] for symbol in wanted}
        before = market
        if any(past.values()) if of_closes else all(len(p) == bars for p in past.values()):
            if market.keys() == wanted:
                there = [(bar, past[symbol]) for symbol, bar in market.items() if past[symbol]]
                if of_closes:
                    up = [bar for bar, old in there if bar.close > old[-1].close]
                    down = [bar for bar, old in there if bar.close < old[-1].close]
                else:
                    up = [bar for bar, old in there if bar.high > max(o.high for o in old)]
                    down = [bar for bar, old in there if bar.low < min(o.low for o in old)]
                held = count(up, down)
            for name, value in held.items():
                out[name][row] = value
    return out


def _advances(output: str) -> Any:
    def made(p: dict[str, Any], c: Columns) -> Outputs:
        out = breadth(p, c, advances, 1, of_closes=True)
        return out | {"value": out[output]}

    return made


def _extremes(output: str) -> Any:
    def made(p: dict[str, Any], c: Columns) -> Outputs:
        out = breadth(p, c, new_extremes, int(p["period"]), of_closes=False)
        return out | {"value": out[output]}

    return made


MAPPING: Mapping = {
    "AdvanceDeclineDifference": _advances("difference"),
    "AdvanceDeclineRatio": _advances("ratio"),
    "AdvanceDeclineVolumeRatio": _advances("volume_ratio"),
    "ArmsIndex": _advances("trin"),
    "NewHighsNewLows": _extremes("difference"),
    "NewHighsNewLowsVolume": _extremes("volume_ratio"),
}
"""Indicator of LEAN -> its outputs as the manifest names them."""
