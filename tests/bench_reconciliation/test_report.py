"""The report is written by the code: the same bytes each time, all tables full, and the one in docs is of this form."""

import os
import re
from pathlib import Path

import pytest

from bench.reconciliation.__main__ import main
from bench.reconciliation.known_truth import COUNTS, run_all
from bench.reconciliation.recorded import EQUITY
from bench.reconciliation.report import KEPT, NO_EQUITY, TEMPLATE, write
from bench.reconciliation.scenarios import SCENARIOS

ROOT = Path(__file__).resolve().parents[2]
MARKET = Path(os.environ.get("MPS_SHARED", ROOT.parent / "shared")) / "market"


def tables(text: str) -> list[list[list[str]]]:
    """Return every table as rows of cells, with its head, without the line of dashes."""
    blocks = re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE)
    return [
        [[c.strip() for c in line.strip("|").split("|")] for line in b.splitlines() if not line.startswith("| ---")]
        for b in blocks
    ]


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> list[Path]:
    """Write the report twice, small."""
    out = [tmp_path_factory.mktemp(name) for name in ("one", "two")]
    for folder in out:
        main(["--quick", "--seconds", "90", "--seeds", "1", "--market", str(MARKET), "--out", str(folder)])
    return out


def test_the_same_data_give_the_same_bytes(folders: list[Path]) -> None:
    """Text and plots."""
    one, two = folders
    names = sorted(p.relative_to(one) for p in one.rglob("*") if p.is_file())
    assert [p.name for p in names] == [
        "cut_rate.svg", "disagreement.svg", "known_truth.svg", "trust.svg", "reconciliation.md",
    ]  # fmt: skip
    for name in names:
        assert (one / name).read_bytes() == (two / name).read_bytes(), name


def test_the_section_on_shares_stays_where_their_files_are_not_there(folders: list[Path]) -> None:
    """It is the reader's own data: a run without it keeps the numbers of one that had it, and says so, once."""
    report = folders[0] / "reconciliation.md"
    without = report.read_text(encoding="utf-8")
    assert NO_EQUITY in without
    report.write_text(without.replace(NO_EQUITY, f"### {EQUITY.title}\n\nof the run before"), encoding="utf-8")
    for _ in range(2):
        write(folders[0], run_all(1, 90.0, lambda: None), 1, 90.0, [], None)
        text = report.read_text(encoding="utf-8")
        assert text.count(f"{KEPT}\n\n### {EQUITY.title}\n\nof the run before\n\n## Run it again") == 1
    report.write_text(without, encoding="utf-8")


def test_every_table_is_full(folders: list[Path]) -> None:
    """Each row has all columns, and the known-truth tables have every scenario and number of vendors."""
    text = (folders[0] / "reconciliation.md").read_text(encoding="utf-8")
    found = tables(text)
    for table in found:
        assert len({len(row) for row in table}) == 1
        assert len(table) > 1
    rows = [[r[0], int(r[1])] for r in found[0][1:]]
    assert rows == [[s.name, n] for s in SCENARIOS for n in COUNTS]
    assert [r[:2] for r in found[1]] == [r[:2] for r in found[0]]
    assert "nan" not in text
    assert "{" not in text


@pytest.mark.parametrize("page", ["docs/reconciliation.md"])
def test_the_page_in_docs_is_of_this_code(page: str, folders: list[Path]) -> None:
    """The same headings and the same known-truth columns and rows as the code writes now."""
    kept, fresh = ((f).read_text(encoding="utf-8") for f in (ROOT / page, folders[0] / "reconciliation.md"))

    def headings(text: str) -> list[str]:
        return re.findall(r"^## .*", text, re.MULTILINE)

    assert headings(kept) == headings(fresh) == headings(TEMPLATE.read_text(encoding="utf-8"))
    a, b = tables(kept)[:2], tables(fresh)[:2]
    assert [t[0] for t in a] == [t[0] for t in b]
    assert [[r[:2] for r in t] for t in a] == [[r[:2] for r in t] for t in b]
    for picture in re.findall(r"\]\(([^)]+\.svg)\)", kept):
        assert (ROOT / "docs" / picture).is_file()
