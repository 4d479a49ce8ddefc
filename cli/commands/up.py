"""``mps up``: the parts, the sink and the ScoreService in the background, on the data that is there."""

import json
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from cli.program import program
from cli.services import Service, bring_up
from deploy.local.endpoints import Endpoints
from deploy.local.paths import home
from deploy.local.stack import Stack
from deploy.local.supervisor import term_as_interrupt

NEXT = (
    "sql \"SELECT symbol_id, tf, count() AS bars FROM ohlcv WHERE tf IN ('1m', '1h') GROUP BY ALL ORDER BY ALL\"",
    "score EURUSD:FX --tf 1m",
    "tail signals.v1 -n 3 --from-beginning",
)
"""What there is to ask for, the first of it without a model too; `mps demo` and README name the same."""


@click.command()
@click.option(
    "--stages", is_flag=True, help="Start the stages too, cross among them, so that what is published is worked on."
)
@click.option("--json", "as_json", is_flag=True, help="Print what runs as one JSON object.")
def up(*, stages: bool, as_json: bool) -> None:
    """Start the platform in the background, on the data of the last run, and wait until every part answers.

    Kafka, Redis, the schema registry, the sink (which answers SQL) and, once there is a model, the ScoreService. With
    the environment variable MPS_FEEDBACK also `mps feedback`, on the file that it names.
    What runs already is left running, so it may be called again at any time. Stop all of it with `mps down`.

    \b
    mps up                                    after `mps demo`: ask for what it has stored
    mps up --stages && mps replay my.parquet  work on your own ticks
    """
    console = Console(stderr=as_json)
    with term_as_interrupt(), console.status("starting") as status:
        stack = Stack(home(), stays=True, progress=status.update)
        found = bring_up(stack, with_stages=stages, tell=status.update)
    if as_json:
        click.echo(json.dumps(_json(stack, found)))
        return
    if stack.left_overs:
        console.print(f"replaced what a crash had left: {', '.join(stack.left_overs)}", style="dim")
    console.print(_table(stack.endpoints, found))
    for service in found:
        if service.state == "not started":
            console.print(f"\n[yellow]{service.name} is not started:[/] {service.note}", highlight=False)
    console.print("\n[bold]Try next[/]")
    mps = program()
    for line in _next(found, stages=stages):
        console.print(f"  {mps} {line}", highlight=False, soft_wrap=True)
    console.print(f"[dim]{mps} doctor checks all of it; {mps} down stops it.[/]", highlight=False, soft_wrap=True)


def _next(services: list[Service], *, stages: bool) -> tuple[str, ...]:
    """Return what can be called now; without a model nothing makes scores or signals yet."""
    publish = ("replay",) if stages else ()
    if all(service.state != "not started" for service in services):
        return publish + NEXT
    return ("train", "up --stages" if stages else "up", *publish, NEXT[0])


def _table(endpoints: Endpoints, services: list[Service]) -> Table:
    table = Table(box=None, pad_edge=False)
    for name in ("part", "state", "address"):
        table.add_column(name, no_wrap=name != "address")
    for name, address in _parts(endpoints).items():
        table.add_row(name, "[green]answers[/]", address)
    for service in services:
        style = "yellow" if service.state == "not started" else "green"
        table.add_row(service.name, f"[{style}]{service.state}[/]", service.address)
    return table


def _parts(endpoints: Endpoints) -> dict[str, str]:
    return {
        "Kafka": endpoints.bootstrap_servers,
        "Redis": endpoints.redis_url,
        "schema registry": endpoints.registry_url,
    }


def _json(stack: Stack, services: list[Service]) -> dict[str, Any]:
    return {
        "parts": [{"name": n, "state": "answers", "address": a} for n, a in _parts(stack.endpoints).items()],
        "services": [{"name": s.name, "state": s.state, "address": s.address, "note": s.note} for s in services],
        "reused": stack.reused,
        "left_overs": stack.left_overs,
    }
