"""From what was asked to signals: latest known gold row, staleness, and the very function the score stage calls.

Used by one thread at a time, since the table of strings is extended on decoding.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Protocol

import grpc
import numpy as np

from processors.errors import ConfigError, RetryableError
from processors.runtime.batch import Columns
from processors.runtime.codec import ROW_ERRORS
from processors.runtime.row_reader import RowReader
from processors.score.config import ScoreConfig
from processors.score.model import Model
from processors.score.score import (
    FATES,
    IN_SAMPLE,
    NO_MODEL,
    PACK_MISMATCH,
    REGIME_MISMATCH,
    SIGNAL,
    WARMUP,
    score_rows,
)  # fmt: skip
from processors.score.window import Windows
from processors.sinks.redis_store import FreshnessState
from schemas.instruments import load_instruments
from serving.generated import score_pb2 as pb
from serving.histories import ROWS_MAX, SPARE_ROWS, History, HistoryStore, read_histories, windows_of_histories
from serving.messages import record_of, signal_message
from serving.records import iso
from serving.requests import Asked, Failure

GOLD = "gold.v1"
MODEL_RETRY_S = 1.0

Answer = pb.Signal | Failure


class GoldStore(HistoryStore, Protocol):
    """Where gold rows come from: ``processors.sinks.redis_store.RedisStore``."""

    def gold_as_of(self, symbol_id: str, tf: str, as_of_ns: int) -> bytes | None:
        """Return the newest row at or before a time, in the wire format."""

    def latest_gold_many(self, wanted: Sequence[tuple[str, str]]) -> list[bytes | None]:
        """Return the newest row of each symbol and timeframe, in the wire format."""

    def consensus_many(self, wanted: Sequence[tuple[str, str]]) -> list[FreshnessState | None]:
        """Return the newest freshness of the consensus of each symbol and timeframe."""


class ScoreEngine:
    """Answers requests.

    Parameters
    ----------
    store
        Gold rows.
    load
        Returns the deployed model, or raises ConfigError where there is none (yet): it is asked again.
    config
        Risk and costs, those of the score stage, and the age past which no score is made.
    now_ns
        The time that stands for a missing ``as_of``; None: the latest row of each symbol counts as now.
    """

    def __init__(
        self,
        store: GoldStore,
        load: Callable[[], Model],
        config: ScoreConfig,
        now_ns: Callable[[], int] | None = None,
    ) -> None:
        self._store, self._load, self._config, self._now_ns = store, load, config, now_ns
        self._reader = RowReader(GOLD)
        self._model: Model | None = None
        self._model_tried_s = -np.inf
        self._model_error = ""

    def ready(self) -> Failure | None:
        """Return why no score could be made now; None where one could."""
        if self._deployed() is None:
            return self._no_model()
        try:
            self._store.latest_gold_many([("", "1m")])
        except RetryableError as e:
            return Failure(grpc.StatusCode.UNAVAILABLE, str(e))
        return None

    def score(self, asked: Sequence[Asked]) -> list[Answer]:
        """Return the answer to each request, in their order."""
        model = self._deployed()
        if model is None:
            return [self._no_model()] * len(asked)
        if self._now_ns is not None:
            now_ns = self._now_ns()
            asked = [one if one.as_of_ns is not None else replace(one, as_of_ns=now_ns) for one in asked]
        histories: list[History] = []
        try:
            if model.card.window_bars > 1:
                histories = read_histories(self._store, asked, model.card.window_bars + SPARE_ROWS)
                # Of one reading: a row that comes meanwhile is not answered with another's window.
                rows = [history.wire[-1] if history.wire else None for history in histories]
            else:
                rows = self._rows(asked)
            states = self._store.consensus_many([(one.symbol_id, one.tf) for one in asked])
        except RetryableError as e:
            return [Failure(grpc.StatusCode.UNAVAILABLE, str(e))] * len(asked)
        answers: dict[int, Answer] = {}
        gold, places = self._decoded(asked, rows, answers)
        if places:
            of_places = [asked[i] for i in places]
            windows = None
            if histories:
                try:
                    windows = self._windows(model, of_places, [histories[i] for i in places])
                except RetryableError as e:
                    return [Failure(grpc.StatusCode.UNAVAILABLE, str(e))] * len(asked)
            found = self._answers(model, of_places, gold, [states[i] for i in places], windows)
            answers.update(zip(places, found, strict=True))
        return [answers[i] for i in range(len(asked))]

    def _windows(self, model: Model, asked: Sequence[Asked], histories: list[History]) -> Windows:
        """Return the windows of the newest rows; where too many of those read stand in none, read further back."""
        windows, short = windows_of_histories(model, self._reader, histories)
        if any(short):
            further = read_histories(self._store, [one for one, s in zip(asked, short, strict=True) if s], ROWS_MAX)
            # What came meanwhile is later than the row that is answered.
            for i, more in zip(np.flatnonzero(short), further, strict=True):
                newest = histories[i].wire[-1]
                if newest in more.wire:
                    histories[i] = History(more.wire[: more.wire.index(newest) + 1], has_all=True)
            windows, _ = windows_of_histories(model, self._reader, histories)
        return windows

    def _rows(self, asked: Sequence[Asked]) -> list[bytes | None]:
        """Return the row of each request as it is stored."""
        rows: list[bytes | None] = [None] * len(asked)
        latest = []
        for i, one in enumerate(asked):
            if one.as_of_ns is None:
                latest.append(i)
            else:
                rows[i] = self._store.gold_as_of(one.symbol_id, one.tf, one.as_of_ns)
        if latest:
            found = self._store.latest_gold_many([(asked[i].symbol_id, asked[i].tf) for i in latest])
            for i, row in zip(latest, found, strict=True):
                rows[i] = row
        return rows

    def _decoded(
        self, asked: Sequence[Asked], rows: list[bytes | None], answers: dict[int, Answer]
    ) -> tuple[Columns, list[int]]:
        """Return the rows that were found and read, with the positions of their requests; answer the others."""
        places = []
        for i, row in enumerate(rows):
            if row is None:
                answers[i] = _not_found(asked[i])
            else:
                places.append(i)
        columns, error = self._reader.read([row for row in rows if row is not None])
        for j in np.flatnonzero(error):
            one = asked[places[j]]
            message = f"{one.symbol_id} {one.tf}: the stored row cannot be read: {ROW_ERRORS[error[j]]}"
            answers[places[j]] = Failure(grpc.StatusCode.DATA_LOSS, message)
        return columns.take(error == 0), [i for i, e in zip(places, error, strict=True) if e == 0]

    def _answers(
        self,
        model: Model,
        asked: Sequence[Asked],
        gold: Columns,
        states: Sequence[FreshnessState | None],
        windows: Windows | None,
    ) -> list[Answer]:
        """Return the answer to each request, given its row, its window and the freshness of its symbol's consensus."""
        scored = score_rows(model, self._config, gold, windows)
        # Position of each row's signal among the signals.
        at = np.cumsum(scored.mask) - 1
        answers: list[Answer] = []
        for j, one in enumerate(asked):
            ts_ns, fate = int(gold["ts"][j]), int(scored.fate[j])
            stale = self._stale(one, ts_ns, states[j], quality_stale=bool(gold["quality.stale"][j]))
            if stale is not None:
                answers.append(stale)
            elif fate != SIGNAL:
                answers.append(_no_signal(one, fate, ts_ns, model, None if windows is None else int(windows.seen[j])))
            else:
                answers.append(signal_message(record_of(scored.signals, int(at[j]))))
        return answers

    def _stale(self, one: Asked, ts_ns: int, state: FreshnessState | None, *, quality_stale: bool) -> Failure | None:
        as_of_ns = ts_ns if one.as_of_ns is None else one.as_of_ns
        age_s = (as_of_ns - ts_ns) / 1e9
        limit_s = self._config.stale_threshold_s[one.tf]
        if age_s > limit_s:
            message = (
                f"{one.symbol_id} {one.tf} is stale: the newest row, {iso(ts_ns)}, is {age_s:.3f} s old at "
                f"{iso(as_of_ns)}, limit {limit_s} s"
            )
            return Failure(grpc.StatusCode.FAILED_PRECONDITION, message)
        if quality_stale:
            message = (
                f"{one.symbol_id} {one.tf} is stale: when its bar closed at {iso(ts_ns)}, its newest tick was older "
                "than the threshold, so no source had a fresh price then"
            )
            return Failure(grpc.StatusCode.FAILED_PRECONDITION, message)
        # Only what was known at ``as_of``: after a replay every source has fallen silent, later than its last row.
        if state is not None and state.ts_ns <= as_of_ns and _is_stale(state):
            closed = " and its market has closed since" if state.state == "closed" else ""
            message = (
                f"{one.symbol_id} {one.tf} is stale: no source has a fresh price{closed}; the consensus is "
                f"{state.state} since {iso(state.since_ns)}, threshold {state.threshold_ms / 1000:g} s"
            )
            return Failure(grpc.StatusCode.FAILED_PRECONDITION, message)
        return None

    def _deployed(self) -> Model | None:
        """Return the model; where it is missing, look again now and then."""
        if self._model is None and time.monotonic() - self._model_tried_s >= MODEL_RETRY_S:
            self._model_tried_s = time.monotonic()
            try:
                self._model = self._load()
            except ConfigError as e:
                self._model_error = str(e)
        return self._model

    def _no_model(self) -> Failure:
        return Failure(grpc.StatusCode.UNAVAILABLE, f"no model: {self._model_error}")


def _is_stale(state: FreshnessState) -> bool:
    """Return whether there is no fresh price: the consensus is stale, or was when its market closed."""
    return state.state == "stale" or (state.state == "closed" and state.previous == "stale")


def _not_found(one: Asked) -> Failure:
    known = load_instruments().by_symbol
    if one.symbol_id not in known:
        names = sorted(known)
        shown = ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
        return Failure(grpc.StatusCode.NOT_FOUND, f"{one.symbol_id} is no instrument: {shown}")
    message = f"{one.symbol_id} {one.tf} has no row"
    if one.as_of_ns is None:
        return Failure(grpc.StatusCode.NOT_FOUND, f"{message} among the latest rows")
    until = iso(one.as_of_ns).removesuffix("Z")
    # Shown to a person, not sent; both names are known ones.
    rows = f"symbol_id = '{one.symbol_id}' AND tf = '{one.tf}' AND ts <= '{until}' ORDER BY ts DESC LIMIT 1"
    return Failure(
        grpc.StatusCode.NOT_FOUND,
        f"{message} at or before {until}Z among the latest rows; older ones are in ClickHouse: "  # noqa: S608
        f'mps sql "SELECT * FROM gold WHERE {rows}"',
    )


def _no_signal(one: Asked, fate: int, ts_ns: int, model: Model, seen: int | None) -> Failure:
    """Return why the model gives no signal for a row that has so many rows of its window, itself among them."""
    card: Any = model.card
    by = f" by {card.regime_model}" if card.regime_model else ""
    reasons = {
        IN_SAMPLE: f"row is in the training period, which ends {iso(card.trained_until_ns)}",
        WARMUP: "row is warming up: a feature has not yet its full window",
        NO_MODEL: f"model {card.name} has no horizon for this timeframe: one of {', '.join(card.horizon_bars)}",
        PACK_MISMATCH: f"row lacks a feature pack of the model's, {', '.join(card.needs)}",
        REGIME_MISMATCH: f"regime of the row is not of the model's, {', '.join(card.regimes)}{by}",
    }
    if fate == WARMUP and seen is not None and seen < card.window_bars:
        reasons[WARMUP] = f"too few rows: model {card.name} reads {card.window_bars}, {seen} are kept"
    reason = reasons.get(fate, f"row cannot be scored: {FATES[fate]}")
    return Failure(grpc.StatusCode.FAILED_PRECONDITION, f"{one.symbol_id} {one.tf} {iso(ts_ns)}: {reason}")
