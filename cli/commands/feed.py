"""``mps feed``: live ticks of venues and vendors to ``ticks.raw.v1``, and recordings of their messages again."""

import asyncio
import os
import signal
import time
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import click
from rich.console import Console
from rich.live import Live
from rich.table import Table

from cli.options import partitions_option
from deploy.local.endpoints import find_broker, load_endpoints
from deploy.local.paths import Home, home
from processors.errors import ConfigError
from processors.feeds.live.health import Health
from processors.feeds.live.hub import Hub, Source
from processors.feeds.live.plan import VENDORS, Market, Plan, planned
from processors.feeds.live.publish import LivePublisher
from processors.reference.in_use import use_reference
from schemas.instruments import Instrument, Instruments, instruments_csv, load_instruments
from serving.config import CLOCK_VARIABLE

VENUES = "coinbase,kraken,binance"
RATE_S = 5.0
"""Span of the message rate in the table."""


@click.group()
def feed() -> None:
    """Publish live ticks of venues and vendors to ticks.raw.v1."""


@feed.command()
@click.argument("symbols", nargs=-1, required=True, metavar="SYMBOL...")
@click.option("--venues", default=VENUES, show_default=True, help="Where from, separated by commas; none needs a key.")
@click.option("--vendor", type=click.Choice(VENDORS), help="A vendor with a key in place of venues.")
@click.option("--dataset", default="GLBX.MDP3", show_default=True, help="Of Databento.")
@click.option("--record", type=click.Path(path_type=Path, file_okay=False),
              help="Folder that gets every message as received: `mps feed replay-raw` plays it again.")  # fmt: skip
@click.option("--instruments", type=click.Path(path_type=Path, dir_okay=False),
              help="Write the known instruments and those missing to this file, for MPS_INSTRUMENTS.")  # fmt: skip
@partitions_option
@click.option("--prefix", default="", help="Stands before the topic's name.")
@click.option("--seconds", type=click.FloatRange(min=0.1), help="Stop after this long; else at Ctrl-C.")
@click.option("--metrics-port", type=click.IntRange(1, 65535), help="Serve Prometheus metrics on this loopback port.")
@click.option("--quiet", is_flag=True, help="No table.")
def live(
    *, symbols: tuple[str, ...], venues: str, vendor: str | None, dataset: str, record: Path | None,
    instruments: Path | None, partitions: int | None, prefix: str, seconds: float | None, metrics_port: int | None,
    quiet: bool,
) -> None:  # fmt: skip
    """Subscribe to trades and the best bid and offer of SYMBOL..., until Ctrl-C.

    SYMBOL is BTC-USD or any other pair of coins at venues; a vendor's own symbol (ES.FUT, AAPL) with --vendor. A lost
    connection is made anew, with growing waits; what may have been lost is marked by status ticks (gap:N).

    \b
    mps feed live BTC-USD                                     Coinbase, Kraken and Binance
    mps feed live BTC-USD ETH-USD --venues bybit,okx,gemini   others: bitstamp, bitfinex, binance_us
    mps feed live BTC-USD --record raw/                       and keep what was received
    mps feed live ES.FUT --vendor databento                   key in DATABENTO_API_KEY
    mps feed live AAPL MSFT --vendor alpaca                   keys in APCA_API_KEY_ID and APCA_API_SECRET_KEY
    """
    use_reference(prefix)
    names = [vendor] if vendor else [v.strip() for v in venues.split(",") if v.strip()]
    plan = planned(symbols, names, record=record, dataset=dataset)
    _tell_markets(plan.markets, instruments)
    publisher = LivePublisher(find_broker(home()), prefix, partitions)
    if metrics_port is not None:
        _serve_metrics(plan.healths, metrics_port)
    if warning := clock_warning(home()):
        click.echo(f"mps: warning: {warning}", err=True)
    try:
        asyncio.run(_run(plan, publisher, seconds, quiet=quiet))
    finally:
        # What the venues sent is the broker's before we say good-bye.
        publisher.close()
        plan.close()
    _tell_end(plan.healths)


def clock_warning(where: Home) -> str:
    """Return what to do where a ScoreService of this home may go by the event clock; empty where all is well.

    By that clock the newest row counts as now, whatever its age: right for a replay, and dangerous for live data.
    """
    if os.environ.get(CLOCK_VARIABLE) == "wall":
        return ""
    try:
        address = load_endpoints(where).grpc_address
    except ConfigError:
        return ""
    if address is None:
        return ""
    return (
        f"the ScoreService at {address} may take an old row for a new one: for live data start it with "
        f"{CLOCK_VARIABLE}=wall (`mps down`, then `{CLOCK_VARIABLE}=wall mps up --stages`)"
    )


async def _run(plan: Plan, publisher: LivePublisher, seconds: float | None, *, quiet: bool) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, stop.set)
    if seconds is not None:
        loop.call_later(seconds, stop.set)
    shown: AbstractContextManager[Live | None] = nullcontext()
    if not quiet:
        shown = Live(console=Console(stderr=True), auto_refresh=False, transient=False)
    with shown as screen:
        rates = _Rates(plan.healths)

        def tell() -> None:
            if screen is not None:
                screen.update(_table(plan.healths, rates), refresh=True)

        sources: list[Source] = plan.sources
        await Hub(sources, plan.healths, publisher, tell=tell).run(stop)
        tell()


class _Rates:
    """Messages a second over the last few seconds, by feed."""

    def __init__(self, feeds: list[Health]) -> None:
        self._feeds = feeds
        self._past: list[tuple[float, list[int]]] = []

    def now(self) -> list[float]:
        now_s, counts = time.monotonic(), [h.messages for h in self._feeds]
        self._past = [p for p in self._past if now_s - p[0] <= RATE_S] + [(now_s, counts)]
        then_s, then = self._past[0]
        span_s = max(now_s - then_s, 1e-9)
        return [(a - b) / span_s for a, b in zip(counts, then, strict=True)]


def _table(feeds: list[Health], rates: _Rates) -> Table:
    table = Table(
        "feed", "state", "frames", "/s", "ticks", "lag ms", "silent s", "gaps", "missing", "again", "unread", ""
    )
    for h, rate in zip(feeds, rates.now(), strict=True):
        silent = f"{(time.time_ns() - h.last_recv_ns) * 1e-9:.1f}" if h.last_recv_ns else ""
        lag = f"{h.lag_ms:,.0f}" if h.lag_ms == h.lag_ms else ""
        style = None if h.state == "connected" else "yellow"
        table.add_row(
            h.name, h.state, f"{h.messages:,}", f"{rate:,.0f}", f"{h.ticks:,}", lag, silent, str(h.gaps),
            str(h.missing), str(h.reconnects), str(h.garbage + h.refused), h.detail, style=style,
        )  # fmt: skip
    return table


def _tell_markets(markets: list[Market], file: Path | None) -> None:
    """Say which instrument each market becomes, and which of them the platform does not know."""
    known = load_instruments().by_symbol
    for m in markets:
        note = "" if m.symbol_id in known else "  no instrument: its ticks will go to the dead letter"
        if m.note:
            note = f"  ({m.note}){note}"
        click.echo(f"{m.feed:<12} {m.name:<12} -> {m.symbol_id}{note}", err=True)
    missing = sorted({m.symbol_id for m in markets} - known.keys())
    if file is not None:
        write_instruments(file, missing)
        click.echo(f"mps: start the stages with MPS_INSTRUMENTS={file}", err=True)
    elif missing:
        click.echo(
            f"mps: warning: {', '.join(missing)}: write them to a file with --instruments FILE and start the stages "
            "with MPS_INSTRUMENTS=FILE, or import them (`mps reference import`) and start with MPS_REFERENCE=topic",
            err=True,
        )


def write_instruments(file: Path, missing: list[str]) -> None:
    """Write the known instruments and, with usual values, those missing.

    Raises
    ------
    ConfigError
        One of them is neither a pair of coins nor a US equity: its tick size and multiplier must be looked up.
    """
    rows = list(load_instruments().rows)
    for symbol_id in missing:
        name, _, suffix = symbol_id.partition(":")
        if suffix == "CRYPTO" and name.count("-") == 1:
            quote = name.partition("-")[2]
            # The finest steps that venues have: a coarser one would widen the cut of reconcile.
            tick = 0.01 if quote == "USD" else 1e-8
            rows.append(Instrument(symbol_id, "crypto", "trade", tick, 1e-8, 1.0, quote, "24/7", symbol_id))
        elif suffix == "US":
            rows.append(Instrument(symbol_id, "equity", "trade", 0.01, 1.0, 1.0, "USD", "XNYS", symbol_id))
        else:
            raise ConfigError(str(file), "symbol_id", symbol_id, "add its row by hand: its multiplier is not known")
    file.write_text(instruments_csv(Instruments(rows)))


def _serve_metrics(feeds: list[Health], port: int) -> None:
    from prometheus_client import CollectorRegistry, start_http_server

    from processors.feeds.live.health import HealthCollector

    registry = CollectorRegistry()
    registry.register(HealthCollector(feeds))
    start_http_server(port, "127.0.0.1", registry)


def _tell_end(feeds: list[Health]) -> None:
    for h in feeds:
        click.echo(
            f"{h.name}: {h.ticks:,} ticks of {h.messages:,} frames, {h.gaps} gap marks, {h.reconnects} reconnects, "
            f"{h.garbage} unreadable, {h.refused} refused"
        )


@feed.command("replay-raw")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
@click.option("--speed", default="max", show_default=True, metavar="1|10|max", help="As of `mps replay`.")
@partitions_option
@click.option("--resume", is_flag=True, help="As of `mps replay`.")
@click.option("--prefix", default="", help="Stands before the topic's name.")
@click.option("--json", "as_json", is_flag=True, help="Print the account as one JSON object, and no progress bar.")
@click.pass_context
def replay_raw(
    context: click.Context, files: tuple[Path, ...], speed: str, partitions: int | None, prefix: str,
    *, resume: bool, as_json: bool,
) -> None:  # fmt: skip
    """Publish recordings of raw messages, as `--record` writes them: the same as `mps replay` of these files."""
    from cli.commands.replay import Speed, replay

    context.invoke(
        replay, files=files, speed=Speed().convert(speed, None, None), partitions=partitions, limit=None,
        begin_ns=None, end_ns=None, resume=resume, prefix=prefix, as_json=as_json,
    )  # fmt: skip
