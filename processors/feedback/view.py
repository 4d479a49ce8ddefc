"""What the feedback process shows over HTTP: a page for people, JSON for machines, metrics for Prometheus. Pure."""

from collections.abc import Iterable
from html import escape
from typing import Any

from processors.feedback.metrics import Clocks
from processors.feedback.rules import Row
from processors.feedback.webhooks import iso

_WORST_FIRST = ("stale", "gap", "delayed", "fresh", "closed")

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta http-equiv="refresh" content="5"><title>Freshness</title><style>
body {{ font: 15px system-ui, sans-serif; margin: 2rem; color: #222 }}
table {{ border-collapse: collapse }} th, td {{ padding: .25rem .9rem .25rem 0; text-align: left }}
th {{ border-bottom: 1px solid #999 }} td.n {{ text-align: right; font-variant-numeric: tabular-nums }}
.stale {{ color: #b00020; font-weight: 600 }} .gap {{ color: #b05a00; font-weight: 600 }} .delayed {{ color: #8a6d00 }}
.fresh {{ color: #1b6e2d }} .closed {{ color: #777 }}
</style></head><body><h1>Freshness</h1>
<p>{summary}</p>
<table><thead><tr><th>symbol</th><th>source</th><th>timeframe</th><th>state</th><th>since (event time, UTC)</th>
<th>age, ms</th><th>stale from, ms</th></tr></thead><tbody>
{rows}
</tbody></table></body></html>
"""


def listing(rows: Iterable[Row], stale_rates: dict[str, float], clocks: Clocks) -> dict[str, Any]:
    """Return the table as JSON takes it, the worst first, then by symbol."""
    order = sorted(rows, key=lambda r: (_WORST_FIRST.index(r.state), r.symbol_id, r.source, r.tf))
    return {
        "stale_rate": dict(sorted(stale_rates.items())),
        "freshness": [
            {
                "symbol_id": r.symbol_id, "source": r.source, "tf": r.tf, "asset_class": r.asset_class,
                "state": r.state, "since": iso(r.ts), "age_ms": clocks.age_ms(r), "threshold_ms": r.threshold_ms,
            }
            for r in order
        ],
    }  # fmt: skip


def page(found: dict[str, Any]) -> str:
    """Return the listing as a page."""
    rates = ", ".join(f"{escape(name)} {share:.0%}" for name, share in found["stale_rate"].items())
    lines = [
        f"<tr><td>{escape(r['symbol_id'])}</td><td>{escape(r['source'])}</td><td>{escape(r['tf']) or 'tick'}</td>"
        f'<td class="{r["state"]}">{r["state"]}</td><td>{r["since"][:19].replace("T", " ")}</td>'
        f'<td class="n">{r["age_ms"]:,.0f}</td><td class="n">{r["threshold_ms"]:,.0f}</td></tr>'
        for r in found["freshness"]
    ]
    summary = f"Stale now: {rates}." if rates else "No consensus has been seen yet."
    return _PAGE.format(summary=summary, rows="\n".join(lines))
