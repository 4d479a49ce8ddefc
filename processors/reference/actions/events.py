"""Corporate actions as they were announced: each revision with the time from which it was known.

An action keeps its ``action_id``; a later announcement under the same id replaces the one before, or cancels it. What
holds at a time is the newest revision known by then: nothing that was announced later can be seen.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from processors.errors import ConfigError


class Kind(StrEnum):
    """What happened to the share."""

    SPLIT = "split"
    CASH_DIVIDEND = "cash_dividend"
    STOCK_DIVIDEND = "stock_dividend"
    SPIN_OFF = "spin_off"
    MERGER = "merger"
    SYMBOL_CHANGE = "symbol_change"


SHARE_KINDS = (Kind.SPLIT, Kind.STOCK_DIVIDEND)
"""They change the number of shares; ``ratio`` says by how much."""

CASH_KINDS = (Kind.CASH_DIVIDEND, Kind.SPIN_OFF)
"""They take value out of the share; ``amount`` says how much."""

SUCCESSOR_KINDS = (Kind.MERGER, Kind.SYMBOL_CHANGE)
"""They name another symbol in ``other``. No price of the symbol itself is adjusted."""


@dataclass(frozen=True, slots=True)
class Action:
    """One announcement.

    Parameters
    ----------
    action_id
        Names the action over all its revisions, for example ``AAPL:split:2014``.
    symbol_id
        Whose share it is.
    kind
        What happens.
    ex_date
        First session in which the share trades without what is handed out; of a merger or symbol change the first
        session under the new terms.
    known_ns
        When this revision became public, nanoseconds since the epoch, UTC.
    amount
        Cash a share, currency of the price, of a cash dividend or the cash part of a merger; of a spin-off the value
        handed out a share of the parent: shares of the child times its first price.
    ratio
        Split: shares held after for each held before (7.0 in 2014, 0.1 for a reverse split of 1 for 10). Stock
        dividend: new shares for each held (0.05 for 5 %). Merger: shares of the buyer for each share.
    other
        The buyer, the child or the new symbol.
    cancelled
        The action was called off.

    Raises
    ------
    ConfigError
        A value that the kind does not allow; at load.
    """

    action_id: str
    symbol_id: str
    kind: Kind
    ex_date: date
    known_ns: int
    amount: float = 0.0
    ratio: float = 0.0
    other: str = ""
    cancelled: bool = False

    def __post_init__(self) -> None:
        """Refuse what the kind does not allow."""
        if self.kind in SHARE_KINDS and not 0.0 < self.ratio < float("inf"):
            raise ConfigError(self.action_id, "ratio", self.ratio, f"a {self.kind} needs a positive number of shares")
        if self.kind in CASH_KINDS and not 0.0 < self.amount < float("inf"):
            raise ConfigError(self.action_id, "amount", self.amount, f"a {self.kind} needs a positive amount a share")
        if self.kind is Kind.MERGER and not (self.amount > 0.0 or self.ratio > 0.0):
            raise ConfigError(self.action_id, "amount", self.amount, "a merger pays cash, shares, or both")
        if self.kind in SUCCESSOR_KINDS and not (self.other or (self.kind is Kind.MERGER and self.ratio <= 0.0)):
            raise ConfigError(self.action_id, "other", self.other, f"a {self.kind} names the symbol that follows")

    @property
    def shares_after(self) -> float:
        """Shares held after the action for each held before."""
        if self.kind is Kind.SPLIT:
            return self.ratio
        return 1.0 + self.ratio if self.kind is Kind.STOCK_DIVIDEND else 1.0

    @property
    def value_out(self) -> float:
        """Value that leaves the share, currency of the price."""
        return self.amount if self.kind in CASH_KINDS else 0.0


def revisions(actions: Iterable[Action]) -> list[tuple[Action, int | None]]:
    """Return each revision that says something, with the time from which the next one replaces it (None: never).

    Of two revisions announced at the same time the later in the input counts. Order: first seen id, then time.
    """
    by_id: dict[str, list[Action]] = {}
    for action in actions:
        by_id.setdefault(action.action_id, []).append(action)
    out: list[tuple[Action, int | None]] = []
    for same in by_id.values():
        ordered = sorted(same, key=lambda a: a.known_ns)
        ends = [*(a.known_ns for a in ordered[1:]), None]
        out += [(a, end) for a, end in zip(ordered, ends, strict=True) if not a.cancelled and end != a.known_ns]
    return out


def known_at(actions: Iterable[Action], as_of_ns: int) -> list[Action]:
    """Return the actions that stood at a time: the newest revision of each, cancelled ones left out."""
    return [a for a, end in revisions(actions) if a.known_ns <= as_of_ns and (end is None or as_of_ns < end)]


def merger_value(action: Action, buyer_price: float) -> float:
    """Return what one share of the bought company receives, at a price of the buyer's share."""
    shares = action.ratio * buyer_price if action.ratio > 0.0 else 0.0
    return action.amount + shares
