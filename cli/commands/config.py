"""``mps config``."""

import json

import click
import yaml


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object: source, configuration, differences.")
def config(*, as_json: bool) -> None:
    """Show the configuration in force, as a file that MPS_CONFIG may name.

    It has the knobs of reconcile, bars and score, with a comment for each that is not at its default. A file needs
    only what it changes.

    \b
    mps config > mine.yaml             all knobs, to change some
    MPS_CONFIG=mine.yaml mps config    is the file right, and what does it change?
    """
    from cli.in_force import differences, in_force, source

    found, changed = in_force(), differences()
    if as_json:
        told = {key: {"value": value, "default": default} for key, (value, default) in changed.items()}
        click.echo(json.dumps({"source": source(), "configuration": found, "differences": told}))
        return
    click.echo(f"# {source()}")
    for key, (value, default) in changed.items():
        click.echo(f"# {key}: {value}, by default {default}")
    click.echo(yaml.safe_dump(found, sort_keys=False), nl=False)
