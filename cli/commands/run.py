"""``mps run``: run one or several neighbouring stages of the topology as one process."""

import logging
import os
import signal
import socket

import click

from deploy.local.endpoints import find_broker
from deploy.local.paths import home
from processors.reconcile.learned import SourceMetrics
from processors.reconcile.stage import ReconcileStage
from processors.reference.in_use import use_reference
from processors.runtime.config import KafkaConfig
from processors.runtime.kafka import KafkaDriver
from processors.runtime.pipeline import Pipeline
from processors.runtime.topics import create_changelog, create_topics, partitions_at
from processors.topology import PARTITIONS_VARIABLE, build_chain, chain_of

OF_MACHINE = "hostname"
"""In place of an instance: the name of this machine."""


def instance_name(instance: str) -> str:
    """Return the name of this process in its group: as given, or that of the machine."""
    return socket.gethostname() if instance == OF_MACHINE else instance


@click.command()
@click.argument("stages", nargs=-1, required=True, metavar="STAGE...")
@click.option("--instance", default="0", show_default="MPS_INSTANCE, else 0", envvar="MPS_INSTANCE",
              help="Name of this process in its group, kept on restart; no two at a time have the same.")  # fmt: skip
@click.option("--path", type=click.Choice(["auto", "native", "plain"]), default="auto", show_default=True,
              help="How records reach librdkafka; both give the same bytes.")  # fmt: skip
@click.option("--prefix", default="", help="Put before every topic and group.")
@click.option("--commit-interval-ms", default=100, show_default=True, type=click.IntRange(1, 10_000),
              help="Longest time between two commits.")  # fmt: skip
@click.option("--group-protocol", type=click.Choice(["classic", "consumer"]), default="classic", show_default=True,
              help="Rebalance protocol; consumer is KIP-848.")  # fmt: skip
@click.option("--retries", default=8, show_default=True, type=click.IntRange(0, 1000),
              help="Failed attempts in a row, with growing pauses, before it gives up.")  # fmt: skip
@click.option("--dead-letter-share", default=0.5, show_default=True, type=click.FloatRange(0, 1),
              help="Largest share of dead letters before it stops; 1 for no limit.")  # fmt: skip
@click.option(
    "--once", is_flag=True, help="End when all that was in the topics at the start is processed and committed."
)
@click.option("--accept-loss", is_flag=True, help="Go on where records were deleted before they were read.")
@click.option("--metrics-port", type=click.IntRange(1, 65535), help="Serve Prometheus metrics on this loopback port.")
@click.option("--log-level", default="INFO", show_default=True,
              type=click.Choice(["DEBUG", "INFO", "WARNING", "ERROR"]))  # fmt: skip
def run(
    stages: tuple[str, ...], instance: str, path: str, prefix: str, commit_interval_ms: int, group_protocol: str,
    retries: int, dead_letter_share: float, once: bool, accept_loss: bool, metrics_port: int | None, log_level: str,
) -> None:  # fmt: skip
    """Run STAGE... until SIGTERM or Ctrl-C, exactly once, as one process and one consumer group.

    Two processes of one stage share its partitions; each needs an --instance of its own, or the younger fences the
    older. The instance `hostname` stands for the name of this machine, so that containers of one service differ.

    STAGE is reconcile, bars, featurize, regime or score; or rolls, activity or cross, alone. Several stages must be
    neighbours: they share transactions and hand records over in memory, while every topic between them is written all
    the same.

    With --once it ends by itself, exit code 0; what comes in meanwhile may be processed too, and waits for the next run
    where it is not.

    \b
    mps run reconcile                 one stage
    mps run reconcile --once          what is there now, then end
    mps run reconcile bars            two in one process
    mps run reconcile --instance 1    a second process shares the partitions

    Symbols that were imported by `mps reference import` are known with MPS_REFERENCE=topic, else those of the list of
    instruments (MPS_INSTRUMENTS).
    """
    logging.basicConfig(level=log_level, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    # What was asked for first: a name that is wrong stays wrong when the platform is up.
    names = chain_of(list(stages))
    use_reference(prefix)
    servers = find_broker(home())
    partitions = partitions_at(servers, prefix)
    # A stage is built with the configuration of the environment, and the one that gathers all partitions counts them.
    os.environ[PARTITIONS_VARIABLE] = str(partitions)
    chain = build_chain(names)
    # A chain is a group of its own: its state and offsets do not mix with those of the single stages.
    group = "-".join(stage.name for stage in chain)
    config = KafkaConfig(
        servers, group, instance=instance_name(instance), prefix=prefix, path=path,
        commit_interval_ms=commit_interval_ms,
        group_protocol=group_protocol, retries_max=retries, dead_letter_share_max=dead_letter_share,
        accept_loss=accept_loss, once=once,
    )  # fmt: skip
    create_topics(servers, prefix=prefix)
    create_changelog(servers, config.changelog, partitions)
    driver = KafkaDriver(Pipeline(chain), config)
    if metrics_port is not None:
        for stage in chain:
            if isinstance(stage, ReconcileStage):
                driver.metrics.registry.register(SourceMetrics(stage.opened, stage.config))
        driver.metrics.serve(metrics_port)
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: driver.stop())
    logging.getLogger(__name__).info("%s runs on the %s path against %s", group, driver.path, servers)
    driver.run()
