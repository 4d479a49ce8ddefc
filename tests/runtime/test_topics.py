"""Topics on a real broker."""

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, ConfigResource  # type: ignore[attr-defined]

from processors.errors import ConfigError, RetryableError
from processors.runtime.topics import DAY_MS, create_changelog, create_topics, describe_topics, partitions_at
from schemas.registry import load_registry

pytestmark = pytest.mark.broker


def _config(bootstrap_servers, topic):
    resource = ConfigResource(ConfigResource.Type.TOPIC, topic)
    # The answer comes while the client lives.
    admin = AdminClient({"bootstrap.servers": bootstrap_servers})
    found = admin.describe_configs([resource])[resource].result(20)
    return {name: entry.value for name, entry in found.items()}


def test_every_topic_is_made_as_its_data_file_says(bootstrap_servers, topic_prefix):
    """Every topic is made as its data file says, and making it again changes nothing."""
    made = create_topics(bootstrap_servers, topic_prefix, partitions=2)
    assert made == [topic_prefix + name for name in load_registry().topics]
    assert create_topics(bootstrap_servers, topic_prefix, partitions=2) == made
    for name, topic in load_registry().topics.items():
        config = _config(bootstrap_servers, topic_prefix + name)
        assert config["cleanup.policy"] == topic.cleanup
        # What is compacted is kept for ever, whatever its age.
        assert topic.cleanup == "compact" or int(config["retention.ms"]) == topic.retention_days * DAY_MS
        assert config["message.timestamp.type"] == "LogAppendTime"


def test_a_wrong_number_of_partitions_and_an_unknown_name_are_refused(bootstrap_servers, topic_prefix):
    """A wrong number of partitions and an unknown name are refused with what is allowed."""
    create_topics(bootstrap_servers, topic_prefix, ["bars.v1"], partitions=2)
    with pytest.raises(ConfigError, match=r"partitions of .*bars\.v1 is 2: must be 3"):
        create_topics(bootstrap_servers, topic_prefix, ["bars.v1"], partitions=3)
    with pytest.raises(ConfigError, match=r"ticks\.v9.*one of .*signals\.v1"):
        create_topics(bootstrap_servers, topic_prefix, ["ticks.v9"])


def test_the_partitions_are_those_configured_else_those_that_topics_have_else_four(
    bootstrap_servers, topic_prefix, monkeypatch
):
    """MPS_PARTITIONS says how many partitions, else topics that exist, not the gathered, else it is 4."""
    monkeypatch.delenv("MPS_PARTITIONS", raising=False)
    assert partitions_at(bootstrap_servers, topic_prefix) == 4
    create_topics(bootstrap_servers, topic_prefix, ["universe.v1", "bars.v1"], partitions=3)
    assert partitions_at(bootstrap_servers, topic_prefix) == 3
    create_topics(bootstrap_servers, topic_prefix)
    made = {s.name.removeprefix(topic_prefix): s.partitions for s in describe_topics(bootstrap_servers, topic_prefix)}
    assert made.pop("universe.v1") == 1
    assert set(made.values()) == {3}
    monkeypatch.setenv("MPS_PARTITIONS", "5")
    assert partitions_at(bootstrap_servers, topic_prefix) == 5
    with pytest.raises(ConfigError, match=r"is 3: must be 5.*set MPS_PARTITIONS to what the topics have"):
        create_topics(bootstrap_servers, topic_prefix)
    for wrong in ("0", "1025", "many"):
        monkeypatch.setenv("MPS_PARTITIONS", wrong)
        with pytest.raises(ConfigError, match=rf"environment.*MPS_PARTITIONS is '{wrong}'.*1 to 1024"):
            partitions_at(bootstrap_servers, topic_prefix)


def test_a_changelog_keeps_the_last_value_of_each_key(bootstrap_servers, topic_prefix):
    """A changelog topic is compacted, and new only once."""
    name = topic_prefix + "bars.changelog"
    assert create_changelog(bootstrap_servers, name, 3) is True
    assert create_changelog(bootstrap_servers, name, 3) is False
    assert _config(bootstrap_servers, name)["cleanup.policy"] == "compact"


def test_topics_are_listed_with_what_is_committed(bootstrap_servers, topic_prefix):
    """Topics are listed with their committed offsets; an open transaction is not counted and an absent topic is 0."""
    create_topics(bootstrap_servers, topic_prefix, ["bars.v1"], partitions=2)
    producer = Producer({"bootstrap.servers": bootstrap_servers, "transactional.id": topic_prefix})
    producer.init_transactions(20)
    producer.begin_transaction()
    for _ in range(3):
        producer.produce(topic_prefix + "bars.v1", b"x", partition=1)
    producer.commit_transaction(20)
    producer.begin_transaction()
    producer.produce(topic_prefix + "bars.v1", b"x", partition=0)
    producer.flush(20)
    states = {s.name: s for s in describe_topics(bootstrap_servers, topic_prefix)}
    producer.abort_transaction(20)
    bars = states[topic_prefix + "bars.v1"]
    assert (bars.partitions, bars.end_offsets, bars.offsets) == (2, (0, 4), 4)
    assert states[topic_prefix + "gold.v1"].partitions == 0


def test_a_broker_that_is_away_is_a_passing_fault(monkeypatch):
    """A broker that is away is named, as a fault that may pass."""
    monkeypatch.setattr("processors.runtime.topics.CONNECT_TIMEOUT_S", 1.0)
    with pytest.raises(RetryableError, match=r"Kafka at 127\.0\.0\.1:9 does not answer"):
        create_topics("127.0.0.1:9")
