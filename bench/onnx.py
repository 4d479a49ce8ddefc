"""Each kind of model: how long it takes to learn, and its file beside the trainer's own prediction.

The file gives log-odds, quantiles and bounds, calibrated and conformalised; the trainer log-odds and quantiles as they
are. Processor time, one thread each, as served; set ``OMP_NUM_THREADS=1``, or NumPy's threads wait for each other::

    python -m bench.onnx --rows 20000 --inputs 60

The networks read windows of rows, and are learnt from a tenth of the rows: their passes cost as much the sample.
"""

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from rich.console import Console
from rich.table import Table

from offline.export.fold import fold
from offline.export.gate import check
from offline.export.head import Head, IsotonicCurve
from offline.models.estimator import Samples, make_estimator, no_progress
from offline.models.kinds import KINDS
from offline.recipes.recipe import WINDOW_KINDS
from processors.score.batches import run_rows
from processors.score.inputs import Input
from processors.score.model import Model, ModelCard

BATCHES = (1, 64, 1024, 5000)
WINDOW_SHARE = 0.1
"""Of the rows, for kinds that read windows."""
SECONDS = 0.5
"""Time that each figure is measured for, at least."""


@dataclass(frozen=True, slots=True)
class Figures:
    """What was seen of one kind.

    Parameters
    ----------
    rows
        That it was learnt from.
    file_ms, trainer_ms
        Batch -> median processor time of a call.
    gate_s
        Time of the gate; ``difference`` is the largest one it saw in log-odds.
    """

    rows: int
    train_s: float
    size_mb: float
    gate_s: float
    difference: float
    file_ms: dict[int, float]
    trainer_ms: dict[int, float]


def samples(n: int, n_inputs: int, seed: int, window_bars: int = 1) -> Samples:
    """Return samples whose move depends a little on a few inputs and their products; one value in twenty is null.

    With ``window_bars`` over 1 they are windows of one series, and the newest row of each decides.
    """
    rng = np.random.default_rng(seed)
    rows = rng.standard_normal((n + window_bars - 1, n_inputs)).astype(np.float32)
    x = rows[window_bars - 1 :]
    move = 0.2 * x[:, 0] + 0.2 * x[:, 1] * x[:, 2] + rng.standard_normal(n) * (1.0 + 0.3 * np.abs(x[:, 3]))
    rows[rng.random(rows.shape) < 0.05] = np.nan
    if window_bars > 1:
        x = np.ascontiguousarray(np.moveaxis(np.lib.stride_tricks.sliding_window_view(rows, window_bars, 0), 2, 1))
    zero = np.zeros(n, np.int64)
    return Samples(x, move.astype(np.float64), (move > 0).astype(np.float64), np.ones(n), zero, zero)


def card(kind: str, n_inputs: int, window_bars: int, batch_rows: int) -> ModelCard:
    """Return a card for inputs of no meaning."""
    return ModelCard(
        name=f"bench_{kind}", inputs=tuple(Input(f"features.f{i}", "raw") for i in range(n_inputs)), required=(),
        pack_id="bench", pack_hash="", horizon_bars={"1m": 15}, regimes=("trend",), gain_vols={"1m": (0.8,)},
        loss_vols={"1m": (0.8,)}, residual_quantiles={}, coverage=0.9, calibration=(), trained_until_ns=0, seed=1,
        dataset_sha256="", versions={}, kind=kind, calibration_method="isotonic", conformal_method="cqr",
        window_bars=window_bars, batch_rows=batch_rows,
    )  # fmt: skip


def median_ms(work: Callable[[], object]) -> float:
    """Return the median processor time of a call, milliseconds: the time of the wall is that of other work too."""
    work()
    took: list[float] = []
    while sum(took) < SECONDS or len(took) < 5:
        began = time.process_time()
        work()
        took.append(time.process_time() - began)
    return 1e3 * float(np.median(took))


def measure(kind: str, rows: int, n_inputs: int) -> Figures:
    """Return the figures of one kind."""
    estimator = make_estimator(kind)
    bars = estimator.window_bars
    if kind in WINDOW_KINDS:
        rows = int(rows * WINDOW_SHARE)
    train, valid, later = (samples(n, n_inputs, seed, bars) for seed, n in enumerate((rows, rows // 4, BATCHES[-1])))
    began = time.process_time()
    fitted = estimator.fit(train, valid, seed=1, progress=no_progress, checkpoint=None)
    train_s = time.process_time() - began
    # A curve of fifty points, as some thousand rows give.
    head = Head(IsotonicCurve(np.linspace(-1.5, 1.5, 50), np.linspace(0.2, 0.8, 50)), 0.1, 0.1)
    batch_rows = getattr(fitted, "batch_rows", 0)
    raw = fold(fitted.graph(), head, card(kind, n_inputs, bars, batch_rows))
    began = time.process_time()
    seen = check(raw, fitted, head, later.x[:1000])
    gate_s = time.process_time() - began
    session = Model(raw, kind).session
    file_ms, trainer_ms = {}, {}
    for batch in BATCHES:
        x = later.x[:batch]
        file_ms[batch] = median_ms(lambda x=x: run_rows(session, None, len(x), lambda at: x[at], batch_rows))  # type: ignore[misc]
        trainer_ms[batch] = median_ms(lambda x=x: fitted.predict(x))  # type: ignore[misc]
    return Figures(rows, train_s, len(raw) / 1e6, gate_s, seen.difference["logit"], file_ms, trainer_ms)


def report(kinds: tuple[str, ...], rows: int, n_inputs: int, console: Console) -> None:
    """Print the figures of kinds."""
    learnt = Table(title=f"models of {n_inputs} inputs: learning and export, processor time", title_justify="left")
    learnt.add_column("kind")
    for name in ("rows", "train s", "file MB", "gate s", "largest difference"):
        learnt.add_column(name, justify="right")
    title = "one thread, ms a call: file with calibration and bounds / trainer's own prediction"
    scored = Table(title=title, title_justify="left")
    scored.add_column("kind")
    for batch in BATCHES:
        scored.add_column(f"{batch:,} rows", justify="right")
    for kind in kinds:
        with console.status(kind):
            f = measure(kind, rows, n_inputs)
        learnt.add_row(
            kind, f"{f.rows:,}", f"{f.train_s:.1f}", f"{f.size_mb:.2f}", f"{f.gate_s:.1f}", f"{f.difference:.1e}"
        )
        scored.add_row(kind, *(f"{f.file_ms[batch]:.3f} / {f.trainer_ms[batch]:.3f}" for batch in BATCHES))
    console.print(learnt)
    console.print(scored)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="bench.onnx", description=__doc__)
    parser.add_argument("kinds", nargs="*", help=f"of {', '.join(KINDS)}; default: all")
    parser.add_argument("--rows", type=int, default=20_000, help="rows to learn from (default %(default)s)")
    parser.add_argument("--inputs", type=int, default=60, help="inputs of a row (default %(default)s)")
    given = parser.parse_args()
    console = Console(width=None if Console().is_terminal else 130)
    report(tuple(given.kinds) or tuple(KINDS), given.rows, given.inputs, console)


if __name__ == "__main__":
    main()
