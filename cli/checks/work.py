"""How the work stands: topics, lag of each group, the model, and the last errors in the logs."""

import re
import time

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

from cli.checks import Finding
from deploy.local.endpoints import Endpoints
from deploy.local.paths import Home
from deploy.local.process import tail
from processors.errors import ConfigError, RetryableError
from processors.featurize.config import FeaturizeConfig
from processors.runtime.changelog import read_counts
from processors.runtime.layout import layout_of
from processors.runtime.offsets import GroupOffsets
from processors.runtime.topics import TopicState, describe_topics
from processors.score.model import load_model, model_path
from processors.topology import PARTITIONS, STAGE_NAMES, TOPOLOGY
from schemas.features import load_pack
from schemas.registry import load_registry

TIMEOUT_S = 10.0
LOG_AGE_S_MAX = 86_400.0
"""Errors of an older log are history."""
LATE_FATES = ("late", "too_late")
LATE_SHARE_MAX = 0.1
"""A feed that stalls makes some records late; a tenth of all means older data behind newer."""
# "2026-01-31 12:00:00,000 ERROR ..." of ours and of Kafka's; "mps: ..." is the one line with which a command ends.
_ERROR = re.compile(
    r"^\S+ \S+ (ERROR|CRITICAL|FATAL)\b|^\S+ (ERROR|FATAL) |^mps: (?!warning)|^[\w.]*(Error|Exception)\b"
)


def check_topics(endpoints: Endpoints | None) -> list[Finding]:
    """Return the topics with their partitions, and of each group how far it is behind."""
    if endpoints is None:
        return [Finding("topics", "topics", "ok", "not looked at: no broker is up")]
    servers = endpoints.bootstrap_servers
    try:
        states = {s.name: s for s in describe_topics(servers)}
        return [_topics(list(states.values())), *_groups(servers, states)]
    except (RetryableError, KafkaException) as e:
        return [Finding("topics", "topics", "fail", str(e), "see the line of Kafka above")]


def _topics(states: list[TopicState]) -> Finding:
    missing = [s.name for s in states if not s.partitions]
    if missing:
        return Finding("topics", "topics", "warn", f"missing: {', '.join(missing)}", "mps topics --create")
    wrong = [f"{s.name} has {s.partitions}" for s in states if s.partitions != PARTITIONS]
    if wrong and len({s.partitions for s in states}) > 1:
        remedy = "all topics need the same number: delete the odd ones, or use another --prefix"
        return Finding("topics", "topics", "fail", f"partitions differ: {', '.join(wrong)}", remedy)
    count = sum(s.offsets for s in states)
    return Finding("topics", "topics", "ok", f"{len(states)} topics, {count:,} offsets in use")


def _groups(servers: str, states: dict[str, TopicState]) -> list[Finding]:
    """Return a line for every group of stages; a group may be a chain, ``reconcile-bars``."""
    admin = AdminClient({"bootstrap.servers": servers, "log_level": 0})
    listed = admin.list_consumer_groups(request_timeout=TIMEOUT_S).result(TIMEOUT_S).valid
    names = sorted((g.group_id for g in listed if set(g.group_id.split("-")) <= set(STAGE_NAMES)), key=_place)
    findings = []
    source_of = {row.stage: row.source for row in TOPOLOGY}
    for name in names:
        findings += _fates(servers, name)
        state = states[source_of[name.split("-")[0]]]
        members = len(admin.describe_consumer_groups([name])[name].result(TIMEOUT_S).members)
        behind = _behind(servers, name, state)
        progress = f"{behind:,} offsets behind in" if behind else "has done all of"
        found = f"{members} member(s), {progress} {state.name}"
        if behind and not members:
            findings.append(Finding("topics", f"group {name}", "warn", found, "nobody works on it: `mps up --stages`"))
        else:
            findings.append(Finding("topics", f"group {name}", "ok", found))
    return findings


def _fates(servers: str, group: str) -> list[Finding]:
    """Return a line for each stage of a group whose input comes too late: nothing is lost, but no bar is made of it."""
    findings = []
    for stage, fates in read_counts(servers, f"{group}.changelog", PARTITIONS).items():
        late = sum(fates.get(fate, 0) for fate in LATE_FATES)
        total = sum(fates.values())
        if late > LATE_SHARE_MAX * total:
            found = f"{late:,} of {total:,} records came after later ones: they make no bars"
            remedy = "recordings must be replayed in the order of their times: `mps down --wipe` begins anew"
            findings.append(Finding("topics", f"stage {stage}", "warn", found, remedy))
    return findings


def _place(group: str) -> int:
    return STAGE_NAMES.index(group.split("-", 1)[0])


def _behind(servers: str, group: str, state: TopicState) -> int:
    """Return the offsets between the group's position and the end, 0 where no record lies there.

    The end of a topic that is written by transactions is a marker and no record: so the rest is looked at.
    """
    offsets = GroupOffsets(servers, group, state.name, state.partitions)
    try:
        at = offsets.committed()
    finally:
        offsets.close()
    begin = {p: at[p] if at.get(p, -1) >= 0 else state.first_offsets[p] for p in range(state.partitions)}
    open_ = {p: state.end_offsets[p] - begin[p] for p in begin if state.end_offsets[p] > begin[p]}
    if not open_:
        return 0
    with_records = _with_records(servers, state.name, {p: begin[p] for p in open_})
    return sum(n for p, n in open_.items() if p in with_records)


def _with_records(servers: str, topic: str, begin: dict[int, int]) -> set[int]:
    """Return the partitions that hold a committed record at or after those offsets."""
    consumer = Consumer({
        "bootstrap.servers": servers, "group.id": "doctor", "enable.auto.commit": False, "log_level": 0,
        "isolation.level": "read_committed", "enable.partition.eof": True, "fetch.message.max.bytes": 65_536,
    })  # fmt: skip
    found, open_ = set(), set(begin)
    deadline_s = time.monotonic() + TIMEOUT_S
    try:
        consumer.assign([TopicPartition(topic, p, offset) for p, offset in begin.items()])
        while open_ and time.monotonic() < deadline_s:
            message = consumer.poll(0.2)
            if message is None:
                continue
            error, partition = message.error(), message.partition()
            if error is not None and error.code() != KafkaError._PARTITION_EOF:  # noqa: SLF001
                raise KafkaException(error)
            if error is None and partition is not None:
                found.add(partition)
            open_.discard(partition)
    finally:
        consumer.close()
    return found | open_


def check_model() -> Finding:
    """Return whether there is a model that fits the rows that featurize makes."""
    path = model_path()
    if not path.is_file():
        remedy = "`mps train` makes one, or name one in MPS_MODEL"
        return Finding("model", "model", "warn", f"none at {path}", remedy)
    try:
        model = load_model(path)
        pack = load_pack(FeaturizeConfig.from_environment().pack_id)
        model.check(layout_of(load_registry().current("gold.v1").schema), pack.pack_id, pack.hash)
    except ConfigError as e:
        return Finding("model", "model", "fail", f"{e.where}: {e.key} is {e.value!r}", e.remedy)
    frames = ", ".join(model.card.horizon_bars)
    return Finding("model", "model", "ok", f"{model.card.name} version {model.version}, {frames}, pack {pack.pack_id}")


def check_logs(home: Home) -> list[Finding]:
    """Return the newest error of each log that was written to within a day."""
    findings = []
    for path in sorted(home.logs.glob("*.log")) if home.logs.is_dir() else []:
        if time.time() - path.stat().st_mtime > LOG_AGE_S_MAX:
            continue
        errors = [line for line in tail(path, lines=200).splitlines() if _ERROR.search(line)]
        if errors:
            remedy = f"see {path}; it may be long mended"
            findings.append(Finding("logs", path.name, "warn", errors[-1].strip()[:200], remedy))
    return findings or [Finding("logs", "logs", "ok", "no error in the last lines of any log of the last day")]
