"""How the work stands: topics, lag of each group, the model, and the last errors in the logs."""

import re
import time
from concurrent.futures import Future, ThreadPoolExecutor

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

from cli.checks import Finding
from cli.checks.late import LATE_SHARE_MAX, check_late
from cli.in_force import differences, source
from deploy.local.endpoints import Endpoints
from deploy.local.paths import Home
from deploy.local.process import tail
from processors.errors import ConfigError, RetryableError
from processors.runtime.changelog import read_counts
from processors.runtime.offsets import GroupOffsets
from processors.runtime.topics import TopicState, describe_topics, partitions_at
from processors.score.model import load_model, model_path
from processors.score.stage import check_served
from processors.topology import BRANCHES, PLATFORM_STAGES, TOPOLOGY
from schemas.registry import load_registry

TIMEOUT_S = 10.0
NAMES = tuple(row.stage for row in TOPOLOGY + BRANCHES)
LOG_AGE_S_MAX = 86_400.0
"""Errors of an older log are history."""
LATE_FATES = ("late", "too_late")
ASKED_AT_ONCE = 14
"""Questions to the broker under way at once: two for each of the six groups, and the late ticks."""
# "2026-01-31 12:00:00,000 ERROR ..." of ours and of Kafka's; "mps: ..." is the one line with which a command ends.
_ERROR = re.compile(
    r"^\S+ \S+ (ERROR|CRITICAL|FATAL)\b|^\S+ (ERROR|FATAL) |^mps: (?!warning)|^[\w.]*(Error|Exception)\b"
)


def check_topics(endpoints: Endpoints | None) -> list[Finding]:
    """Return the topics with their partitions, of each group how far it is behind, and which ticks came late."""
    if endpoints is None:
        return [Finding("topics", "topics", "ok", "not looked at: no broker is up")]
    servers = endpoints.bootstrap_servers
    try:
        states = {s.name: s for s in describe_topics(servers)}
        # Nearly all of the time is waiting for the broker: everything is asked at once.
        with ThreadPoolExecutor(ASKED_AT_ONCE) as pool:
            late = pool.submit(check_late, servers, states)
            groups = _groups(servers, states, pool)
            return [_topics(list(states.values()), partitions_at(servers)), *groups, *late.result()]
    except (RetryableError, KafkaException) as e:
        return [Finding("topics", "topics", "fail", str(e), "see the line of Kafka above")]


def _topics(states: list[TopicState], partitions: int) -> Finding:
    missing = [s.name for s in states if not s.partitions]
    if missing:
        return Finding("topics", "topics", "warn", f"missing: {', '.join(missing)}", "mps topics --create")
    own = {name: topic.partitions for name, topic in load_registry().topics.items()}
    wrong = [f"{s.name} has {s.partitions}" for s in states if s.partitions != (own[s.name] or partitions)]
    if wrong:
        remedy = (
            f"all topics but the gathered need {partitions}, the platform's number: set MPS_PARTITIONS to what they "
            "have, delete the odd ones, or use another --prefix"
        )
        return Finding("topics", "topics", "fail", f"partitions differ: {', '.join(wrong)}", remedy)
    count = sum(s.offsets for s in states)
    return Finding("topics", "topics", "ok", f"{len(states)} topics, {count:,} offsets in use")


def _groups(servers: str, states: dict[str, TopicState], pool: ThreadPoolExecutor) -> list[Finding]:
    """Return a line for every group of stages; a group may be a chain, ``reconcile-bars``."""
    admin = AdminClient({"bootstrap.servers": servers, "log_level": 0})
    listed = admin.list_consumer_groups(request_timeout=TIMEOUT_S).result(TIMEOUT_S).valid
    names = sorted((g.group_id for g in listed if set(g.group_id.split("-")) <= set(NAMES)), key=_place)
    source_of = {row.stage: states[row.source] for row in TOPOLOGY + BRANCHES}
    state_of = {name: source_of[name.split("-")[0]] for name in names}
    behind = {name: pool.submit(_behind, servers, name, state_of[name]) for name in names}
    fates = {name: pool.submit(read_counts, servers, f"{name}.changelog", state_of[name].partitions) for name in names}
    findings = []
    for name in names:
        findings += _fates(fates[name])
        state, left = state_of[name], behind[name].result()
        members = len(admin.describe_consumer_groups([name])[name].result(TIMEOUT_S).members)
        progress = f"{left:,} offsets behind in" if left else "has done all of"
        found = f"{members} member(s), {progress} {state.name}"
        if left and not members:
            start = "mps up --stages" if name in PLATFORM_STAGES else f"mps run {name.replace('-', ' ')}"
            findings.append(Finding("topics", f"group {name}", "warn", found, f"nobody works on it: `{start}`"))
        else:
            findings.append(Finding("topics", f"group {name}", "ok", found))
    return findings


def _fates(counted: Future[dict[str, dict[str, int]]]) -> list[Finding]:
    """Return a line for each stage of a group of which much came too late: nothing is lost, but no bar is made."""
    findings = []
    for stage, fates in counted.result().items():
        late = sum(fates.get(fate, 0) for fate in LATE_FATES)
        total = sum(fates.values())
        if late > LATE_SHARE_MAX * total:
            found = f"{late:,} of {total:,} records came after later ones: they make no bars"
            remedy = "recordings must be replayed in the order of their times: `mps down --wipe` begins anew"
            findings.append(Finding("topics", f"stage {stage}", "warn", found, remedy))
    return findings


def _place(group: str) -> int:
    return NAMES.index(group.split("-", 1)[0])


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


def check_configuration() -> Finding:
    """Return which knobs are not at their defaults, or what is wrong with the file that sets them."""
    try:
        changed = differences()
    except ConfigError as e:
        return Finding("configuration", "knobs", "fail", f"{e.where}: {e.key} is {e.value!r}", e.remedy)
    told = ", ".join(f"{key} {value} (default {default})" for key, (value, default) in changed.items())
    return Finding("configuration", "knobs", "ok", source() + (f": {told}" if told else ""))


def check_model() -> Finding:
    """Return whether there is a model that fits the rows that featurize makes."""
    path = model_path()
    if not path.is_file():
        remedy = "`mps train` makes one, or name one in MPS_MODEL"
        return Finding("model", "model", "warn", f"none at {path}", remedy)
    try:
        model = load_model(path)
        check_served(model)
    except ConfigError as e:
        return Finding("model", "model", "fail", f"{e.where}: {e.key} is {e.value!r}", e.remedy)
    card = model.card
    frames, packs = ", ".join(card.horizon_bars), ", ".join(ref.partition("@")[0] for ref in card.needs)
    return Finding("model", "model", "ok", f"{card.name} version {model.version}, {frames}, pack {packs}")


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
