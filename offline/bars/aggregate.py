"""Bars of one second as a library, for back-fills and analysts: ticks to seconds, seconds to 1m, 5m, 15m, 1h and 1d.

    stage = SecondBars(BarsConfig(), load_instruments())
    seconds = stage.seconds(ticks)          {"EURUSD:FX": one row a second, ...}
    bars = stage.bars(seconds)              columns of bars.v1

Equal to the bars that the stage makes of the same ticks, in their last revisions: ts, ts_start, o, h, l, c, v, vwap,
n_trades, bid, ask and all of quality, bit for bit, where no tick came after the close of its minute. Where one came, v,
vwap and lat_ms of the bars longer than its minute are equal to rounding (the stage adds it last), and a tick that is
too late for the stage is in its second all the same. ``revision`` is 0, and ``raw_offset`` is that of the newest tick.
"""

from collections.abc import Iterable
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from offline.bars import seconds as sec
from processors.bars.stage import BAR, BarsStage
from processors.kinds import QUOTE, STATUS
from processors.runtime.batch import I64, NULL_LONG, Columns
from processors.runtime.state import as_records
from processors.runtime.strings import STRINGS
from processors.times import LONG_AGO, MINUTE_NS, N_TF, NEVER, SECOND_NS
from schemas.timeframes import TIMEFRAMES

SECOND_TF = "1s"
_SECOND_BITS = 34
_TOTALS = [(f"{name}_total", "<f8") for name in ("v", "pv", "sum_p", "lat_ms")]
SECOND = np.dtype([("n_total", "<i8"), ("raw_offset", "<i8"), *_TOTALS, *BAR.descr])
"""A bar of the stage for one second; totals are of its minute up to its last tick in the log.

The fields of the bar come last: after them, numba would take the whole for a bar, which is an experiment of its own.
"""
Seconds = dict[str, NDArray[np.void]]
"""Symbol -> its seconds, dtype ``SECOND``, ascending; one without a price-forming tick has n 0."""


class SecondBars(BarsStage):
    """The rules of the bars stage, applied by way of bars of one second; see the module's docstring."""

    def seconds(self, ticks: Columns) -> Seconds:
        """Return the seconds of consensus ticks of one partition, in the order of its log.

        Ticks that the stage rejects and those outside the sessions are left out.
        """
        kind: I64 = ticks["kind"]  # type: ignore[assignment]
        symbol: I64 = ticks["symbol_id"]  # type: ignore[assignment]
        ts: I64 = ticks["ts_event"]  # type: ignore[assignment]
        used = kind <= QUOTE
        instrument = np.full(len(ticks), -1, np.int64)
        instrument[used] = self.instruments.row_of(symbol[used])
        used[[r.row for r in self._reject(ticks, used, instrument)]] = False
        tells = np.flatnonzero((used | (kind == STATUS)) & (ticks["missing_since"] != NULL_LONG))
        open_ns, close_ns = self._segments(instrument, ts, used)
        used &= (open_ns <= ts) & (ts < close_ns)
        start = ts - ts % MINUTE_NS
        minute_start, minute_end = np.maximum(start, open_ns), np.minimum(start + MINUTE_NS, close_ns)
        rows, second = _numbered(symbol, ts - ts % SECOND_NS, used)
        n_minutes, minute = _numbered(symbol, minute_start, used)
        out, totals = _empty(len(rows)), _empty(len(n_minutes))
        out["start"], out["end"] = rows[:, 1], rows[:, 1] + SECOND_NS
        columns = ("kind", "ts_event", "ts_recv", "watermark", "price", "size", "bid", "ask", "n_src", "outlier")
        cast(Any, sec.add_ticks)(
            *(ticks[c] for c in columns), ticks["raw_offset"], second, minute, minute_end,
            self.instruments.price_basis[instrument], self.config.allowed_lateness_ms * 1_000_000,
            as_records(out), as_records(totals),
        )  # fmt: skip
        self._mark_holes(ticks, tells, second, minute, minute_end, out)
        has = (out["n"] + out["n_cut"] > 0) | (out["seen"] > LONG_AGO) | (out["gap"] != 0)
        return {
            STRINGS.text(int(code)): out[has & (rows[:, 0] == code)] for code in dict.fromkeys(symbol[used].tolist())
        }

    def bars(self, seconds: Seconds, until_ns: int | None = None) -> Columns:
        """Return the bars of 1m to 1d that the seconds make, by (ts, timeframe, symbol in the order given).

        Parameters
        ----------
        seconds
            Of any symbols; see ``join`` for several runs.
        until_ns
            Bars that end later are not published; all are by default, the last ones of their day unfinished.

        Raises
        ------
        KeyError
            A symbol is not in the instruments.
        """
        codes = np.array([STRINGS.code(symbol) for symbol in seconds], np.int64)
        parts: list[tuple[NDArray[np.void], I64]] = []
        until = NEVER - 1 if until_ns is None else until_ns
        for slot, (symbol, rows) in enumerate(seconds.items()):
            at = self.instruments.by_symbol[symbol]
            calendar, asset = self.instruments.calendar[at], self.instruments.asset_class[at]
            state = self.open()
            state["live"].slots(codes[slot : slot + 1])
            state["kept"].slots(codes[slot : slot + 1])
            minutes = len(np.unique(rows["start"] // MINUTE_NS))
            bars, place, pos = (
                np.empty(N_TF * (minutes + 1), BAR),
                np.empty((N_TF * (minutes + 1), 3), np.int64),
                _zero(),
            )
            cast(Any, sec.bars_of)(
                as_records(rows), until, state["live"].rows[0], state["kept"].rows[0], self._stale_ns[asset],
                self._cal, self._cal_at[calendar], self._cal_at[calendar + 1], slot, as_records(bars), place, pos,
            )  # fmt: skip
            parts.append((bars[: pos[0]], place[: pos[0]]))
        all_bars = np.concatenate([np.empty(0, BAR), *(p[0] for p in parts)])
        all_place = np.concatenate([np.empty((0, 3), np.int64), *(p[1] for p in parts)])
        order = np.lexsort((all_place[:, 0], all_place[:, 1], all_bars["end"]))
        tfs = np.array([STRINGS.code(tf) for tf in TIMEFRAMES])
        return self._bar_columns(all_bars[order], all_place[order], codes, tfs)

    def columns(self, seconds: Seconds) -> Columns:
        """Return the seconds with a price as columns of bars.v1, with the timeframe 1s, symbol after symbol."""
        codes = np.array([STRINGS.code(symbol) for symbol in seconds], np.int64)
        rows = [of[of["n"] > 0] for of in seconds.values()]
        place = [np.array([(slot, 0, r) for r in of["raw_offset"]]).reshape(-1, 3) for slot, of in enumerate(rows)]
        bars = np.concatenate([np.empty(0, BAR), *(of[list(BAR.names or ())].astype(BAR) for of in rows)])
        all_place = np.concatenate([np.empty((0, 3), np.int64), *place])
        return self._bar_columns(bars, all_place, codes, np.array([STRINGS.code(SECOND_TF)]))

    def _mark_holes(
        self, ticks: Columns, tells: I64, second: I64, minute: I64, minute_end: I64, seconds: NDArray[np.void]
    ) -> None:
        """Mark the minutes that are open, by the watermark, where ticks of a source are missing: in their first second.

        Parameters
        ----------
        tells
            Rows that say that ticks of a source are missing, ascending.
        second, minute, minute_end
            Shape (n,): rows of each tick in the tables of seconds and minutes, -1 where in none; end of its minute.
        seconds
            Marked in their field ``gap``.
        """
        if not len(tells):
            return
        since: I64 = ticks["missing_since"]  # type: ignore[assignment]
        symbol: I64 = ticks["symbol_id"]  # type: ignore[assignment]
        watermark: I64 = ticks["watermark"]  # type: ignore[assignment]
        now = np.maximum.accumulate(watermark) - self.config.allowed_lateness_ms * 1_000_000
        # A tick of a minute that is closed does not open it.
        opens = np.flatnonzero((minute >= 0) & (minute_end > now))
        _, first = np.unique(minute[opens], return_index=True)
        first = opens[first]
        for i in tells.tolist():
            open_now = first[(symbol[first] == symbol[i]) & (first <= i) & (minute_end[first] > max(now[i], since[i]))]
            seconds["gap"][second[open_now]] = 1

    def _segments(self, instrument: I64, ts: I64, used: NDArray[np.bool_]) -> tuple[I64, I64]:
        """Return open and close of the newest segment at each tick; an empty one where there is none."""
        open_ns, close_ns = np.full(len(ts), NEVER), np.full(len(ts), LONG_AGO)
        for number in np.unique(self.instruments.calendar[instrument[used]]):
            of = np.flatnonzero(used & (self.instruments.calendar[instrument] == number))
            cal = self._cal[:, self._cal_at[number] : self._cal_at[number + 1]]
            at = np.searchsorted(cal[0], ts[of], side="right") - 1
            of, at = of[at >= 0], at[at >= 0]
            open_ns[of], close_ns[of] = cal[0, at], cal[1, at]
        return open_ns, close_ns


def join(parts: Iterable[Seconds]) -> Seconds:
    """Return the seconds of several runs over ticks, in their order, as one.

    A run ends where a second ends, at best where a minute does: of a minute made by two runs, v, vwap and lat_ms are
    equal to rounding.
    """
    out: dict[str, list[NDArray[np.void]]] = {}
    for part in parts:
        for symbol, rows in part.items():
            out.setdefault(symbol, []).append(rows)
    joined = {symbol: np.concatenate(rows) for symbol, rows in out.items()}
    return {symbol: rows[np.argsort(rows["start"], kind="stable")] for symbol, rows in joined.items()}


def _numbered(symbol: I64, start: I64, used: NDArray[np.bool_]) -> tuple[I64, I64]:
    """Return the distinct (symbol, start) of the used rows, ascending, and the number of each row's, -1 if unused."""
    # Both in one number, since pairs sort slowly: starts are whole seconds, below 2**34 of them up to the year 2514.
    packed, inverse = np.unique((symbol[used] << _SECOND_BITS) + start[used] // SECOND_NS, return_inverse=True)
    number = np.full(len(symbol), -1, np.int64)
    number[used] = inverse
    seconds = packed & ((1 << _SECOND_BITS) - 1)
    return np.stack([packed >> _SECOND_BITS, seconds * SECOND_NS], axis=1), number


def _empty(n: int) -> NDArray[np.void]:
    rows = np.zeros(n, SECOND)
    rows["seen"] = rows["quote_ts"] = LONG_AGO
    rows["bid"] = rows["ask"] = np.nan
    return rows


def _zero() -> I64:
    return np.zeros(2, np.int64)
