"""Draw the life of a tick from the one table: ``python -m docs.pictures.life_of_a_tick`` writes the SVG beside it.

A test compares the file with what this script makes, so that the picture cannot fall behind ``processors.topology``.
"""

from pathlib import Path

from processors.topology import TOPOLOGY

SVG = Path(__file__).with_suffix(".svg")

TOPIC_W, STAGE_W, SIDE_W, BOX_H, GAP = 176, 250, 230, 46, 26
LEFT, TOP = 24, 70
DOES = {
    "reconcile": ("weights sources, cuts outliers,", "tells duplicates and late ticks"),
    "bars": ("1m 5m 15m 1h 1d in event time,", "revised by late ticks"),
    "featurize": ("returns, RSI, ATR, MACD, ...,", "nothing from after the bar"),
    "regime": ("trend, meanrev or stress,", "by change points"),
    "score": ("probability, E[R] after costs,", "Kelly size, gates"),
}
SIDE = (
    ("data.freshness", "from reconcile and bars"),
    ("dead.letter.v1", "from every stage, with the reason"),
    ("STAGE.changelog", "state of each stage, compacted"),
)
READERS = (
    ("ClickHouse", "mps sql"),
    ("Redis", "latest rows"),
    ("ScoreService", "gRPC, mps score"),
    ("your consumers", "mps tail"),
)
READERS_H = 38 + len(READERS) * (BOX_H + 12) + 4


def _box(x: int, y: int, w: int, css: str, title: str, *notes: str) -> str:
    height = BOX_H + 15 * max(0, len(notes) - 1)
    lines = [f'<rect class="{css}" x="{x}" y="{y}" width="{w}" height="{height}" rx="6"/>']
    first = y + (height - 15 * len(notes)) // 2 + 4
    lines.append(f'<text class="t" x="{x + w // 2}" y="{first}">{title}</text>')
    lines += [f'<text class="n" x="{x + w // 2}" y="{first + 15 * (i + 1)}">{n}</text>' for i, n in enumerate(notes)]
    return "\n".join(lines)


def _arrow(x1: int, y1: int, x2: int, y2: int) -> str:
    return f'<path class="a" d="M{x1} {y1} L{x2} {y2}"/>'


def draw() -> str:
    """Return the picture as SVG: topics left, stages right, from top to bottom as a tick travels."""
    topic_x, stage_x = LEFT, LEFT + TOPIC_W + 70
    side_x = stage_x + STAGE_W + 70
    step = BOX_H + GAP + 44
    parts = [_box(topic_x, TOP - 56, TOPIC_W, "feed", "vendor feeds", "mps replay")]
    y = TOP
    parts.append(_arrow(topic_x + TOPIC_W // 2, y - 10, topic_x + TOPIC_W // 2, y + 8))
    y += 10
    for row in TOPOLOGY:
        parts.append(_box(topic_x, y, TOPIC_W, "topic", row.source))
        stage_y = y + 46
        parts.append(_box(stage_x, stage_y, STAGE_W, "stage", row.stage, *DOES[row.stage]))
        parts.append(_arrow(topic_x + TOPIC_W, y + BOX_H // 2, stage_x - 4, stage_y + 18))
        parts.append(_arrow(stage_x, stage_y + 44, topic_x + TOPIC_W + 4, y + step + BOX_H // 2 - 4))
        y += step
    parts.append(_box(topic_x, y, TOPIC_W, "topic", TOPOLOGY[-1].sinks[0]))
    stage_right, last_stage_y = stage_x + STAGE_W, y - step + 46
    bracket_x = stage_right + 26
    parts.append(f'<path class="b" d="M{stage_right} {TOP + 76} H{bracket_x} V{last_stage_y + 20} H{stage_right}"/>')
    side_y = TOP + 53
    for name, note in SIDE:
        parts.append(_box(side_x, side_y, SIDE_W, "topic", name, note))
        middle = side_y + BOX_H // 2
        parts.append(_arrow(bracket_x, middle, side_x - 4, middle))
        side_y += BOX_H + 14
    frame_y, middle = y + BOX_H + 8 - READERS_H, y + BOX_H // 2
    parts.append(_reader_frame(side_x - 10, frame_y))
    height = y + BOX_H + 32
    parts.append(_arrow(topic_x + TOPIC_W, middle, side_x - 14, middle))
    return _frame(side_x + SIDE_W + 34, height, "\n".join(parts))


def _reader_frame(x: int, y: int) -> str:
    """Return the readers of bars, gold rows, signals and freshness in one frame."""
    parts = [
        f'<rect class="group" x="{x}" y="{y}" width="{SIDE_W + 20}" height="{READERS_H}" rx="10"/>',
        f'<text class="t" x="{x + 10 + SIDE_W // 2}" y="{y + 24}">read committed</text>',
    ]
    for i, (name, note) in enumerate(READERS):
        parts.append(_box(x + 10, y + 38 + i * (BOX_H + 12), SIDE_W, "reader", name, note))
    return "\n".join(parts)


def _frame(width: int, height: int, body: str) -> str:
    return f"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}"
 role="img" aria-label="The life of a tick: {" to ".join(r.stage for r in TOPOLOGY)}">
<style>
text {{ font-family: ui-sans-serif, system-ui, sans-serif; text-anchor: middle; fill: #1b2733; }}
.t {{ font-size: 14px; font-weight: 600; }} .n {{ font-size: 11.5px; fill: #50606f; }}
rect {{ stroke-width: 1.5; }}
.bg {{ fill: #ffffff; }} .topic {{ fill: #e8f1fb; stroke: #4a7fb5; }} .stage {{ fill: #fdf3e1; stroke: #c08a2d; }}
.feed {{ fill: #eef0f2; stroke: #8a97a3; }} .reader {{ fill: #e9f5ec; stroke: #4f9a63; }}
.group {{ fill: none; stroke: #4f9a63; stroke-dasharray: 5 4; }}
.b {{ stroke: #50606f; stroke-width: 1.5; fill: none; }}
.a {{ stroke: #50606f; stroke-width: 1.5; fill: none; marker-end: url(#tip); }}
</style>
<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" orient="auto">
<path d="M0 0 L8 4 L0 8 z" fill="#50606f"/></marker></defs>
<rect class="bg" width="{width}" height="{height}"/>
{body}
</svg>
"""


def main() -> None:
    """Write the picture."""
    SVG.write_text(draw(), encoding="utf-8")


if __name__ == "__main__":
    main()
