"""``mps topics``."""

import json
from dataclasses import asdict

import click
from rich.console import Console
from rich.table import Table

from cli.options import partitions_option
from deploy.local.endpoints import find_broker
from deploy.local.paths import home
from processors.runtime.topics import TopicState, create_topics, describe_topics

CAPTION = "offsets: records, and a mark for each transaction"


@click.command()
@click.option("--create", is_flag=True, help="Create the topics that are missing, as schemas/topics says.")
@partitions_option
@click.option("--prefix", default="", help="Stands before every topic's name.")
@click.option("--json", "as_json", is_flag=True, help="One JSON array.")
def topics(*, create: bool, partitions: int | None, prefix: str, as_json: bool) -> None:
    """List the platform's topics with what they hold; --json says where each partition begins and ends.

    Example: mps topics --create
    """
    where = find_broker(home())
    if create:
        create_topics(where, prefix, partitions=partitions)
    states = describe_topics(where, prefix)
    if as_json:
        click.echo(json.dumps([{**asdict(s), "offsets": s.offsets} for s in states]))
    else:
        console = Console()
        console.print(_table(states))
        console.print(CAPTION, style="dim", highlight=False)
        if not all(s.partitions for s in states):
            click.echo("create the missing ones: mps topics --create")


def _table(states: list[TopicState]) -> Table:
    # Without lines between the columns: it has to fit 80 of a terminal. How far each partition goes says --json.
    table = Table(box=None, pad_edge=False)
    for name, justify in (("topic", "left"), ("record", "left"), ("partitions", "right"), ("offsets", "right")):
        table.add_column(name, justify=justify, no_wrap=True)  # type: ignore[arg-type]
    table.add_column("fullest partition", justify="right", no_wrap=True)
    for s in states:
        if s.partitions:
            held = [end - first for first, end in zip(s.first_offsets, s.end_offsets, strict=True)]
            share = f"{max(held) / s.offsets:.0%}" if s.offsets else "-"
            table.add_row(s.name, s.record, str(s.partitions), f"{s.offsets:,}", share)
        else:
            table.add_row(s.name, s.record, "missing", "", "", style="dim")
    return table
