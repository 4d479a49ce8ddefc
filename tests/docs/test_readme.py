"""README and docs say what is there: the stages, the commands and their flags, the files, the reasons."""

import importlib
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
import yaml

from cli.commands.sql import sql as sql_command
from cli.commands.up import NEXT
from cli.main import COMMANDS, cli
from docs.pictures import life_of_a_tick
from offline.warehouse.tables import tables
from offline.warehouse.views import view_ddl
from processors.activity import kernel as activity
from processors.bars import kernel as bars
from processors.cross import barrier as cross
from processors.featurize import outside
from processors.featurize import stage as featurize
from processors.feeds.forms import FORMS
from processors.futures import stage as rolls
from processors.reconcile import rejects
from processors.reconcile import stage as reconcile
from processors.reconcile.config import ReconcileConfig
from processors.reconcile.learned import COUNTERS, GAUGES, RATES, SourceMetrics
from processors.runtime import metrics
from processors.runtime.stage import OUT_OF_ORDER
from processors.score import score
from processors.topology import BRANCHES, TOPOLOGY
from schemas.features import PACKS_YAML, load_catalog, load_pack
from schemas.registry import load_registry

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "README.md"
PAGES = [README, *sorted((ROOT / "docs").rglob("*.md")), ROOT / "CHANGELOG.md", ROOT / "deploy/compose/README.md"]
pages = pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))

# Files that the reader makes, and patterns.
YOURS = {
    "my.onnx",
    "my_ticks.parquet",
    "my_instruments.csv",
    "my_feedback.yaml",
    "NAME.log",
    "tests/x/",
    "processors/x/",
    "schemas/avro/X.avsc",
}


def table(text: str, first: str) -> list[list[str]]:
    """Return the rows of the Markdown table whose first heading is ``first``."""
    lines = text.splitlines()
    at = next(i for i, line in enumerate(lines) if line.strip().startswith(f"| {first} |"))
    rows = []
    for line in lines[at + 2 :]:
        if not line.strip().startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip().strip("|").split("|")])
    return rows


def ticked(cell: str) -> list[str]:
    """Return what stands in backticks."""
    return re.findall(r"`([^`]+)`", cell)


def commands(text: str) -> Iterator[list[str]]:
    """Yield the words of each call of mps, in a line of code or in backticks."""
    blocks = re.findall(r"^\s*```\w*\n(.*?)^\s*```", text, flags=re.DOTALL | re.MULTILINE)
    lines = [line.strip() for block in blocks for line in block.splitlines()]
    lines += re.findall(r"`([^`\n]+)`", re.sub(r"^\s*```\w*\n.*?^\s*```", "", text, flags=re.DOTALL | re.MULTILINE))
    for line in lines:
        for part in re.split(r" && ", line.removeprefix("$ ")):
            if re.match(r"mps( [a-z-]|$)", part):
                yield shlex.split(part.split(" # ")[0])[1:]


@pages
def test_every_command_and_flag_that_is_named_exists(page: Path):
    """Each ``mps COMMAND --flag`` of the pages parses against the command line."""
    for words in commands(page.read_text(encoding="utf-8")):
        if not words:
            continue
        name, *rest = words
        # The line of a table or the last words of mps up: prose, not a call.
        assert name in COMMANDS, f"mps {' '.join(words)}"
        command = cli.get_command(click.Context(cli), name)
        assert command is not None
        if isinstance(command, click.Group) and rest:
            command = command.commands.get(rest[0])
            assert command is not None, f"mps {' '.join(words)}"
        known = {flag for parameter in command.params for flag in (*parameter.opts, *parameter.secondary_opts)}
        for word in rest:
            if word.startswith("-") and not re.fullmatch(r"-?\d.*", word):
                assert word.split("=")[0] in known, f"mps {' '.join(words)}: {word}"


def test_a_command_that_does_not_exist_is_found(tmp_path: Path):
    """The test above can fail: a wrong flag and a wrong command are both seen."""
    page = tmp_path / "page.md"
    for wrong in ("```\nmps up --stagse\n```", "`mps upp`", "`mps reference shwo`", "`mps reference show --asof`"):
        page.write_text(wrong)
        with pytest.raises(AssertionError):
            test_every_command_and_flag_that_is_named_exists(page)


@pages
def test_every_path_that_is_named_exists(page: Path):
    """Each path in backticks or in a link is a file or folder of the repository."""
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    named = [word for code in re.findall(r"`([^`\n]+)`", text) for word in code.split()]
    named += re.findall(r"\]\((?!http)([^)#]+)\)", text)
    for word in named:
        path = word.rstrip(".,;:")
        is_path = re.fullmatch(r"(?:[\w.-]+/)+[\w.-]*|[\w.-]+\.(?:md|py|yml|yaml|csv|json|lock|toml|proto)", path)
        if not is_path or path in YOURS or path.startswith((".mps", ".venv", ".cache")):
            continue
        places = [ROOT / path, page.parent / path, *ROOT.glob(f"processors/**/{path}")]
        assert any(place.exists() for place in places), f"{page.name}: {path}"


def test_the_table_of_stages_is_that_of_the_topology():
    """README's stages, what they read and write, equal ``processors.topology`` and ``schemas/topics``."""
    rows = [(name, ticked(reads), ticked(writes)) for name, reads, writes, _ in table(README.read_text(), "stage")]
    assert rows == [(row.stage, [row.source, *row.sides], list(row.sinks)) for row in TOPOLOGY]
    topics = load_registry().topics
    for row in TOPOLOGY:
        for topic in (row.source, *row.sides):
            assert row.stage in topics[topic].consumers
        for sink in row.sinks:
            assert row.stage in topics[sink].producers


def test_what_is_suggested_next_is_what_the_readme_shows():
    """``mps up`` and ``mps demo`` suggest calls that README shows, the first and the last with their answers."""
    text = README.read_text()
    for line in NEXT:
        assert f"  mps {line}\n" in text
    for line in (NEXT[0], NEXT[-1]):
        assert f"```\n$ mps {line}\n" in text


def test_every_table_and_view_of_the_warehouse_is_named():
    """README's list has every table and view that the sink makes, those on topics and migrations too, and no other."""
    found = {ticked(name)[0].split("(")[0] for name, _ in table(README.read_text(), "table or view")}
    kept = {t.name: t for t in tables().values()}
    assert found == {*kept, *view_ddl("d", kept), "sources", "migrations"}
    for name in found:
        assert name in (sql_command.help or "")


def test_the_chain_in_the_readme_is_that_of_the_topology():
    """The line of arrows names every topic and stage in their order."""
    chain = next(block for block in README.read_text().split("```") if "vendor feed ->" in block)
    words = re.sub(r"\(.*?\)", "", chain.replace("\n", " ")).split("->")
    expected = ["vendor feed", TOPOLOGY[0].source]
    for row in TOPOLOGY:
        expected += [row.stage, row.sinks[0]]
    assert [word.strip() for word in words] == expected


def test_the_forms_in_the_readme_are_those_that_replay_knows():
    """Every form, with exactly its columns."""
    rows = {
        frozenset(c.strip() for c in ticked(columns)[0].split(",")) for _, columns in table(README.read_text(), "form")
    }
    assert rows == {form.columns for form in FORMS}


def test_the_picture_is_drawn_from_the_topology():
    """The SVG in the repository is what its script makes today."""
    assert life_of_a_tick.SVG.read_text(encoding="utf-8") == life_of_a_tick.draw()


def test_the_table_of_topics_in_operations_is_that_of_the_data_files():
    """Record, writers and days kept of every topic."""
    rows = table((ROOT / "docs/operations.md").read_text(), "topic")
    found = {ticked(name)[0]: (record, tuple(by.split(", ")), int(days)) for name, record, by, days in rows}
    topics = load_registry().topics
    assert found == {t.name: (t.record, t.producers, t.retention_days) for t in topics.values()}


def test_the_table_of_fates_in_operations_is_that_of_the_code():
    """Every fate of every stage, and no other."""
    found: dict[str, set[str]] = {}
    for stage, fate, _ in table((ROOT / "docs/operations.md").read_text(), "stage"):
        found.setdefault(stage, set()).update(ticked(fate))
    faults = {score.FATES[i] for i in range(score.UNKNOWN_SYMBOL, len(score.FATES))}
    assert found == {
        "reconcile": set(reconcile.FATES),
        "bars": set(bars.FATES),
        "featurize": {name for _, name in featurize._FATES} | {featurize.OTHER_TIMEFRAME, *outside.FACT_FATES, "dead"},
        "regime": {"row", OUT_OF_ORDER, "dead"},
        "score": (set(score.FATES) - faults) | {OUT_OF_ORDER, "dead"},
        "activity": set(activity.FATES),
        "rolls": {rolls.BAR, rolls.OTHER, rolls.REVISION, rolls.LATE, rolls.DEAD, rolls.INTEREST, rolls.UNUSED_FACT},
        "cross": {*cross.FATES, "dead"},
    }
    assert set(found) == {row.stage for row in TOPOLOGY + BRANCHES}


def test_the_table_of_dead_letters_in_operations_is_that_of_the_code():
    """Every error that a stage can name is explained, and no other."""
    found = {
        name: set(stages.split(", "))
        for name, stages, _, _ in table((ROOT / "docs/operations.md").read_text(), "error")
    }
    assert {name.strip("`") for name in found} == _errors_of_the_code()
    for name, stages in found.items():
        for row in TOPOLOGY + BRANCHES:
            folder = _stage_file(row).parent
            if row.stage in stages:
                texts = [f.read_text() for f in folder.glob("*.py")]
                assert any(f'"{name.strip("`")}"' in text for text in texts), f"{name} of {row.stage}"
            else:
                assert name.strip("`") not in _errors_of(row), f"{row.stage} is missing beside {name}"


def test_the_table_of_packs_is_that_of_the_catalogs():
    """Every pack with the number of its features, and the number of all features."""
    page = (ROOT / "docs/features.md").read_text()
    packs = [load_pack(pack_id) for pack_id in yaml.safe_load(PACKS_YAML.read_text())["packs"]]
    found = {ticked(name)[0]: int(n) for name, n, _ in table(page, "pack")}
    assert found == {pack.pack_id: len(pack.features) for pack in packs}
    assert re.findall(r"(\d+) rows; the fields of the Avro records", page) == [str(len(load_catalog()))]


def test_every_variable_that_the_sources_read_is_in_operations():
    """Whatever the environment may set is on the page of operations."""
    page = (ROOT / "docs/operations.md").read_text()
    folders = ("cli", "deploy", "processors", "offline", "serving", "schemas")
    texts = [path.read_text() for folder in folders for path in (ROOT / folder).rglob("*.py")]
    named = {name for text in texts for name in re.findall(r"MPS_[A-Z]+(?:_[A-Z]+)*", text)}
    assert len(named) > 20
    assert not {name for name in named if f"`{name}`" not in page and f"{name}=" not in page}


def _stage_file(row) -> Path:
    return Path(str(importlib.import_module(row.factory.split(":")[0]).__file__))


def _errors_of(row) -> set[str]:
    """Return the errors that the file of a stage names itself: in a refusal, or in a table of rules."""
    text = _stage_file(row).read_text()
    found = set(re.findall(r'Rejected\([^,]+, "(\w+)"', text))
    return found | set(re.findall(r'^        \("(\w+)", f?"(?:is|does|has) ', text, re.MULTILINE))


def _errors_of_the_code() -> set[str]:
    errors = {"undecodable", "unknown_schema"} | set(rejects.ERRORS[1:])
    errors |= {score.FATES[i] for i in range(score.UNKNOWN_SYMBOL, len(score.FATES))}
    for row in TOPOLOGY + BRANCHES:
        errors |= _errors_of(row)
    return errors


def test_the_table_of_metrics_in_operations_is_that_of_the_driver():
    """Every metric that is served, under the name and kind that Prometheus sees, with its labels, and no other."""
    rows = table((ROOT / "docs/operations.md").read_text(), "metric")
    found = {ticked(name)[0]: (kind.split(",")[0], ticked(kind)) for name, kind, _ in rows}
    served = {f"mps_{name}_total": ("counter", list(labels)) for name, (_, labels) in metrics.COUNTERS.items()}
    served |= {f"mps_{name}": ("gauge", []) for name in metrics.GAUGES}
    served |= {f"mps_{name}": ("histogram", []) for name in metrics.TIMERS}
    served |= {f"mps_source_{name}": ("gauge", ["symbol_id", "source"]) for name in GAUGES}
    served |= {f"mps_source_{name}_total": ("counter", ["symbol_id", "source"]) for name in COUNTERS}
    served |= {f"mps_vendor_{name}": ("gauge", ["vendor"]) for name in RATES}
    served |= {"mps_line_last_seen_seconds": ("gauge", ["vendor"]), "mps_line_ticks_total": ("counter", ["vendor"])}
    assert found == served
    driver = metrics.Metrics("reconcile")
    driver.registry.register(SourceMetrics([], ReconcileConfig()))
    kinds = {m.name + ("_total" if m.type == "counter" else ""): m.type for m in driver.registry.collect()}
    assert kinds == {name: kind for name, (kind, _) in served.items()}
