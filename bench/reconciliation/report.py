"""The text of docs/reconciliation.md: every number in it comes from the run that writes it."""

from pathlib import Path

from bench.reconciliation import plots, tables
from bench.reconciliation.known_truth import CANDIDATE, CONSENSUS, COUNTS, Row
from bench.reconciliation.recorded import EQUITY, Recorded
from bench.reconciliation.truth import QUOTES, TRADES, Market
from processors.reconcile.config import ReconcileConfig

TAIL_VENDORS = 5
NO_EQUITY = "The files were not there when this was written, so no number is shown."
KEPT = "Of an earlier run: the files were not there when the rest of this was written."
TEMPLATE = Path(__file__).with_name("template.md")


def write(
    folder: Path, rows: list[Row], seeds: int, seconds: float, reports: list[Recorded], equity: Recorded | None
) -> Path:
    """Write report and plots into a folder; return the path of the report."""
    pictures = folder / "reconciliation"
    pictures.mkdir(parents=True, exist_ok=True)
    plots.known_truth(rows, tables.METHODS, TAIL_VENDORS, pictures / "known_truth.svg")
    plots.disagreement(reports, pictures / "disagreement.svg")
    plots.cut_rate(reports, pictures / "cut_rate.svg")
    plots.trust(reports, pictures / "trust.svg")
    text = TEMPLATE.read_text(encoding="utf-8").format(
        k=f"{ReconcileConfig().k:g}",
        half_life_min=f"{ReconcileConfig().half_life_s / 60:g}",
        seeds=seeds,
        minutes=f"{seconds / 60:g}",
        counts=f"{COUNTS[0]}, {COUNTS[1]} or {COUNTS[2]}",
        quotes=_market(QUOTES),
        trades=_market(TRADES),
        verdict=_verdict(rows),
        quote_table=tables.rmse(rows, "quote"),
        trade_table=tables.rmse(rows, "trade"),
        tail_vendors=TAIL_VENDORS,
        quote_tails=tables.tails(rows, "quote", TAIL_VENDORS),
        trade_tails=tables.tails(rows, "trade", TAIL_VENDORS),
        recorded="\n\n".join(_recorded(r) for r in reports) or "No recording was there when this was written.",
        equity=_recorded(equity) if equity else _kept(folder / "reconciliation.md"),
    )  # fmt: skip
    path = folder / "reconciliation.md"
    path.write_text(text, encoding="utf-8")
    return path


def _kept(path: Path) -> str:
    """Return the section on US shares that stands in a report already, which may be of a run that had the files."""
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    _, begin, rest = text.partition(f"### {EQUITY.title}")
    section, end, _ = rest.partition("\n## ")
    return f"{KEPT}\n\n{begin}{section.rstrip()}" if begin and end else NO_EQUITY


def _market(market: Market) -> str:
    return (
        f"{market.kind}s of {market.start:g} in steps of {market.tick_size:g}, {market.vol_bps:g} bp in a second and a "
        f"jump of {market.jump_bps:g} bp every {market.jump_every_s:g} s, noise {market.noise_bps:g} bp"
    )


def _verdict(rows: list[Row]) -> str:
    """Return how often each is below both rivals, and where it is above one."""
    out = []
    for method in (CONSENSUS, CANDIDATE):
        n = tables.count(rows, method)
        above = [
            f"{r.market} {r.scenario} n={r.n} ({tables.verdict(r, method).removeprefix('above ')})"
            for r in rows
            if tables.verdict(r, method).startswith("above")
        ]
        where = f" Above: {'; '.join(above)}." if above else ""
        out.append(
            f"The {method} is below the best vendor and the plain median in {n['below']} of {len(rows)} rows, level "
            f"with one of them in {n['level']}, above one in {n['above']}.{where}"
        )
    return "\n\n".join(out)


def _recorded(report: Recorded) -> str:
    fates = ", ".join(f"{name} {n:,}" for name, n in report.fates.items() if n)
    parts = [
        f"### {report.data.title}",
        f"{report.ticks:,} ticks: {fates}.",
        "Dispersion (how far the sources of a published tick are apart, bp; ticks on which one alone counts left out):",
        tables.dispersion(report),
        "Sources (trust: mean share of its symbol over time; uptime, reliability and latency: as known at the end):",
        tables.sources(report),
    ]
    by_hour = tables.disagreement(report)
    if by_hour:
        parts += ["Disagreement by hour (median / 95th percentile over the seconds, bp between two sources):", by_hour]
    return "\n\n".join(parts)
