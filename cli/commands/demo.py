"""``mps demo``: the whole job on recorded ticks, with an account at the end."""

import json
import re
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.live import Live

from cli.commands.replay import Speed
from cli.commands.up import NEXT
from cli.program import program
from deploy.demo.run import Demo, Options, Result, wait_until_drained
from deploy.demo.view import LiveView, account_view, summary, summary_table
from deploy.local.paths import SHIPPED_TICKS
from processors.feeds.files import open_recording

LINE_EVERY_S = 3.0
"""Between two lines of progress where nobody watches a terminal."""


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
    earlier demo is replaced. Where there is no model yet, one is trained on the earlier part of these ticks (about
    half a minute), and only later rows are scored; `mps train` makes another.

    \b
    mps demo                    everything, as fast as it goes
    mps demo --speed 10         ten times as fast as life; Ctrl-C ends it
    mps demo --serve            and keep serving
    """
    given = None if isinstance(speed, str) else speed
    console = Console(stderr=as_json)
    options = Options(tuple(files) or (SHIPPED_TICKS,), given, path)
    with console.status("starting") as status:
        # The recording is opened first: a wrong file is refused before anything starts.
        ticks = open_recording(options.files).rows
        running = Demo(options, status.update if console.is_terminal else _steps(console))
        running.__enter__()
    try:
        _work(running, console, ticks)
        result = running.result()
        _print(console, result, given, as_json=as_json, serve=serve)
        if serve and result.even:
            running.serve()
    finally:
        running.__exit__(*sys.exc_info())
    if not result.even:
        off = [line for line in result.lines if not line.even]
        raise click.ClickException(
            "the account does not come out: "
            + "; ".join(f"{line.what}: {line.left:,} is not {sum(line.parts.values()):,}" for line in off)
        )


def _steps(console: Console) -> Callable[[str], None]:
    """Return a function that prints each step once, on a line of its own: a log has no line that changes."""
    last = ""

    def tell(text: str) -> None:
        nonlocal last
        # Seconds that are counted make no new step.
        step = re.sub(r", \d+ s$", "", text)
        if step != last:
            console.print(step, highlight=False, soft_wrap=True)
        last = step

    return tell


def _work(running: Demo, console: Console, ticks: int) -> None:
    """Publish, show how it goes until everything is done, and leave a blank line behind it."""
    view = LiveView(ticks)
    running.feed(view.feed_moved)
    if console.is_terminal:
        with Live(view.render(running.monitor), console=console, refresh_per_second=4) as live:
            wait_until_drained(running, lambda: live.update(view.render(running.monitor)))
    else:
        due_s = 0.0

        def line() -> None:
            nonlocal due_s
            if (now_s := time.monotonic()) >= due_s:
                console.print(view.line(running.monitor.counts()), highlight=False, soft_wrap=True)
                due_s = now_s + LINE_EVERY_S

        wait_until_drained(running, line)
        console.print(view.line(running.monitor.counts()), highlight=False, soft_wrap=True)
    console.print()


def _print(console: Console, result: Result, speed: float | None, *, as_json: bool, serve: bool) -> None:
    if as_json:
        click.echo(json.dumps(_json(result, speed)))
        return
    console.print(account_view(result.lines, console.width))
    console.print()
    console.print(summary_table(result, speed))
    # What the demo has stored is there again once the parts are up.
    console.print("\n[bold]Try next[/]" + (" in another terminal" if serve else ""))
    for line in NEXT if serve else ("up", *NEXT):
        console.print(f"  {program()} {line}", highlight=False, soft_wrap=True)
    if serve:
        console.print("\nServing until Ctrl-C.")


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
