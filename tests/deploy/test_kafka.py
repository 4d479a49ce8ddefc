"""The embedded broker is a real one: it keeps data, and names its faults with a remedy."""

import hashlib
import shutil
import socket
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic

from deploy.local import jars, kafka, ports
from deploy.local.java import find_java
from deploy.local.kafka import EmbeddedKafka, require_disk_space
from deploy.local.kafka_prepare import is_prepared
from processors.errors import ConfigError, PlatformError

YEAR_MINUTES = 365 * 24 * 60
VALUES = [str(number).encode() for number in range(20)]


def send(bootstrap_servers: str, topic: str, values: list[bytes]) -> None:
    producer = Producer({"bootstrap.servers": bootstrap_servers})
    for value in values:
        producer.produce(topic, value)
    assert producer.flush(20) == 0


def read(bootstrap_servers: str, topic: str, count: int, protocol: str = "classic") -> list[bytes]:
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap_servers,
            "group.id": f"{topic}-{protocol}",
            "group.protocol": protocol,
            "auto.offset.reset": "earliest",
            "isolation.level": "read_committed",
        }
    )
    consumer.subscribe([topic])
    values = [message.value() for message in consumer.consume(count, timeout=20)]
    consumer.close()
    return values


@pytest.fixture
def own_kafka(tmp_path):
    broker = EmbeddedKafka(tmp_path / "kafka", tmp_path / "logs")
    yield broker
    broker.stop()


@pytest.mark.broker
@pytest.mark.parametrize("protocol", ["classic", "consumer"])
def test_what_was_produced_is_consumed_with_either_group_protocol(bootstrap_servers, make_topics, protocol):
    """What was produced is consumed, with the classic group protocol and with that of KIP-848."""
    [topic] = make_topics("in", partitions=1)
    send(bootstrap_servers, topic, VALUES)
    assert read(bootstrap_servers, topic, len(VALUES), protocol) == VALUES


@pytest.mark.broker
def test_an_aborted_transaction_is_not_read(bootstrap_servers, make_topics):
    """An aborted transaction is not read, a committed one is."""
    [topic] = make_topics("in", partitions=1)
    producer = Producer({"bootstrap.servers": bootstrap_servers, "transactional.id": topic})
    producer.init_transactions(20)
    for value, fate in ((b"aborted", producer.abort_transaction), (b"committed", producer.commit_transaction)):
        producer.begin_transaction()
        producer.produce(topic, value)
        producer.flush(20)
        fate(20)
    assert read(bootstrap_servers, topic, 1) == [b"committed"]


@pytest.mark.broker
def test_a_misspelt_topic_is_not_created(bootstrap_servers, topic_prefix):
    """A misspelt topic is an error, and is not created."""
    errors = []
    producer = Producer({"bootstrap.servers": bootstrap_servers, "message.timeout.ms": 1000})
    producer.produce(topic_prefix + "typo", b"x", on_delivery=lambda error, _: errors.append(error))
    producer.flush(10)
    assert errors[0] is not None
    assert (
        topic_prefix + "typo"
        not in AdminClient({"bootstrap.servers": bootstrap_servers}).list_topics(timeout=10).topics
    )


@pytest.mark.broker
@pytest.mark.parametrize("end", ["stop", "kill"])
def test_data_survive_the_end_of_the_broker(own_kafka, end):
    """Data and address survive a clean stop and a kill -9 of the broker."""
    own_kafka.start()
    address = own_kafka.bootstrap_servers
    admin = AdminClient({"bootstrap.servers": address})
    admin.create_topics([NewTopic("kept", 1, 1)])["kept"].result(20)
    send(address, "kept", VALUES)
    getattr(own_kafka, end)()
    assert not ports.accepts(int(address.rpartition(":")[2]))
    own_kafka.start()
    assert own_kafka.bootstrap_servers == address
    assert read(address, "kept", len(VALUES), "consumer") == VALUES


@pytest.mark.broker
def test_event_times_of_years_ago_are_kept(bootstrap_servers, make_topics):
    """A topic is not deleted by time unless it says so: replayed ticks carry event times of years ago."""
    [topic] = make_topics("old", partitions=1)
    admin = AdminClient({"bootstrap.servers": bootstrap_servers})
    [asked] = admin.describe_configs([ConfigResource(ConfigResource.Type.TOPIC, topic)]).values()
    assert asked.result(20)["retention.ms"].value == "-1"


@pytest.mark.broker
def test_offsets_outlast_a_platform_that_is_down(bootstrap_servers):
    """The offsets of a group without members are kept for years: its state, which is kept for ever, is theirs."""
    admin = AdminClient({"bootstrap.servers": bootstrap_servers})
    [asked] = admin.describe_configs([ConfigResource(ConfigResource.Type.BROKER, "1")]).values()
    assert int(asked.result(20)["offsets.retention.minutes"].value) > YEAR_MINUTES


def test_a_required_port_in_use_is_refused_with_its_holder(tmp_path):
    """A port that the user asked for and that is in use is refused, with the number and the holder."""
    with socket.create_server((ports.LOOPBACK, 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=rf"Kafka: port is {port}: it is in use .*\(pid \d+\).*another port"):
            EmbeddedKafka(tmp_path / "kafka", tmp_path / "logs", port=port).start()


def test_a_preferred_port_in_use_is_replaced():
    """A port that nobody insists on is replaced by a free one."""
    with socket.create_server((ports.LOOPBACK, 0)) as taken:
        port = taken.getsockname()[1]
        assert ports.choose("Kafka", preferred=port) != port


def test_a_port_lost_in_a_race_is_tried_again_elsewhere():
    """A port that somebody takes between look and start is tried again elsewhere, three times at most."""
    tried = []

    def start(port):
        tried.append(port)
        raise ports.named_failure("java.net.BindException: Address already in use")

    with pytest.raises(ports.PortTakenError):
        ports.try_several("Kafka", start, preferred=ports.ANY, required=None)
    assert len(tried) == 3


@pytest.mark.broker
def test_a_broker_that_dies_names_its_last_words(own_kafka, monkeypatch):
    """A broker that dies at its start gives its exit code and the last lines of its log."""
    monkeypatch.setattr(kafka, "server_properties", lambda *_: "process.roles=nonsense\n")
    with pytest.raises(PlatformError, match="nonsense"):
        own_kafka.start()


def test_a_full_disk_is_refused_with_the_numbers(tmp_path, monkeypatch):
    """A part that would fill the disk is refused, with folder, free and needed space."""
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10 << 30, 0, 5 << 20))
    with pytest.raises(ConfigError, match=r"free disk space is '5 MiB': at least 1024 MiB.*MPS_HOME"):
        require_disk_space(tmp_path, 1 << 30)


def test_a_java_that_is_none_is_refused(monkeypatch):
    """A program that is no Java is refused by the name of the variable."""
    monkeypatch.setenv("MPS_JAVA", "/bin/true")
    with pytest.raises(ConfigError, match="environment: MPS_JAVA is '/bin/true'"):
        find_java()


def test_without_any_java_the_remedy_is_named(monkeypatch):
    """Without any Java the error says where one was looked for and what to do."""
    monkeypatch.setattr("deploy.local.java._from_wheel", lambda: None)
    monkeypatch.setattr("deploy.local.java._on_this_machine", list)
    with pytest.raises(ConfigError, match="install a JDK, or set MPS_JAVA"):
        find_java()


@pytest.mark.broker
@pytest.mark.usefixtures("bootstrap_servers")
def test_a_second_preparation_has_nothing_to_do():
    """Once a broker ran, jars and class cache are there, and nothing is fetched again."""
    assert is_prepared()


def test_two_that_fetch_at_once_fetch_once(tmp_path, monkeypatch):
    """Two that need the jars at the same time fetch them once, and both have them."""
    monkeypatch.setenv("MPS_CACHE", str(tmp_path))
    monkeypatch.setattr(jars, "locked_jars", lambda: {"a.jar": hashlib.sha256(b"a").hexdigest()})
    fetches = []

    def fetch(folder):
        fetches.append(folder)
        time.sleep(0.3)
        folder.mkdir()
        (folder / "a.jar").write_bytes(b"a")
        return [folder / "a.jar"]

    monkeypatch.setattr(jars, "_fetch", fetch)
    with ThreadPoolExecutor(2) as both:
        paths = list(both.map(lambda _: jars.class_path(), range(2)))
    assert len(fetches) == 1
    assert paths[0] == paths[1] == str(jars.kafka_folder() / "a.jar")


def test_a_changed_jar_is_refused(tmp_path, monkeypatch):
    """A fetched jar that differs from the lock is refused, and nothing is put in place."""
    monkeypatch.setenv("MPS_CACHE", str(tmp_path))
    forged = tmp_path / "maven" / "kafka-clients-4.3.0.jar"
    forged.parent.mkdir()
    forged.write_bytes(b"forged")
    monkeypatch.setattr(jars, "_fetch", lambda _: [forged])
    monkeypatch.setattr(jars, "locked_jars", lambda: {forged.name: "0" * 64})
    with pytest.raises(ConfigError, match=hashlib.sha256(b"forged").hexdigest()):
        jars.class_path()
    assert not (jars.kafka_folder() / forged.name).exists()
