"""The committed offsets of a group are read from outside, at any moment of its life."""

import pytest
from confluent_kafka import ConsumerGroupTopicPartitions, TopicPartition
from confluent_kafka.admin import AdminClient

from processors.runtime.offsets import GroupOffsets

pytestmark = pytest.mark.broker


@pytest.fixture
def offsets(bootstrap_servers, topic_prefix, make_topics):
    """Yield the reader of a group that nobody has heard of, in a topic of three partitions."""
    (topic,) = make_topics("in", partitions=3)
    reader = GroupOffsets(bootstrap_servers, f"{topic_prefix}group", topic, 3)
    yield reader, topic
    reader.close()


def test_a_group_that_was_never_seen_has_no_offsets(offsets):
    """Every partition is there, with a negative number; the admin client of librdkafka may crash on this."""
    reader, _ = offsets
    found = reader.committed()
    assert set(found) == {0, 1, 2}
    assert all(offset < 0 for offset in found.values())


def test_what_was_committed_is_returned_and_followed(offsets, bootstrap_servers, topic_prefix):
    """Partition by partition, again and again with one reader; the group gets no member by it."""
    reader, topic = offsets
    reader.committed()
    admin, group = AdminClient({"bootstrap.servers": bootstrap_servers}), f"{topic_prefix}group"
    for at in (4, 9):
        places = [TopicPartition(topic, 1, at)]
        admin.alter_consumer_group_offsets([ConsumerGroupTopicPartitions(group, places)])[group].result(20)
        found = reader.committed()
        assert found[1] == at
        assert found[0] < 0
    assert not admin.describe_consumer_groups([group])[group].result(20).members
