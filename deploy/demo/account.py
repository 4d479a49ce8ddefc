"""The account: every record that went in is found again, to the last one, or the demo fails.

Each line is an equation between figures that were taken in different places: what the feed says it published, what
the topics hold, what the stages counted in their state, what ClickHouse and Redis have.
"""

from dataclasses import dataclass

from processors.topology import TOPOLOGY


@dataclass(frozen=True, slots=True)
class Line:
    """One equation: ``left`` is explained by ``parts``, which must add up to it."""

    what: str
    left: int
    parts: dict[str, int]

    @property
    def even(self) -> bool:
        """Whether it comes out."""
        return self.left == sum(self.parts.values())


def account(
    published: int,
    topics: dict[str, int],
    fates: dict[str, dict[str, int]],
    dead_by_stage: dict[str, int],
    warehouse: dict[str, int],
    stages_published: dict[str, dict[str, int]],
    newest: dict[str, tuple[int, int]],
) -> list[Line]:
    """Return every line of the account.

    Parameters
    ----------
    published
        Records that the feed handed over.
    topics
        Topic -> committed records in it.
    fates
        Stage -> fate -> input records that met it.
    dead_by_stage
        Stage -> dead letters that name it.
    warehouse
        Topic -> rows that its ClickHouse table has.
    stages_published
        Stage -> topic -> records that the stage says it published.
    newest
        Topic -> series that it has (a symbol and timeframe, and source), and of how many of them Redis has the very
        last record.
    """
    lines = [
        Line("published by the feed = records in ticks.raw.v1", published, {"ticks.raw.v1": topics["ticks.raw.v1"]})
    ]
    for row in TOPOLOGY:
        met = fates.get(row.stage, {})
        lines.append(Line(f"{row.source} = fates in {row.stage}", topics[row.source], met))
        lines.append(
            Line(
                f"dead in {row.stage} = its dead letters",
                met.get("dead", 0),
                {"letters": dead_by_stage.get(row.stage, 0)},
            )
        )
    published_fates = {
        "ticks.consensus.v1": ("reconcile", ("consensus", "cut", "late", "clock", "status", "correction")),
        "features.v1": ("featurize", ("row",)),
        "gold.v1": ("regime", ("row",)),
        "signals.v1": ("score", ("signal",)),
    }
    for topic, (stage, names) in published_fates.items():
        met = fates.get(stage, {})
        lines.append(Line(f"{topic} = its fates in {stage}", topics[topic], {n: met.get(n, 0) for n in names}))
    # No fate says how many bars a tick makes, or changes of freshness: their writers count them.
    for topic in dict.fromkeys(t for row in TOPOLOGY for t in row.sinks if t not in published_fates):
        told = {row.stage: stages_published.get(row.stage, {}).get(topic, 0) for row in TOPOLOGY if topic in row.sinks}
        lines.append(Line(f"{topic} = published by {', '.join(told)}", topics[topic], told))
    lines += [Line(f"{topic} = rows in ClickHouse", topics[topic], {"rows": rows}) for topic, rows in warehouse.items()]
    lines += [
        Line(f"series of {topic} = newest rows in Redis", series, {"rows": same})
        for topic, (series, same) in newest.items()
    ]
    return lines
