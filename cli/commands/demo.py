"""``mps demo``: the whole job on recorded ticks, with an account at the end."""

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.live import Live

from cli.commands.replay import SHIPPED, Speed
from deploy.demo.run import Demo, Options, Result, wait_until_drained
from deploy.demo.view import LiveView, account_table, summary, summary_table
from processors.feeds.files import open_recording

TRY_NEXT = (
    'mps sql "SELECT symbol_id, tf, count() AS bars, round(avg(n_trades)) AS ticks FROM ohlcv GROUP BY ALL"',
    "mps score EURUSD:FX --tf 1m",
    "mps tail signals.v1 -n 3 --from-beginning",
)


@click.command()
@click.argument("files", nargs=-1, type=click.Path(path_type=Path))
@click.option("--speed", type=Speed(), default="max", show_default=True,
              help="Recorded seconds a second, or as fast as it goes. Gaps are cut to 2 s.")  # fmt: skip
@click.option("--serve", is_flag=True, help="Go on serving SQL and scores after the summary, until Ctrl-C.")
@click.option("--path", type=click.Choice(["auto", "native", "plain"]), default="auto", show_default=True,
              help="How records reach librdkafka; both give the same bytes.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print account and summary as one JSON object.")
def demo(*, files: tuple[Path, ...], speed: float | str, serve: bool, path: str, as_json: bool) -> None:
    """Run the whole job: real ticks become signals on a real Kafka, and every record is accounted for.

    FILES are recorded ticks in any form that `mps replay` takes; the shipped ones where none is named. Data of an
    earlier demo is replaced. The first run trains the baseline model (about half a minute).

    \b
    mps demo                    everything, as fast as it goes
    mps demo --speed 10         ten times as fast as life; Ctrl-C ends it
    mps demo --serve            and keep serving
    """
    given = None if isinstance(speed, str) else speed
    console = Console(stderr=as_json)
    options = Options(tuple(files) or (SHIPPED,), given, path)
    with console.status("starting") as status:
        # The recording is opened first: a wrong file is refused before anything starts.
        ticks = open_recording(options.files).rows
        running = Demo(options, status.update)
        running.__enter__()
    try:
        view = LiveView(ticks)
        running.feed(view.feed_moved)
        with Live(view.render(running.monitor), console=console, refresh_per_second=4) as live:
            wait_until_drained(running, lambda: live.update(view.render(running.monitor)))
        result = running.result()
        _print(console, result, given, as_json=as_json, serve=serve)
        if serve and result.even:
            running.serve()
    finally:
        running.__exit__(*sys.exc_info())
    if not result.even:
        raise click.ClickException("the account does not come out: see the lines above")


def _print(console: Console, result: Result, speed: float | None, *, as_json: bool, serve: bool) -> None:
    if as_json:
        click.echo(json.dumps(_json(result, speed)))
        return
    console.print(account_table(result.lines))
    console.print()
    console.print(summary_table(result, speed))
    console.print("\n[bold]Try next[/]" + ("" if serve else ", after [bold]mps up[/] (a few seconds):"))
    for line in TRY_NEXT:
        console.print(f"  {line}", highlight=False, soft_wrap=True)
    if serve:
        console.print("\nServing until Ctrl-C; use another terminal.")


def _json(result: Result, speed: float | None) -> dict[str, Any]:
    return {
        "even": result.even,
        "account": [{**asdict(line), "even": line.even} for line in result.lines],
        "summary": summary(result, speed),
        "topics": result.topics,
        "fates": result.fates,
        "latency_ms": {"p50": result.latency_p50_ms, "p99": result.latency_p99_ms},
        "seconds": result.seconds,
    }
