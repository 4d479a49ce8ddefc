"""``mps tail``."""

import os
import sys
from typing import Any

import click
from confluent_kafka import TIMESTAMP_NOT_AVAILABLE, Message

from deploy.local.endpoints import load_endpoints
from deploy.local.paths import home
from schemas.registry import load_registry
from serving.records import RecordDecoder, UndecodableError, iso, text_or_base64, to_json
from serving.tailer import TopicTail

POLL_S = 0.2
BATCH = 500


@click.command()
@click.argument("topic")
@click.option("--from-beginning", is_flag=True, help="Start at the oldest record that is kept, not at the end.")
@click.option("-n", "count", type=click.IntRange(min=1), help="Stop after this many records.")
@click.option("--end", "to_end", is_flag=True, help="Stop where the topic ended when the command began.")
@click.option("--partition", "partitions", type=click.IntRange(min=0), multiple=True, help="Only this one; repeatable.")
@click.option("--key", help="Only records of this key, for example EURUSD:FX.")
@click.option("--read-uncommitted", is_flag=True, help="Show records of open and aborted transactions too.")
def tail(
    *, topic: str, from_beginning: bool, count: int | None, to_end: bool, partitions: tuple[int, ...], key: str | None,
    read_uncommitted: bool,
) -> None:  # fmt: skip
    """Print TOPIC as JSON, one record a line, and follow it until Ctrl-C.

    A dead letter is shown with its original decoded, where that is readable.

    Example: mps tail signals.v1 --from-beginning -n 3
    """
    left = count
    with TopicTail(
        load_endpoints(home()).bootstrap_servers,
        topic,
        from_beginning=from_beginning,
        partitions=partitions or None,
        read_committed=not read_uncommitted,
    ) as reader:
        decoder = RecordDecoder(load_registry())
        told = to_end
        while left != 0 and not (to_end and reader.is_live):
            messages = reader.poll(BATCH, POLL_S)
            if not messages and reader.is_live and not told:
                # On standard error: what reads the records must not read it.
                click.echo(_waiting(topic, from_beginning=from_beginning), err=True)
                told = True
            for message in messages:
                place = reader.places[message.partition() or 0]
                beyond = to_end and (message.offset() or 0) >= place.end
                if left == 0 or beyond or (key is not None and message.key() != key.encode()):
                    continue
                if not _print(to_json(_line(message, decoder))):
                    return
                left = None if left is None else left - 1


def _waiting(topic: str, *, from_beginning: bool) -> str:
    more = "" if from_beginning else "; --from-beginning shows what is there"
    return f"waiting for new records of {topic} until Ctrl-C{more}"


def _line(message: Message, decoder: RecordDecoder) -> dict[str, Any]:
    """Return what is shown of one record."""
    key, value = message.key(), message.value()
    kind, at_ms = message.timestamp()
    line: dict[str, Any] = {
        "partition": message.partition(),
        "offset": message.offset(),
        "published": None if kind == TIMESTAMP_NOT_AVAILABLE else iso(at_ms * 1_000_000),
        "key": None if key is None else text_or_base64(_raw(key)),
    }
    if value is None:
        return {**line, "value": None}
    try:
        return {**line, "value": decoder.decode(_raw(value))}
    except UndecodableError as e:
        return {**line, "value": text_or_base64(_raw(value)), "value_error": str(e)}


def _raw(value: str | bytes) -> bytes:
    return value.encode() if isinstance(value, str) else value


def _print(line: str) -> bool:
    """Print a line; return False where nobody reads any more."""
    try:
        click.echo(line)
    except BrokenPipeError:
        # `mps tail ... | head`: the interpreter must not try to flush again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return False
    return True
