"""From symbols and names of venues to sources that are ready to run. Called by the command line."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from processors.errors import ConfigError
from processors.feeds.live.catalog import Row, live_row_of
from processors.feeds.live.health import Health
from processors.feeds.live.hub import Source
from processors.feeds.live.raw import Recorder
from processors.feeds.live.session import Session, SessionConfig, Turnstile

VENDORS = ("databento", "alpaca")


@dataclass(frozen=True, slots=True)
class Market:
    """What is subscribed to, and what it becomes.

    Parameters
    ----------
    feed
        Venue or vendor.
    name
        Its own name of the market.
    symbol_id
        Ours.
    note
        What a user might not expect.
    """

    feed: str
    name: str
    symbol_id: str
    note: str = ""


@dataclass(slots=True)
class Plan:
    """Sources, their states, and what they are subscribed to."""

    sources: list[Source] = field(default_factory=list)
    healths: list[Health] = field(default_factory=list)
    markets: list[Market] = field(default_factory=list)
    recorders: list[Recorder] = field(default_factory=list)

    def close(self) -> None:
        """Close the recordings."""
        for recorder in self.recorders:
            recorder.close()


def planned(
    symbols: Sequence[str], names: Sequence[str], *, record: Path | None = None, dataset: str = "",
    config: SessionConfig | None = None,
) -> Plan:  # fmt: skip
    """Return the plan of these symbols at these venues, or at one vendor.

    Raises
    ------
    ConfigError
        A venue or the form of a symbol is not known, or a vendor's package or key is missing.
    """
    plan = Plan()
    for name in dict.fromkeys(names):
        if name in VENDORS:
            _add_vendor(plan, name, symbols, dataset)
        else:
            add_venue(plan, live_row_of(name), symbols, record, config or SessionConfig())
    return plan


def add_venue(plan: Plan, row: Row, symbols: Sequence[str], record: Path | None, config: SessionConfig) -> None:
    """Add the sessions that these markets need at a venue."""
    for symbol in symbols:
        base, _, quote = symbol.partition("-")
        if not base.isalnum() or not quote.isalnum():
            raise ConfigError("feed", "symbol", symbol, "two coins with a dash, such as BTC-USD or ETH-BTC")
    gap_s = 60.0 / row.limits.connects_per_min if config.connect_gap_s is None else config.connect_gap_s
    turnstile = Turnstile(gap_s)
    health = Health(row.venue, row.vendor, row.segment)
    plan.healths.append(health)
    for n, (url, names) in enumerate(row.connections([s.upper() for s in dict.fromkeys(symbols)]), start=1):
        recorder = None
        if record is not None:
            recorder = Recorder(record / f"{row.venue}.{n}.0.raw.txt")
            plan.recorders.append(recorder)
        plan.sources.append(Session(row, url, names, health, turnstile, config, recorder))
        for name in names:
            pair = row.spelling.coins(name)
            note = "quoted in USDT, counted as dollars" if pair is not None and pair[1] == "USDT" else ""
            plan.markets.append(Market(row.venue, name, row.symbol_id(name), note))
            health.symbols = (*health.symbols, row.symbol_id(name))


def _add_vendor(plan: Plan, name: str, symbols: Sequence[str], dataset: str) -> None:
    if name == "databento":
        from processors.feeds.live.databento import DatabentoLive

        databento = DatabentoLive(symbols, dataset)
        plan.sources.append(databento)
        plan.healths.append(databento.health)
        plan.markets += [Market(name, s, f"contracts of {s}" if "." in s else databento.symbol_id(s)) for s in symbols]
        return
    from processors.feeds.live.alpaca import AlpacaLive

    alpaca = AlpacaLive(symbols)
    plan.sources.append(alpaca)
    plan.healths.append(alpaca.health)
    plan.markets += [Market(name, s, alpaca.symbol_id(s)) for s in symbols]
