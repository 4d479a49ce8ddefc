"""The feedback process: records to rules, alerts to webhooks, rows to pages. Started by ``mps feedback``.

    data.freshness, rollovers.v1, drift.v1, bars.v1 -> inbox -> rules -> alerts.v1 -> outbox -> HTTP

``inbox`` and ``outbox`` meet in Kafka alone, so that each can go on from its own last commit.
"""

import asyncio
import logging
import signal
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from aiokafka import AIOKafkaProducer  # type: ignore[import-untyped]
from aiokafka.errors import KafkaError, ProducerFenced  # type: ignore[import-untyped]

from processors.errors import PlatformError
from processors.feedback.config import FeedbackConfig
from processors.feedback.inbox import ROWS, Inbox, Write, row_write
from processors.feedback.metrics import Metrics
from processors.feedback.outbox import ALERTS, DONE, Outbox
from processors.feedback.pages import served
from processors.feedback.records import Reader, UndecodableError, Writer
from processors.feedback.rules import CONSENSUS, Alert, Row, StaleRates, drift_alert, key_of, roll_alert, step
from processors.feedback.view import listing
from schemas.instruments import Instruments, load_instruments, partition_key
from schemas.registry import load_registry

LOG = logging.getLogger(__name__)

FRESHNESS, ROLLOVERS, DRIFT, BARS = "data.freshness", "rollovers.v1", "drift.v1", "bars.v1"
ROLL_ID = "rollover|"
"""Begins the ids of rolls, which are rows of their own beside those of symbols."""
CHANGELOGS = (ROWS, DONE)
"""Compacted topics, made by ``mps feedback`` like every changelog of the platform."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Where the process runs.

    Parameters
    ----------
    bootstrap_servers
        "host:port,..."
    prefix
        Before every topic and group.
    host, port
        Of the HTTP view.
    partitions
        Of the platform's topics.
    """

    bootstrap_servers: str
    prefix: str
    host: str
    port: int
    partitions: int


class Feedback:
    """State and handlers of one process.

    Parameters
    ----------
    config
        Of the user's file.
    instruments
        Asset classes.
    """

    def __init__(self, config: FeedbackConfig, settings: Settings, instruments: Instruments) -> None:
        self.config, self._settings, self._instruments = config, settings, instruments
        self._rows: dict[str, Row] = {}
        self._rolls: set[str] = set()
        rate = config.stale_rate
        self._rates = StaleRates(rate.window_s * 1_000_000_000, rate.threshold, rate.symbols_min)
        self._outlier_rates: dict[str, float] = {}
        self.metrics = Metrics(
            lambda: list(self._rows.values()), lambda: self._outlier_rates, self._rates.now, lambda: self.outbox.pending
        )
        topics = [name for name in (FRESHNESS, ROLLOVERS, DRIFT, BARS) if name in load_registry().topics]
        self._readers = {name: Reader(name) for name in topics}
        self._writer = Writer(ALERTS)
        self._producer: AIOKafkaProducer | None = None
        servers, prefix, partitions = settings.bootstrap_servers, settings.prefix, settings.partitions
        self.inbox = Inbox(servers, prefix, topics, partitions, self.apply, self.restore)
        self.outbox = Outbox(servers, prefix, partitions, config, self._publish, self.metrics)

    def restore(self, rows: Mapping[str, Any]) -> None:
        """Take the rows of the last commit, and the ids of the rolls that were told."""
        self._rolls = {key for key in rows if key.startswith(ROLL_ID)}
        self._rows = {key: Row.of(row) for key, row in rows.items() if key not in self._rolls}
        self._rates.restore(self._rows.values())

    def apply(self, topic: str, value: bytes | None) -> list[Write]:
        """Apply one record; return alerts and rows to write. One that cannot be read is counted and left out."""
        try:
            record = self._readers[topic].read(value)
        except UndecodableError as e:
            self.metrics.count("undecodable", topic)
            LOG.warning("%s: %s", topic, e)
            return []
        if topic == FRESHNESS:
            return list(self._on_change(record))
        if topic == ROLLOVERS:
            return self._on_roll(record)
        if topic == DRIFT:
            self.metrics.see_drift(record)
            alert = drift_alert(record, self._class_of(record["symbol_id"]))
            return [] if alert is None else [self._alert(alert)]
        # A clock mark has no symbol.
        if record["symbol_id"]:
            self._on_bar(record)
        return []

    def _on_roll(self, roll: dict[str, Any]) -> list[Write]:
        """Tell of a roll once, though its topic be read again: a root has some a year, so all are remembered."""
        symbol = str(roll.get("symbol_id") or roll.get("root") or "")
        alert = roll_alert(roll, self._class_of(symbol, "future"))
        if alert.id in self._rolls:
            return []
        self._rolls.add(alert.id)
        return [self._alert(alert), row_write(alert.id, {"ts": alert.ts})]

    def _on_change(self, change: dict[str, Any]) -> Iterator[Write]:
        """Apply one change of freshness."""
        if not change["symbol_id"]:
            return
        asset_class = self._class_of(change["symbol_id"])
        self.metrics.clocks.see(asset_class, change["ts"])
        key = key_of(change)
        before = self._rows.get(key)
        row, alerts = step(before, change, asset_class)
        if row is before:
            return
        row, more = self._rates.step(row)
        yield from (self._alert(alert) for alert in (*alerts, *more) if self._is_watched(alert))
        self._rows[key] = row
        yield row_write(key, row.record())

    def _is_watched(self, alert: Alert) -> bool:
        if alert.source == CONSENSUS:
            return alert.tf in self.config.alerts.timeframes or alert.symbol_id == "*"
        return self.config.alerts.sources

    def _on_bar(self, bar: dict[str, Any]) -> None:
        """Note the outlier rate of a minute."""
        self.metrics.clocks.see(self._class_of(bar["symbol_id"]), bar["ts"])
        if bar["tf"] == "1m":
            self._outlier_rates[bar["symbol_id"]] = bar["quality"]["outlier_frac"]

    def _alert(self, alert: Alert) -> Write:
        self.metrics.count("alerts", alert.kind)
        return Write(ALERTS, partition_key(alert.symbol_id).encode(), self._writer.write(alert.record()))

    def _class_of(self, symbol_id: str, otherwise: str = "unknown") -> str:
        at = self._instruments.by_symbol.get(symbol_id)
        return otherwise if at is None else self._instruments.rows[at].asset_class

    async def _publish(self, alert: Alert) -> None:
        """Publish an alert of the delivery itself; returns when Kafka has it."""
        assert self._producer is not None
        write = self._alert(alert)
        await self._producer.send_and_wait(self._settings.prefix + write.topic, write.value, write.key)

    async def run(self) -> None:
        """Run until SIGTERM or SIGINT; requests on their way may end.

        Raises
        ------
        Exception
            What reading, delivering or serving raised: nobody would be called any more.
        """
        told = asyncio.Event()
        for name in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(name, told.set)
        where = self._settings
        self._producer = AIOKafkaProducer(
            bootstrap_servers=where.bootstrap_servers, acks="all", enable_idempotence=True
        )
        await self._producer.start()
        tasks: list[asyncio.Task[Any]] = []
        try:
            async with served(where.host, where.port, self._listing, self.metrics.registry, self._is_ready):
                tasks = [asyncio.create_task(t) for t in (self.inbox.run(), self.outbox.run(), told.wait())]
                await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                self.inbox.close()
                await self.outbox.close()
                tasks.pop().cancel()
                # Raises what one of them died of.
                await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await self._producer.stop()

    def _listing(self) -> dict[str, Any]:
        return listing(self._rows.values(), self._rates.now(), self.metrics.clocks)

    def _is_ready(self) -> bool:
        return self.inbox.is_ready and self.outbox.is_ready


def run(config: FeedbackConfig, settings: Settings) -> None:
    """Run the feedback process until it is told to stop.

    Raises
    ------
    PlatformError
        Another process has taken over, or Kafka failed in a way that its client does not ride out. Started again, it
        goes on from the last commit.
    """

    async def main() -> None:
        await Feedback(config, settings, load_instruments()).run()

    try:
        asyncio.run(main())
    except ProducerFenced:
        raise PlatformError("another `mps feedback` of this prefix has taken over; run one") from None
    except KafkaError as e:
        raise PlatformError(f"Kafka: {e!r}; nothing is lost, start `mps feedback` again") from e
