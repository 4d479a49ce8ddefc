"""``mps vendors``: what reconcile has learned of every source."""

import json
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace

import click
from confluent_kafka.admin import AdminClient
from rich.console import Console
from rich.table import Table

from deploy.local.endpoints import find_broker
from deploy.local.paths import home
from processors.errors import ConfigError
from processors.reconcile.learned import Learned, learned
from processors.reconcile.stage import ReconcileStage
from processors.runtime.changelog import read_changelog
from processors.runtime.pipeline import Pipeline
from processors.runtime.state import unpack_key
from processors.runtime.topics import partition_counts
from processors.times import LONG_AGO

CAPTION = (
    "uptime, reliability and cut forget half in an hour of trading; latency: mean delay over the least; trust: "
    "uptime x reliability; missing: ticks that never came, by the source's numbers or its feed's word. --json has "
    "reordered ticks, errors and times too"
)


@click.command()
@click.argument("symbol", required=False)
@click.option("--prefix", default="", help="Stands before every topic's name.")
@click.option("--json", "as_json", is_flag=True, help="One JSON array.")
def vendors(*, symbol: str | None, prefix: str, as_json: bool) -> None:
    """Show uptime, reliability and latency of every source, as reconcile has learned them until its last commit.

    SYMBOL: of this instrument only.

    Example: mps vendors EURUSD:FX
    """
    rows = [r for r in read_learned(find_broker(home()), prefix) if symbol in (None, r.symbol_id)]
    if not rows:
        what = "a symbol of the topic" if symbol else "after a replay or a feed, with reconcile at work"
        raise ConfigError("vendors", "symbol", symbol or "any", what)
    if as_json:
        click.echo(json.dumps([asdict(r) for r in rows]))
        return
    console = Console(highlight=False)
    console.print(_table(rows))
    console.print(CAPTION, style="dim")


def read_learned(bootstrap_servers: str, prefix: str = "") -> list[Learned]:
    """Return what is known of all sources, by symbol and trust, as of the last commits.

    Raises
    ------
    ConfigError
        No group with the stage has run, or another version of it has.
    RetryableError
        The broker is away.
    """
    admin = AdminClient({"bootstrap.servers": bootstrap_servers, "log_level": 0})
    counts = partition_counts(admin, bootstrap_servers)
    logs = [(t, p) for t in sorted(counts) if _is_of_reconcile(t, prefix) for p in range(counts[t])]
    if not logs:
        raise ConfigError("vendors", "state", "none", "`mps run reconcile` or `mps demo` first")
    with ThreadPoolExecutor(8) as pool:
        found = pool.map(lambda log: read_changelog(bootstrap_servers, *log), logs)
        rows = [row for entries in found for row in _rows(entries)]
    return sorted(rows, key=lambda r: (r.symbol_id, -r.trust, r.source))


def _is_of_reconcile(topic: str, prefix: str) -> bool:
    """Return whether a topic keeps the state of a process that begins with the stage."""
    name = topic.removeprefix(prefix)
    stages, _, kind = name.rpartition(".")
    return topic.startswith(prefix) and kind == "changelog" and stages.split("-")[0] == ReconcileStage.name


def _rows(entries: dict[bytes, bytes]) -> Iterator[Learned]:
    stage = ReconcileStage()
    # Opened as the driver does: the state of the first stage of a process has the window of its dead letters too.
    state = Pipeline([stage]).open()
    state.restore({key: value for key, value in entries.items() if unpack_key(key)[0] == stage.name.encode()})
    for row in learned(state.states[stage.name], stage.config):
        # Of a source whose every tick was refused nothing is known.
        yield row if row.ts_ns != LONG_AGO else replace(row, ts_ns=0)


def _table(rows: Sequence[Learned]) -> Table:
    # It has to fit 80 of a terminal.
    table = Table(box=None, pad_edge=False, collapse_padding=True)
    for name in ("symbol", "source", "state"):
        table.add_column(name, no_wrap=True)
    for name in ("uptime", "reliability", "cut", "latency ms", "trust", "missing"):
        table.add_column(name, justify="right", no_wrap=True)
    last = ""
    for r in rows:
        table.add_row(
            r.symbol_id if r.symbol_id != last else "", r.source, r.state, f"{r.uptime:.1%}", f"{r.reliability:.2%}",
            f"{r.cut_share:.2%}", f"{r.latency_ms:.1f}", f"{r.trust:.3f}", f"{r.missing:,}",
        )  # fmt: skip
        last = r.symbol_id
    return table
