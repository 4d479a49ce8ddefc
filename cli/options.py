"""Options that several commands have, with one meaning and one text."""

import click

from processors.topology import PARTITIONS, PARTITIONS_MAX, PARTITIONS_VARIABLE

partitions_option = click.option(
    "--partitions",
    type=click.IntRange(1, PARTITIONS_MAX),
    show_default=f"{PARTITIONS_VARIABLE}, else as topics have that are there, else {PARTITIONS}",
    help="Partitions of what is created.",
)
"""``partitions: int | None``; None stands for ``processors.runtime.topics.partitions_at``."""
