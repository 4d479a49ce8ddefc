"""Events as corporate actions: what ``events.v1`` says of splits, dividends and the like, as ``actions`` takes it."""

from collections.abc import Iterable
from dataclasses import replace

from processors.reference.actions.events import Action, Kind
from processors.reference.records import MarketEvent
from processors.reference.values import local_date, local_ns

KIND_OF = {
    "split": Kind.SPLIT, "dividend": Kind.CASH_DIVIDEND, "stock_dividend": Kind.STOCK_DIVIDEND,
    "spin_off": Kind.SPIN_OFF, "merger": Kind.MERGER, "symbol_change": Kind.SYMBOL_CHANGE,
}  # fmt: skip
"""Type of an event -> kind of the action; an event of another type is none."""


def actions_of(events: Iterable[MarketEvent], zone: str = "America/New_York") -> list[Action]:
    """Return the corporate actions among some events, every revision, in the order of knowledge.

    Events of one ``event_id`` and time of knowledge are one action: their names are ``amount`` and ``ratio``, and the
    text of any is the other symbol. A withdrawn event cancels what was announced before.

    Parameters
    ----------
    zone
        Zone of the exchange, in whose dates the ex-date is.

    Raises
    ------
    ConfigError
        A value that the kind does not allow.
    """
    ordered = sorted((e for e in events if e.type in KIND_OF), key=lambda e: (e.ts_known, e.event_id, e.name))
    together: dict[tuple[int, str], list[MarketEvent]] = {}
    for event in ordered:
        together.setdefault((event.ts_known, event.event_id), []).append(event)
    newest: dict[str, Action] = {}
    out = []
    for same in together.values():
        action = _action(same, newest.get(same[0].event_id), zone)
        if action is not None:
            newest[action.action_id] = action
            out.append(action)
    return out


def _action(same: list[MarketEvent], before: Action | None, zone: str) -> Action | None:
    """Return the action that was announced at one time; None where nothing was announced that it could cancel."""
    first = same[0]
    if all(e.is_withdrawn for e in same):
        return replace(before, known_ns=first.ts_known, cancelled=True) if before else None
    values = {e.name: e.value for e in same if e.value is not None}
    return Action(
        action_id=first.event_id,
        symbol_id=first.symbol_id,
        kind=KIND_OF[first.type],
        ex_date=local_date(first.ts_event, zone),
        known_ns=first.ts_known,
        amount=values.get("amount", 0.0),
        ratio=values.get("ratio", 0.0),
        other=next((e.text for e in same if e.text), ""),
    )


def ex_midnight_ns(ts_event: int, zone: str) -> int:
    """Return when the date of an event begins in a zone: trade before the open is in new shares already."""
    return local_ns(local_date(ts_event, zone), zone)
