"""Tables of the report, in Markdown."""

from collections.abc import Iterable

from bench.reconciliation.known_truth import CANDIDATE, CONSENSUS, Row
from bench.reconciliation.recorded import Recorded, Symbol

RIVALS = ("best vendor", "plain median")
"""What the consensus must be below."""
METHODS = (CONSENSUS, CANDIDATE, *RIVALS, "mean", "fastest vendor")


def markdown(head: Iterable[str], rows: Iterable[Iterable[str]], texts: int = 1) -> str:
    """Return a table; the first ``texts`` columns are to the left, the others to the right."""
    names = list(head)
    lines = ["| " + " | ".join(names) + " |"]
    lines.append("| " + " | ".join("---" if i < texts else "---:" for i in range(len(names))) + " |")
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines)


def verdict(row: Row, method: str) -> str:
    """Return how a method stands to both rivals: ``below``, ``level`` within two standard errors, or ``above``.

    By the differences of pairs, seed by seed, since two means of the same ticks move together.
    """
    worst = "below"
    for rival in RIVALS:
        mean, error = row.against(rival, method)
        if mean > 2 * error:
            return f"above {rival}"
        if mean > -2 * error:
            worst = "level"
    return worst


def rmse(rows: list[Row], market: str) -> str:
    """Return the RMSE of every method, mean and standard error over the seeds, and the worst of the consensus."""
    body = [
        [
            r.scenario, str(r.n), *(f"{r.mean(m):.3f} ± {r.standard_error(m):.3f}" for m in METHODS),
            f"{r.errors[CONSENSUS][:, 0].max():.3f}", verdict(r, CONSENSUS), verdict(r, CANDIDATE),
        ]
        for r in rows
        if r.market == market
    ]  # fmt: skip
    return markdown(["scenario", "n", *METHODS, "worst seed", "consensus is", "variant is"], body)


def tails(rows: list[Row], market: str, n: int) -> str:
    """Return MAE, 99th percentile and maximum with n vendors."""
    shown = (CONSENSUS, CANDIDATE, *RIVALS)
    body = [
        [r.scenario, *(" / ".join(f"{r.mean(m, c):.2f}" for c in (1, 2, 3)) for m in shown)]
        for r in rows
        if r.market == market and r.n == n
    ]
    return markdown(["scenario", *shown], body)


def count(rows: list[Row], method: str) -> dict[str, int]:
    """Return in how many rows a method is below both rivals, level with one, above one."""
    found = [verdict(r, method).split()[0] for r in rows]
    return {name: found.count(name) for name in ("below", "level", "above")}


def dispersion(report: Recorded) -> str:
    """Return quantiles of the dispersion by symbol, empty where one source has nobody beside it."""
    body = [
        [
            s.symbol, s.kind, str(s.sources), *("" if q != q else f"{q:.2f}" for q in s.dispersion),  # noqa: PLR0124
            f"{100 * s.at_floor:.0f}",
        ]
        for s in report.symbols
    ]  # fmt: skip
    head = ["symbol", "kind", "sources", "5 %", "25 %", "median", "75 %", "95 %", "sigma at the floor, %"]
    return markdown(head, body, 2)


def sources(report: Recorded) -> str:
    """Return what became of each source and what was learned of it."""
    body = [
        [
            s.symbol, s.source, f"{s.raw:,}", f"{100 * (1 - s.published / s.raw):.2f}", f"{100 * s.cut:.3f}",
            f"{100 * s.late:.3f}", f"{100 * s.stale:.2f}", f"{s.trust:.3f}", f"{s.known.uptime:.3f}",
            f"{s.known.reliability:.4f}", f"{s.known.latency_ms:.2f}",
        ]
        for s in report.sources
    ]  # fmt: skip
    head = [
        "symbol", "source", "ticks", "refused, %", "cut, %", "late, %", "stale, %", "trust", "uptime", "reliability",
        "latency, ms",
    ]  # fmt: skip
    return markdown(head, body, 2)


def disagreement(report: Recorded) -> str:
    """Return median and 95th percentile by hour, of hours with a minute or more of it; empty where there is none."""
    shown = [s for s in report.symbols if s.by_hour]
    hours = sorted({h for s in shown for h in s.by_hour})

    def cell(s: Symbol, hour: int) -> str:
        if hour not in s.by_hour or s.by_hour[hour][2] < 60:
            return ""
        return f"{s.by_hour[hour][0]:.2f} / {s.by_hour[hour][1]:.2f}"

    body = [[f"{h:02}", *(cell(s, h) for s in shown)] for h in hours]
    body = [row for row in body if any(row[1:])]
    if not body:
        return ""
    return markdown(["hour UTC", *(f"{s.symbol} {s.kind}" for s in shown)], body)
