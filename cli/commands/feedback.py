"""``mps feedback``: alerts, webhooks and the freshness page."""

import logging
from pathlib import Path

import click

from deploy.local.endpoints import find_broker
from deploy.local.paths import home
from processors.feedback.config import PORT, FeedbackConfig, load_config
from processors.reference.in_use import use_reference
from processors.runtime.topics import create_changelog, create_topics, partitions_at

_FILE = click.Path(dir_okay=False, path_type=Path)


@click.command()
@click.argument("config", type=_FILE, required=False, metavar="[FILE]")
@click.option("--check", type=_FILE, metavar="FILE", help="Read a file, say what is in it, and end.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address of the HTTP view.")
@click.option("--port", type=click.IntRange(1, 65535), default=PORT, show_default=True, help="Port of the HTTP view.")
@click.option("--prefix", default="", help="Put before every topic and the group.")
@click.option("--log-level", default="INFO", show_default=True,
              type=click.Choice(["DEBUG", "INFO", "WARNING", "ERROR"]))  # fmt: skip
def feedback(
    *, config: Path | None, check: Path | None, host: str, port: int, prefix: str, log_level: str
) -> None:  # fmt: skip
    """Turn changes of freshness, rolls and drift into alerts and webhooks, and show the freshness of all data.

    FILE names thresholds and webhooks; without it alerts are published and nobody is called. Secrets are read from
    the environment. Pages: / for people, /freshness for machines, /metrics for Prometheus, /health. Stop it with
    SIGTERM or Ctrl-C. See docs/freshness.md.

    \b
    mps feedback my_feedback.yaml          run until stopped
    mps feedback --check my_feedback.yaml  is the file right?
    """
    if check is not None:
        found = load_config(check)
        hooks = ", ".join(repr(hook) for hook in found.webhooks) or "none"
        click.echo(f"{check} is right. Webhooks: {hooks}")
        return
    loaded = load_config(config) if config else FeedbackConfig()
    logging.basicConfig(level=log_level, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    use_reference(prefix)
    where = home()
    servers = find_broker(where)
    partitions = partitions_at(servers, prefix)
    create_topics(servers, prefix, partitions=partitions)
    # aiohttp and the schemas take a moment to import.
    from processors.feedback.app import CHANGELOGS, Settings, run

    for name in CHANGELOGS:
        create_changelog(servers, prefix + name, partitions)
    run(loaded, Settings(servers, prefix, host, port, partitions))
