"""``mps topics``."""

import json
from dataclasses import asdict

import click
from rich.console import Console
from rich.table import Table

from deploy.local.endpoints import load_endpoints
from deploy.local.paths import home
from processors.runtime.topics import TopicState, create_topics, describe_topics
from processors.topology import PARTITIONS


@click.command()
@click.option("--create", is_flag=True, help="Create the topics that are missing, as schemas/topics says.")
@click.option("--partitions", type=click.IntRange(1, 1024), default=PARTITIONS, show_default=True,
              help="Partitions of a topic that is created.")  # fmt: skip
@click.option("--prefix", default="", help="Stands before every topic's name.")
@click.option("--json", "as_json", is_flag=True, help="One JSON array.")
def topics(*, create: bool, partitions: int, prefix: str, as_json: bool) -> None:
    """List the platform's topics with what they hold.

    Example: mps topics --create
    """
    where = load_endpoints(home()).bootstrap_servers
    if create:
        create_topics(where, prefix, partitions=partitions)
    states = describe_topics(where, prefix)
    if as_json:
        click.echo(json.dumps([{**asdict(s), "offsets": s.offsets} for s in states]))
    else:
        Console().print(_table(states))
        if not all(s.partitions for s in states):
            click.echo("create the missing ones: mps topics --create")


def _table(states: list[TopicState]) -> Table:
    caption = "offsets: records, and a mark for each transaction"
    table = Table(caption=caption, caption_justify="left")
    for name, justify in (("topic", "left"), ("record", "left"), ("partitions", "right"), ("offsets", "right")):
        table.add_column(name, justify=justify, no_wrap=True)  # type: ignore[arg-type]
    table.add_column("ends by partition", overflow="fold")
    for s in states:
        if s.partitions:
            ends = " ".join(f"{end:,}" for end in s.end_offsets)
            table.add_row(s.name, s.record, str(s.partitions), f"{s.offsets:,}", ends)
        else:
            table.add_row(s.name, s.record, "missing", "", "", style="dim")
    return table
