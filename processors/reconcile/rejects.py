"""Why a raw tick goes to the dead letter, in a sentence with the instrument, the values and the rule."""

from collections.abc import Iterator

import numpy as np

from processors.kinds import QUOTE
from processors.reconcile import kernel as k
from processors.reconcile.config import FEEDS_MAX, SOURCES_MAX
from processors.reconcile.names import source_name
from processors.runtime.batch import U8, Columns
from processors.runtime.stage import Rejected
from processors.runtime.strings import STRINGS

ERRORS = (
    "sound", "unknown_symbol", "bad_time", "bad_price", "bad_quote", "crossed_quote", "bad_size", "too_many_sources",
)  # fmt: skip
"""Label of each broken rule, by its number in the kernel."""

_KINDS = ("trade", "quote", "heartbeat", "status", "correction")
_COLUMNS = ("ts_event", "ts_recv", "price", "size", "bid", "ask", "bid_size", "ask_size")


def _time(ns: int) -> str:
    """Return a time as text; out of numpy's range there is none."""
    return f"{np.datetime64(ns, 'ns')}Z"


def _sentence(  # noqa: PLR0911 - one for each rule
    error: int, kind: int, v: dict[str, list[float]], i: int
) -> str:
    """Return what is wrong with row i of the values."""
    if error == k.CROSSED_QUOTE:
        return f"bid {v['bid'][i]!r} is above ask {v['ask'][i]!r}"
    if error == k.UNKNOWN_SYMBOL:
        return f"{_KINDS[kind]} of a symbol that is not in the instruments file"
    if error == k.BAD_TIME:
        event, recv = int(v["ts_event"][i]), int(v["ts_recv"][i])
        if all(k.TS_MIN <= t < k.TS_MAX for t in (event, recv)):
            ahead_s = (event - recv) / 1e9
            logged_ms = int(v["logged_ms"][i])
            if logged_ms and recv - logged_ms * 1_000_000 > event - recv:
                ahead_s = recv / 1e9 - logged_ms / 1e3
                logged = _time(logged_ms * 1_000_000)
                return (
                    f"receive time {_time(recv)} is {ahead_s:.3f} s after it came to the log, {logged}: from the future"
                )
            return f"event time {_time(event)} is {ahead_s:.3f} s after receive time {_time(recv)}: from the future"
        return f"event time {event} ns or receive time {recv} ns is not between 1990 and 2100"
    if error == k.BAD_PRICE:
        return f"trade price {v['price'][i]!r} is not a positive number"
    if error == k.BAD_QUOTE:
        return f"bid {v['bid'][i]!r} and ask {v['ask'][i]!r}: one must be positive, none negative or infinite"
    if error == k.BAD_SIZE:
        names = ("bid_size", "ask_size") if kind == QUOTE else ("size",)
        return ", ".join(f"{n} {v[n][i]!r}" for n in names) + ": a size is neither negative nor infinite"
    if error == k.TOO_MANY_SOURCES:
        return f"a source beyond the {SOURCES_MAX} of one symbol, or the {FEEDS_MAX} feeds of one partition"
    raise AssertionError(f"rule {error} has no sentence")


class _Texts(dict[int, str]):
    """Text of each string code, looked up once."""

    def __missing__(self, code: int) -> str:
        text = self[code] = STRINGS.text(code)
        return text


def rejected_rows(batch: Columns, error: U8) -> Iterator[Rejected]:
    """Yield each row with a broken rule, ascending.

    Parameters
    ----------
    error
        Shape (n,), number of the broken rule, 0 where the row is sound.
    """
    rows = np.flatnonzero(error)
    if not len(rows):
        return
    texts = _Texts()
    values = {name: batch[name][rows].tolist() for name in _COLUMNS}
    values["logged_ms"] = batch.logged_ms[rows].tolist()
    names = [batch[name][rows].tolist() for name in ("symbol_id", "vendor", "venue", "kind")]
    heads: dict[tuple[int, int, int], str] = {}
    for i, (row, rule, symbol, vendor, venue, kind) in enumerate(
        zip(rows.tolist(), error[rows].tolist(), *names, strict=True)
    ):
        head = heads.get((symbol, vendor, venue))
        if head is None:
            head = f"{texts[symbol] or '(no symbol)'} {source_name(texts[vendor], texts[venue])}: "
            heads[symbol, vendor, venue] = head
        yield Rejected(row, ERRORS[rule], head + _sentence(rule, kind, values, i))
