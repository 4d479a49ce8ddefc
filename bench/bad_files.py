"""Ten thousand files of ticks with one thing wrong each: ``python -m bench.bad_files``.

A good file of a form that ``mps replay`` reads is generated, one thing in it is made wrong, and the replay must

- refuse it, naming the file, and the row and column where one is to blame, before a single record of it or of the good
  file beside it is published; or
- where the row can be published and is refused downstream, by rule and with the offset (a price that is negative, a
  quote that is crossed): tell it by row and column beforehand, publish it, and leave exactly one dead letter. With
  ``--strict`` these files are refused too.
"""

import argparse
import random
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from rich.console import Console
from rich.progress import track
from rich.table import Table

from bench.tick_files import Bad, bad_file, good_file
from processors.errors import ConfigError
from processors.feeds.files import open_recording
from processors.feeds.replay import BATCH_ROWS, steps
from processors.runtime.memory import MemoryDriver, message_batch
from processors.topology import build_stage

FILES = 10_000
SHOWN_MAX = 20


def published(paths: list[Path]) -> tuple[int, int, str, tuple[str, ...]]:
    """Replay files into memory; return records published, dead letters, the error and what was told beforehand."""
    records = 0
    try:
        recording = open_recording(paths)
    except ConfigError as e:
        return 0, 0, str(e), ()
    driver = MemoryDriver([build_stage("reconcile")], frozenset())
    try:
        for step in steps(recording, batch_rows=BATCH_ROWS):
            for batch in step.batches:
                driver.feed(message_batch(batch, 0))
                records += len(batch)
    except ConfigError as e:
        return records, 0, str(e), ()
    return records, driver.counts("reconcile").get("dead", 0), "", (*recording.warnings, *recording.rejects)


def shortcoming(bad: Bad, folder: Path) -> str:
    """Return what is not as it must be of a wrong file beside a good one; empty where all is."""
    path, good = folder / f"bad{bad.suffix}", folder / "good.csv"
    path.write_bytes(bad.data)
    good.write_bytes(good_file(random.Random(1), "dealers", ".csv"))
    records, dead, error, told = published([good, path])
    if not bad.publishable:
        said = error
        if not error:
            return "it was not refused"
        if records:
            return f"half-loaded: {records} records were published before {error}"
    else:
        if error or dead != 1:
            return f"{dead} dead letters, not one; {error}"
        said = " ".join(told)
        try:
            open_recording([good, path], strict=True)
        except ConfigError as e:
            said = said if _is_named(bad, str(e), path) else f"(strict) {e}"
        else:
            return "it was not refused with --strict"
    return "" if _is_named(bad, said, path) else f"it does not name {bad.row}, {bad.columns}: {said}"


def _is_named(bad: Bad, said: str, path: Path) -> bool:
    row = bad.row is None or f"row {bad.row:,}" in said
    column = not bad.columns or any(c in said for c in bad.columns)
    return str(path) in said and row and column


def main(argv: list[str] | None = None) -> int:
    """Print a table of what was wrong and how it ended; return 1 where a file did not end as it must."""
    parser = argparse.ArgumentParser(prog="bench.bad_files", description=__doc__)
    parser.add_argument("--files", type=int, default=FILES, help="how many (default %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the first file (default %(default)s)")
    given = parser.parse_args(argv)
    console = Console()
    files, failed, publishable = Counter[str](), Counter[str](), dict[str, bool]()
    begin = time.monotonic()
    half_loaded = shown = 0
    with tempfile.TemporaryDirectory() as folder:
        for seed in track(range(given.seed, given.seed + given.files), "files", console=Console(stderr=True)):
            bad = bad_file(seed)
            said = shortcoming(bad, Path(folder))
            files[bad.what] += 1
            publishable[bad.what] = bad.publishable
            if said:
                failed[bad.what] += 1
                half_loaded += said.startswith("half-loaded")
                shown += 1
                if shown <= SHOWN_MAX:
                    console.print(f"seed {seed}: {bad.what}: {said}", markup=False, highlight=False)
    table = Table("what is wrong", "must end as", "files", "as it must", "otherwise")
    for what in sorted(files, key=lambda w: (publishable[w], w)):
        end = "told by row, one dead letter" if publishable[what] else "refused"
        table.add_row(what, end, f"{files[what]:,}", f"{files[what] - failed[what]:,}", f"{failed[what]:,}")
    console.print(table)
    console.print(
        f"{files.total():,} files, {files.total() - failed.total():,} as they must, {half_loaded} half-loaded, "
        f"{time.monotonic() - begin:.0f} s"
    )
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
