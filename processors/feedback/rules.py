"""What becomes an alert: pure rules over changes of freshness and rolls. Called by ``app``; no I/O, no wall clock.

    fresh --> delayed --> STALE ---- closed ---- fresh      stale: one alert, however long, over any closes
                            |                      |          recovered: one alert, at the next tick that is current
                            +---- alerting --------+          gap: one alert each time ticks come again after a hole

Every alert has an id made of event facts alone. The same changes give the same ids, and a change that a row has seen
already gives nothing, so a replay of the topic is harmless.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Self

from processors.times import LONG_AGO

ALL = "all"
"""The class of every symbol together."""
CONSENSUS = "consensus"

BAD = frozenset({"stale", "gap"})
"""States that count for the stale rate: the price is old, or what lies before it is missing."""
CURRENT = frozenset({"fresh", "delayed", "gap"})
"""States in which ticks come."""

STALE_EVENT, ROLL_EVENT, DRIFT_EVENT = "on_data_stale", "on_rollover", "on_drift"
EVENT_OF_KIND = {
    "stale": STALE_EVENT,
    "recovered": STALE_EVENT,
    "gap": STALE_EVENT,
    "stale_rate_high": STALE_EVENT,
    "stale_rate_normal": STALE_EVENT,
    "rollover": ROLL_EVENT,
    "drift": DRIFT_EVENT,
    "drift_ended": DRIFT_EVENT,
}
"""Kind of alert -> webhook event. A dead webhook has none: its alert must not need a webhook."""

_DETAIL_BYTES_MAX = 4000
"""Below the longest string that the wire carries."""


@dataclass(frozen=True, slots=True)
class Alert:
    """One record of ``alerts.v1``; the fields are those of its schema."""

    id: str
    kind: str
    symbol_id: str
    asset_class: str
    source: str
    tf: str
    ts: int
    since: int
    value: float
    threshold: float
    detail: str

    def record(self) -> dict[str, Any]:
        """Return the record as the codec takes it."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Row:
    """What is known of one symbol, source and timeframe; kept in a table, as JSON.

    Parameters
    ----------
    ts
        Event time of the newest change, nanoseconds: the state began then.
    alerting_since
        Event time at which it became stale, while nobody has been told of a recovery; None otherwise.
    bad_until
        Newest event time at which it was stale or had a gap.
    rates
        Asset class -> (number of changes of the class so far, whether its stale rate was high after this one). With
        it a restart knows what has been told.
    """

    symbol_id: str
    source: str
    tf: str
    asset_class: str
    state: str
    ts: int
    age_ms: float
    threshold_ms: float
    alerting_since: int | None = None
    bad_until: int = LONG_AGO
    rates: dict[str, tuple[int, bool]] = field(default_factory=dict)

    def record(self) -> dict[str, Any]:
        """Return the row as JSON takes it."""
        return asdict(self)

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> Self:
        """Return the row of a record that ``record`` has made, through JSON or not."""
        rates = {name: (int(n), bool(high)) for name, (n, high) in record["rates"].items()}
        return cls(**{**record, "rates": rates})


def key_of(change: Mapping[str, Any]) -> str:
    """Return the key of a change's row."""
    return "|".join((change["symbol_id"], change["source"], change["tf"]))


def step(row: Row | None, change: Mapping[str, Any], asset_class: str) -> tuple[Row, list[Alert]]:
    """Apply one record of ``data.freshness`` and return the new row with the alerts it causes.

    Parameters
    ----------
    row
        None at the first change of a key.
    change
        A decoded record of that key. One that is not newer than the row changes nothing.
    """
    ts, state = int(change["ts"]), str(change["state"])
    if row is not None and ts <= row.ts:
        return row, []
    alerting = row.alerting_since if row else None
    before = row.state if row else "none"
    alerts = []
    if state == "stale" and alerting is None:
        alerting = ts
        alerts.append(_of_change("stale", change, asset_class, ts))
    elif state in CURRENT and alerting is not None:
        alerts.append(_of_change("recovered", change, asset_class, alerting))
        alerting = None
    if state == "gap" and before != "gap":
        alerts.append(_of_change("gap", change, asset_class, ts))
    bad_until = row.bad_until if row else LONG_AGO
    if state in BAD or before in BAD:
        bad_until = ts
    new = Row(
        change["symbol_id"], change["source"], change["tf"], asset_class, state, ts, float(change["age_ms"]),
        float(change["threshold_ms"]), alerting, bad_until,
    )  # fmt: skip
    return new, alerts


def _of_change(kind: str, change: Mapping[str, Any], asset_class: str, since: int) -> Alert:
    symbol, source, tf, ts = change["symbol_id"], change["source"], change["tf"], int(change["ts"])
    return Alert(
        alert_id(kind, symbol, source, tf, ts), kind, symbol, asset_class, source, tf, ts, since,
        float(change["age_ms"]), float(change["threshold_ms"]), _detail({"previous": change["previous"]}),
    )  # fmt: skip


def alert_id(kind: str, symbol_id: str, source: str, tf: str, ts: int, *more: str) -> str:
    """Return the idempotency key of an alert."""
    return "|".join((kind, symbol_id, source, tf, str(ts), *more))


def roll_alert(roll: Mapping[str, Any], asset_class: str) -> Alert:
    """Return the alert of a record of ``rollovers.v1``: all of the record is its detail."""
    symbol = str(roll.get("symbol_id") or roll.get("root") or "")
    detail = _detail(roll)
    # Rolls of several rules may fall on one instant of one root.
    digest = hashlib.sha256(detail.encode()).hexdigest()[:12]
    ts = int(roll["ts"])
    return Alert(
        alert_id("rollover", symbol, "", "", ts, digest), "rollover", symbol, asset_class, "", "", ts, ts, 0.0, 0.0,
        detail,
    )  # fmt: skip


def drift_alert(report: Mapping[str, Any], asset_class: str) -> Alert | None:
    """Return the alert of a record of ``drift.v1``, None where no drift begins or ends there."""
    kind = {"alarm": "drift", "recovery": "drift_ended"}.get(report["cause"])
    if kind is None:
        return None
    symbol, tf, feature, ts = report["symbol_id"], report["tf"], report["feature"], report["ts"]
    return Alert(
        alert_id(kind, symbol, feature, tf, ts), kind, symbol, asset_class, feature, tf, ts, ts, report["psi"] or 0.0,
        0.0, _detail(report),
    )  # fmt: skip


def dead_alert(alert: Alert, webhook: str, attempts: int, reason: str) -> Alert:
    """Return the alert that a webhook gave up on another one."""
    detail = _detail({"alert": alert.id, "reason": reason[:500]})
    return Alert(
        alert_id("webhook_dead", alert.symbol_id, webhook, alert.tf, alert.ts, alert.id), "webhook_dead",
        alert.symbol_id, alert.asset_class, webhook, alert.tf, alert.ts, alert.ts, float(attempts), float(attempts),
        detail,
    )  # fmt: skip


def _detail(values: Mapping[str, Any]) -> str:
    text = json.dumps(dict(values), sort_keys=True, default=str)
    return text if len(text) <= _DETAIL_BYTES_MAX else json.dumps({"cut": text[: _DETAIL_BYTES_MAX // 2]})


@dataclass(slots=True)
class _Class:
    """The consensus rows of one asset class by symbol, and what has been told of it."""

    rows: dict[str, Row] = field(default_factory=dict)
    changes: int = 0
    high: bool = False


class StaleRates:
    """The share of symbols with an open market that are stale or have a gap, for each asset class and for all.

    It becomes high when a symbol turns bad and the share of those that are bad, or were within the window, reaches the
    threshold; it is normal again when the share of those that are bad now falls below half of it. So a wave of short
    outages counts, and one symbol that comes and goes at the threshold does not ring at each turn.

    Parameters
    ----------
    window_ns
        Event time.
    threshold
        Share from which it is high.
    symbols_min
        Fewer symbols with an open market make no rate: one of two is no sign of a broken feed.
    tf
        The timeframe that is watched.
    """

    def __init__(self, window_ns: int, threshold: float, symbols_min: int, tf: str = "1m") -> None:
        self._window_ns, self._threshold, self._symbols_min, self._tf = window_ns, threshold, symbols_min, tf
        self._classes: dict[str, _Class] = {}

    def restore(self, rows: Iterable[Row]) -> None:
        """Forget everything and take the rows of the table."""
        self._classes = {}
        for row in rows:
            if not self._counts(row):
                continue
            for name in (row.asset_class, ALL):
                of = self._classes.setdefault(name, _Class())
                of.rows[row.symbol_id] = row
                changes, high = row.rates.get(name, (0, False))
                if changes >= of.changes:
                    of.changes, of.high = changes, high

    def step(self, row: Row) -> tuple[Row, list[Alert]]:
        """Apply a row that has just changed; return it with what to remember, and the alerts."""
        if not self._counts(row):
            return row, []
        alerts = []
        rates = {}
        for name in (row.asset_class, ALL):
            of = self._classes.setdefault(name, _Class())
            of.rows[row.symbol_id] = row
            of.changes += 1
            alert = self._judge(name, of, row)
            alerts += [alert] if alert else []
            rates[name] = (of.changes, of.high)
        new = Row(**{**asdict(row), "rates": rates})
        for name in rates:
            self._classes[name].rows[row.symbol_id] = new
        return new, alerts

    def now(self) -> dict[str, float]:
        """Return asset class -> share of symbols with an open market that are bad now; no symbol open: 0."""
        return {name: self._share(of, None) for name, of in self._classes.items()}

    def _counts(self, row: Row) -> bool:
        return row.source == CONSENSUS and row.tf == self._tf

    def _share(self, of: _Class, since: int | None) -> float:
        is_open = [row for row in of.rows.values() if row.state != "closed"]
        bad = [r for r in is_open if r.state in BAD or (since is not None and r.bad_until > since)]
        return len(bad) / len(is_open) if is_open else 0.0

    def _judge(self, name: str, of: _Class, row: Row) -> Alert | None:
        n_open = sum(r.state != "closed" for r in of.rows.values())
        if not of.high and row.state in BAD and n_open >= self._symbols_min:
            share = self._share(of, row.ts - self._window_ns)
            if share >= self._threshold:
                of.high = True
                return self._alert("stale_rate_high", name, row.ts, share, n_open)
        elif of.high and (share := self._share(of, None)) < self._threshold / 2:
            of.high = False
            return self._alert("stale_rate_normal", name, row.ts, share, n_open)
        return None

    def _alert(self, kind: str, name: str, ts: int, share: float, n_open: int) -> Alert:
        detail = _detail({"symbols": n_open, "window_s": self._window_ns // 1_000_000_000})
        return Alert(
            alert_id(kind, "*", CONSENSUS, self._tf, ts, name), kind, "*", name, CONSENSUS, self._tf, ts, ts, share,
            self._threshold, detail,
        )  # fmt: skip
