"""What the demo prints can be read: on a narrow and on a wide terminal, and in a log."""

import io

import pytest
from rich.console import Console

from deploy.demo.account import account
from deploy.demo.view import LiveView, account_view
from processors.feeds.publish import Published
from processors.topology import TOPOLOGY
from schemas.registry import load_registry

FATES = {
    "reconcile": {"consensus": 1_160_321, "cut": 2_093, "clock": 68_510, "dead": 35_713},
    "bars": {"in_bar": 951_943, "cut": 2_093, "off_session": 1_232, "clock": 68_510, "quote": 207_146},
    "featurize": {"row": 13_961},
    "regime": {"row": 13_961},
    "score": {"signal": 5_100, "no_model_for_tf": 928, "warmup": 312, "in_sample": 7_621},
}


TOLD = {
    "reconcile": {"data.freshness": 13_000},
    "bars": {"data.freshness": 961, "bars.v1": 13_961},
    "featurize": {"drift.v1": 13_961, "universe.v1": 13_961},
}


def lines(signals: int = 5_100):
    """Return an account of the demo's size."""
    topics = dict.fromkeys(load_registry().topics, 13_961) | {
        "ticks.raw.v1": 1_266_637, "ticks.consensus.v1": 1_230_924, "signals.v1": signals,
    }  # fmt: skip
    return account(
        1_266_637,
        topics,
        FATES,
        {"reconcile": 35_713},
        {"bars.v1": 13_961, "signals.v1": 5_100},
        TOLD,
        {"signals.v1": (25, 25)},
    )


def shown(what, width: int) -> list[str]:
    """Return the lines that a terminal of so many columns shows."""
    console = Console(file=io.StringIO(), width=width)
    console.print(what)
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


@pytest.mark.parametrize("width", [80, 100, 120, 200])
def test_the_account_is_readable_at_every_width(width: int) -> None:
    """Each equation stands whole in one line with its verdict, and no figure is parted from its name."""
    text = shown(account_view(lines(), width), width)
    for line in lines():
        (row,) = (r for r in text if r.startswith(line.what))
        assert f"{line.left:,}" in row
        assert row.endswith("even")
    for fates in FATES.values():
        for name, n in fates.items() if len(fates) > 1 else ():
            assert any(f"{name} {n:,}" in row for row in text), name
    assert max(map(len, text)) <= width
    # The narrow form takes a line more for a sum of several parts, and for no other.
    several = sum(sum(n != 0 for n in line.parts.values()) > 1 for line in lines())
    if width < 110:
        assert len(text) <= 1 + len(lines()) + 2 * several
    else:
        assert len(text) <= 2 + len(lines()) + several


@pytest.mark.parametrize("width", [80, 120])
def test_what_is_missing_is_said_at_every_width(width: int) -> None:
    """A line that does not come out says by how much, and shows its sum."""
    text = "\n".join(shown(account_view(lines(signals=5_103), width), width))
    assert text.count("off by 3") == 2
    assert "rows 5,100" in text


def test_a_log_gets_a_line_with_ticks_consensus_bars_and_signals() -> None:
    """Without a terminal the progress is one plain line: how many of the ticks, and what has come of them."""
    view = LiveView(1_198_127)
    view.feed_moved(Published(ticks=500_000), 0)
    counts = {"ticks.raw.v1": 510_000, "ticks.consensus.v1": 400_000, "bars.v1": 1_234, "signals.v1": 56}
    assert view.line(counts) == "ticks 500,000 of 1,198,127, consensus 400,000, bars 1,234, signals 56"
    assert {row.sinks[0] for row in TOPOLOGY} >= {"ticks.consensus.v1", "bars.v1", "signals.v1"}
