"""The three records of reference data, as Python has them; fields and meanings are those of the Avro schemas.

Times are int64 nanoseconds since the epoch, UTC. Dates are midnight UTC of the date: the date itself, not an instant.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

FOREVER_NS = 2**63 - 1
"""End of a span that has none."""
ALWAYS_NS = 0
"""Beginning, and time of knowledge, of a record that names none: before every tick."""

ASSET_CLASSES = ("fx", "metal", "crypto", "equity", "future", "index")
EVENT_TYPES = (
    "earnings", "dividend", "split", "stock_dividend", "symbol_change", "merger", "spin_off", "listing", "delisting",
    "macro", "policy", "rate", "index", "other",
)  # fmt: skip

MARKET_WIDE = ("macro", "policy", "rate", "index")
"""Types of events that are of no one instrument."""


@dataclass(frozen=True, slots=True)
class Security:
    """What is known of one security over one span of its life.

    Parameters
    ----------
    security_id
        The security itself, for ever.
    symbol_id
        How ticks name it in the span [valid_from, valid_to).
    ts_known
        When this could first be known; of two records of one instant, the later known one holds.
    """

    TOPIC: ClassVar[str] = "reference.v1"

    security_id: str
    symbol_id: str
    symbol: str
    isin: str
    mic: str
    asset_class: str
    price_basis: str
    currency: str
    tick_size: float
    lot_size: float
    multiplier: float
    session_calendar: str
    time_zone: str
    root: str
    contract_month: str
    roll_rules: str
    first_notice: int | None
    last_trade: int | None
    listed: int | None
    delisted: int | None
    valid_from: int
    valid_to: int | None
    ts_known: int
    source: str

    @property
    def key(self) -> tuple[str, ...]:
        """What the record says, apart from its values: the key under which it is kept."""
        return (self.security_id, str(self.valid_from), str(self.ts_known))

    @property
    def partition_key(self) -> str:
        """The root of a futures contract, else the symbol: as its ticks."""
        return self.root or self.symbol_id

    @property
    def end_ns(self) -> int:
        """End of the span, exclusive."""
        return FOREVER_NS if self.valid_to is None else self.valid_to

    def holds(self, at_ns: int) -> bool:
        """Return whether an instant is in the span."""
        return self.valid_from <= at_ns < self.end_ns


@dataclass(frozen=True, slots=True)
class Fundamental:
    """One figure of one issuer for one period, as published at one time. ``value`` is None where it was withdrawn.

    A fourth quarter and its year end on one date: they are two figures.
    """

    TOPIC: ClassVar[str] = "fundamentals.v1"

    symbol_id: str
    metric: str
    period_end: int
    period: str
    value: float | None
    unit: str
    ts_event: int
    ts_known: int
    source: str

    @property
    def key(self) -> tuple[str, ...]:
        """What the record says, apart from its values: the key under which it is kept."""
        return (self.symbol_id, self.metric, str(self.period_end), self.span, str(self.ts_known))

    @property
    def span(self) -> str:
        """How long the period is: M, Q, H, or FY, also where the period names no part of a year."""
        return "".join(x for x in self.period if not x.isdigit()) or "FY"

    @property
    def partition_key(self) -> str:
        """The symbol; that of a contract's root is looked up where it is published."""
        return self.symbol_id


@dataclass(frozen=True, slots=True)
class MarketEvent:
    """One dated fact of an instrument or of a whole market; ``event_id`` is the same over all its revisions.

    Parameters
    ----------
    ts_end
        When it is over: the end of the day where only its date is known. None for an instant.
    """

    TOPIC: ClassVar[str] = "events.v1"

    symbol_id: str
    event_id: str
    type: str
    name: str
    ts_event: int
    ts_known: int
    value: float | None
    unit: str
    text: str
    source: str
    ts_end: int | None = None

    @property
    def key(self) -> tuple[str, ...]:
        """What the record says, apart from its values: the key under which it is kept."""
        return (self.event_id, self.name, str(self.ts_known))

    @property
    def partition_key(self) -> str:
        """The symbol; that of a contract's root is looked up where it is published."""
        return self.symbol_id

    @property
    def is_market_wide(self) -> bool:
        """Whether it concerns instruments of every partition: it is published to each."""
        return self.type in MARKET_WIDE

    @property
    def is_withdrawn(self) -> bool:
        """Whether the fact was taken back."""
        return self.value is None and not self.text


Record = Security | Fundamental | MarketEvent
KINDS: tuple[type[Security], type[Fundamental], type[MarketEvent]] = (Security, Fundamental, MarketEvent)


def avro_of(record: Record) -> dict[str, Any]:
    """Return a record as the codec takes it."""
    return asdict(record)


def record_of(topic: str, values: Mapping[str, Any]) -> Record:
    """Return the record that a codec has read from a topic."""
    kind = next(k for k in KINDS if topic == k.TOPIC)
    return kind(**values)
