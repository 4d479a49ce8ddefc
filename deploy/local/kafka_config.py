"""The configuration files of the embedded broker, as text.

Called by `kafka.py`. Every value that differs from Apache Kafka's default has its reason beside it.
"""

from dataclasses import dataclass
from pathlib import Path

from deploy.local.ports import LOOPBACK

NODE_ID = 1


@dataclass(frozen=True)
class BrokerFiles:
    """Where one broker keeps what.

    Parameters
    ----------
    folder
        Configuration files.
    data_folder
        Partitions and metadata.
    log_path
        The broker's own log, rolled by log4j.
    """

    folder: Path
    data_folder: Path
    log_path: Path

    def cluster_id(self) -> str:
        """Return the id that the formatted storage has: who answers with it is this broker and no other."""
        lines = (self.data_folder / "meta.properties").read_text(encoding="utf-8").splitlines()
        return next(line.partition("=")[2] for line in lines if line.startswith("cluster.id="))

    @property
    def server_properties(self) -> Path:
        """Return the path of the broker's configuration."""
        return self.folder / "server.properties"

    @property
    def log4j(self) -> Path:
        """Return the path of the logging configuration."""
        return self.folder / "log4j2.yaml"


def server_properties(port: int, controller_port: int, data_folder: Path) -> str:
    """Return `server.properties` of a single KRaft node on loopback, sized for two cores."""
    return f"""\
# Written at every start; change deploy/local/kafka_config.py instead.
process.roles=broker,controller
node.id={NODE_ID}
controller.quorum.voters={NODE_ID}@{LOOPBACK}:{controller_port}
listeners=PLAINTEXT://{LOOPBACK}:{port},CONTROLLER://{LOOPBACK}:{controller_port}
advertised.listeners=PLAINTEXT://{LOOPBACK}:{port}
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs={data_folder}

# One node: every internal topic has one replica. Few partitions: each one costs files at start.
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
share.coordinator.state.topic.num.partitions=1

# A topic is made by its data file in schemas/topics, never by a misspelt name.
auto.create.topics.enable=false
num.partitions=4

# Both protocols: KIP-848 for our stages, classic for aiokafka under Faust.
group.coordinator.rebalance.protocols=classic,consumer
# The first member need not wait for others: there is nobody to wait for on a laptop.
group.initial.rebalance.delay.ms=0
# Ten years. By default the offsets of a platform that was down for a week are gone, and its state belongs to none.
offsets.retention.minutes=5256000
# A killed stage is noticed in seconds. The floors of Kafka 4 (45 s, 5 s) suit data centres.
group.min.session.timeout.ms=1000
group.consumer.min.session.timeout.ms=1000
group.consumer.session.timeout.ms=6000
group.consumer.min.heartbeat.interval.ms=200
group.consumer.heartbeat.interval.ms=500

# After a kill -9 the broker waits until its own earlier life has timed out: 3 s, not 9.
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500

# Replayed ticks carry event times of years ago: retention by time would delete them at once.
log.retention.ms=-1
log.retention.bytes=4294967296
log.segment.bytes=268435456
# The default buffer of 128 MiB is a sixth of the heap.
log.cleaner.dedupe.buffer.size=33554432

# Threads for two cores that are shared with the stages.
num.network.threads=2
num.io.threads=4
num.recovery.threads.per.data.dir=2
background.threads=2
"""


def log4j2_yaml(log_path: Path) -> str:
    """Return the log4j2 configuration: one rolling file of at most 3 times 16 MB."""
    return f"""\
Configuration:
  status: error
  Appenders:
    RollingFile:
      name: File
      fileName: "{log_path}"
      filePattern: "{log_path}.%i"
      PatternLayout:
        pattern: "%d{{ISO8601}} %p %m (%c)%n"
      SizeBasedTriggeringPolicy:
        size: 16 MB
      DefaultRolloverStrategy:
        max: 2
  Loggers:
    Root:
      level: WARN
      AppenderRef:
        ref: File
    Logger:
      - name: kafka.server.KafkaRaftServer
        level: INFO
      - name: org.apache.kafka.common.utils.AppInfoParser
        level: INFO
"""
