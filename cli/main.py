"""``mps``: the entry point. Commands are imported only when called, so that ``mps --help`` is instant."""

import sys
from importlib import import_module

import click

from processors.errors import ConfigError, GatheredConfigError, PlatformError

EXIT_FAILED = 1
EXIT_CONFIG = 2

COMMANDS = {
    "demo": "Run the whole job on recorded ticks: from raw ticks to signals, with an account at the end.",
    "up": "Start the embedded parts: Kafka, Redis, schema registry, warehouse, ScoreService.",
    "down": "Stop what `mps up` started, and what a crash left over.",
    "run": "Run one or several stages of the topology.",
    "replay": "Publish recorded ticks to ticks.raw.v1.",
    "feed": "Publish live ticks of venues and vendors to ticks.raw.v1.",
    "tail": "Print a topic as JSON, one record a line.",
    "sql": "Ask ClickHouse.",
    "score": "Ask the ScoreService for a score.",
    "train": "Train a model, judge it, export it and register it.",
    "recipe": "Check recipes of models and strategy files.",
    "dataset": "Build the training set of a recipe, and show one.",
    "models": "List, show and compare registered models, and print their cards.",
    "jobs": "Run batch work as flows: by hand, by the clock, or by a signed request.",
    "sink": "Run the sinks into ClickHouse and Redis.",
    "lake": "Keep ticks, bars and gold rows as Delta tables, on disk or S3.",
    "feedback": "Alert when data go stale, call webhooks, show freshness over HTTP.",
    "serve": "Run the gRPC ScoreService.",
    "features": "Read features as of a time, look up packs, back-fill a pack over history.",
    "futures": "Show dates, curves, rolls and continuous prices of futures.",
    "reference": "Import, show and check securities, fundamentals and events.",
    "vendors": "Show uptime, reliability and latency of every source.",
    "config": "Show the knobs of reconcile, bars and score that are in force.",
    "topics": "List or create the topics.",
    "doctor": "Check this machine and the running parts.",
}
"""Name -> one line of help. The command ``x`` is the function ``x`` of ``cli.commands.x``."""


class _LazyGroup(click.Group):
    """Loads a command when it is called; lists all without loading any."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = getattr(import_module(f"cli.commands.{cmd_name}"), cmd_name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="mps")
def cli() -> None:
    """Turn raw vendor ticks into calibrated, sized, auditable signals.

    First: mps demo. Exit codes: 0 done, 1 failed, 2 wrong usage or configuration, 130 interrupted.
    """


def main() -> None:
    """Run the command line; a platform error is one clear line on stderr, never a traceback."""
    try:
        # Without click's own ending, the code of a command that ends early comes back instead of being raised.
        sys.exit(cli.main(standalone_mode=False) or 0)
    except click.exceptions.Abort:
        sys.exit(130)
    except KeyboardInterrupt:
        sys.exit(130)
    except click.ClickException as e:
        e.show()
        sys.exit(e.exit_code)
    except ConfigError as e:
        tell_wrong(e)
        sys.exit(EXIT_CONFIG)
    except PlatformError as e:
        click.echo(f"mps: {e}", err=True)
        sys.exit(EXIT_FAILED)


def tell_wrong(error: ConfigError) -> None:
    """Print one line for each thing that is wrong."""
    for one in error.errors if isinstance(error, GatheredConfigError) else (error,):
        click.echo(f"mps: {one}", err=True)


if __name__ == "__main__":
    main()
