"""``mps doctor``: whether this machine and the platform on it are well, and what to do where not."""

import json
import sys
from collections.abc import Iterator
from dataclasses import asdict

import click
from rich.console import Console
from rich.table import Table

from cli.checks import Finding
from deploy.local.paths import home

STYLES = {"ok": "green", "warn": "yellow", "fail": "bold red"}


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print the findings as one JSON object.")
def doctor(*, as_json: bool) -> None:
    """Check this machine, the parts that run, the topics, the model and the logs.

    Each line is ok, warn (it works, but look at it) or fail; the last two say what to do. Nothing is changed.
    Exit code 1 if a line fails.

    Example: mps doctor --json
    """
    findings = list(_findings())
    failed = sum(f.status == "fail" for f in findings)
    if as_json:
        click.echo(json.dumps({"healthy": not failed, "findings": [asdict(f) for f in findings]}))
    else:
        console = Console(highlight=False)
        console.print(_table(findings))
        warned = sum(f.status == "warn" for f in findings)
        console.print(f"{len(findings)} checks: {failed} failed, {warned} to look at", style="bold")
    if failed:
        sys.exit(1)


def _findings() -> Iterator[Finding]:
    from cli.checks.machine import check_machine
    from cli.checks.parts import check_parts, known_endpoints
    from cli.checks.work import check_configuration, check_logs, check_model, check_topics

    where = home()
    endpoints = known_endpoints(where)
    yield from check_machine(where)
    yield from check_parts(where, endpoints)
    yield from check_topics(endpoints)
    yield check_configuration()
    yield check_model()
    yield from check_logs(where)


def _table(findings: list[Finding]) -> Table:
    table = Table(box=None, pad_edge=False, show_header=False)
    for _ in range(3):
        table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for i, finding in enumerate(findings):
        new_area = i == 0 or findings[i - 1].area != finding.area
        what = finding.found + (f"\n[bold]->[/] {_plain(finding.remedy)}" if finding.remedy else "")
        table.add_row(
            finding.area if new_area else "", f"[{STYLES[finding.status]}]{finding.status}[/]", finding.name,
            what if finding.remedy else _plain(what),
        )  # fmt: skip
    return table


def _plain(text: str) -> str:
    """Return a text in which no square bracket is markup."""
    return text.replace("[", r"\[")
