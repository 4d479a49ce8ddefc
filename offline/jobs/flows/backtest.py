"""Scores into returns net of the spread: a yardstick, as training has it, on rows that the model has not seen.

A horizon's outcome is looked up in the same snapshot that was scored.
"""

import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from offline.jobs.files import write_bytes, write_json
from offline.jobs.flows.inputs import digest_of, lake_at
from offline.jobs.flows.score import FILE, read_scores
from offline.jobs.run import JobRun, find
from processors.errors import ConfigError

if TYPE_CHECKING:
    from offline.training.returns import Judged

RETURNS, REPORT, RECEIPT = "returns.parquet", "report.json", "receipt.json"


def backtest(
    run: JobRun, *, scores: str, evidence: str | None = None, days: int = 1825, lake: str | None = None
) -> dict[str, Any]:
    """Turn a file of scores into returns net of the spread, with their Sharpe ratio; put both under lock if asked."""
    file = file_of(scores)
    report: dict[str, Any] = run.step("returns", lambda: _returns(run.out, file, lake))
    if evidence is None:
        return {**report, "evidence": None}
    receipt = run.step("evidence", lambda: _lock(run, file, evidence, days))
    return {**report, "evidence": receipt}


def state(*, scores: str, **_: Any) -> Any:
    """Return the digest of the scores, which name model and snapshot."""
    return digest_of([file_of(scores)])


def file_of(scores: str) -> Path:
    """Return a file of scores by its path, or by the run that made it."""
    path = Path(scores)
    return path if path.suffix == ".parquet" else find(scores).folder / "out" / FILE


def _returns(out: Path, file: Path, lake: str | None) -> dict[str, Any]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    from offline.training.returns import net_returns
    from offline.training.run import sharpe_of

    judged, made_by = judged_of(file, lake)
    returns = net_returns(judged)
    columns = {"ts_ns": returns.ts_ns, "value": returns.value}
    content = io.BytesIO()
    pq.write_table(pa.table(columns).replace_schema_metadata({"mps.backtest": json.dumps(made_by, sort_keys=True)}),
                   content)  # fmt: skip
    write_bytes(out / RETURNS, content.getvalue())
    report = {
        **made_by, "rows": len(judged.ts_ns), "periods": len(returns.value), "periods_a_year": returns.periods_a_year,
        "sharpe": sharpe_of(returns), "return": float(returns.value.sum()),
    }  # fmt: skip
    write_json(out / REPORT, report)
    return report


def judged_of(file: Path, lake: str | None) -> "tuple[Judged, dict[str, Any]]":
    """Return scored rows with their outcomes, and what made the scores.

    Raises
    ------
    ConfigError
        The scores are another model's than the registry's, or no horizon of a scored row has ended by the snapshot.
    """
    from offline.registry.registry import Registry
    from offline.training.returns import Judged

    scores, made_by = read_scores(file)
    model = Registry().load(made_by["model"], str(made_by["version"]))
    if model.sha256 != made_by["model_sha256"]:
        raise ConfigError(str(file), "model_sha256", made_by["model_sha256"], f"{model.sha256}, that of {model.where}")
    card = model.card
    ts_ns, probability = (scores.column(n).to_numpy() for n in ("ts_ns", "prob_up"))
    assert not len(ts_ns) or int(ts_ns.min()) > made_by["trained_until_ns"], "a scored row was seen in training"
    found = _outcomes(scores, made_by["snapshot"], lake)
    tfs, labels = (scores.column(n).to_pylist() for n in ("tf", "regime"))
    size = np.array([
        0.5 * (card.gain_vols[tf][at] + card.loss_vols[tf][at])
        for tf, at in zip(tfs, (card.regimes.index(r) for r in labels), strict=True)
    ])  # fmt: skip
    unit = found["vol"] * np.sqrt(scores.column("horizon_bars").to_numpy())
    known = np.flatnonzero(np.isfinite(found["value"]) & (unit > 0))
    if not len(known):
        raise ConfigError(str(file), "rows whose horizon has ended", 0, "scores of rows with later rows behind them")
    known = known[np.argsort(ts_ns[known], kind="stable")]
    return Judged(
        ts_ns[known], found["end_ns"][known], probability[known], found["value"][known] / unit[known], unit[known],
        size[known], found["spread_bp"][known], np.zeros(len(known), np.int64),
    ), made_by  # fmt: skip


def _outcomes(scores: Any, snapshot: str, lake: str | None) -> dict[str, np.ndarray]:
    """Return of each scored row: log return over its horizon and when it is known, volatility of a bar, spread."""
    from offline.labels import STRETCH_MAX, forward_log_return
    from offline.lake.reading import Wanted, read
    from schemas.timeframes import TIMEFRAME_NS

    names = ("symbol_id", "tf", "ts_ns", "meta_close", "meta_realized_vol", "meta_spread_bp")
    wanted = Wanted(scores.column("symbol_id").unique().to_pylist(), scores.column("tf").unique().to_pylist(),
                    columns=names)  # fmt: skip
    rows = read(lake_at(lake), "gold", wanted, snapshot).to_pandas()
    # Of two records of one time the last one in the log: the order that they come in.
    rows = rows.drop_duplicates(["symbol_id", "tf", "ts_ns"], keep="last").reset_index(drop=True)
    asked = scores.select(["symbol_id", "tf", "ts_ns", "horizon_bars"]).to_pandas()
    horizon = asked.groupby("tf")["horizon_bars"].first()
    group = rows.groupby(["symbol_id", "tf"], sort=False).ngroup().to_numpy(np.int64)
    n = len(rows)
    value, end_ns = np.empty(n), np.empty(n, np.int64)
    forward_log_return(
        rows["ts_ns"].to_numpy(np.int64), group, rows["meta_close"].to_numpy(np.float64),
        rows["tf"].map(TIMEFRAME_NS).to_numpy(np.int64), rows["tf"].map(horizon).to_numpy(np.int64), STRETCH_MAX,
        value, end_ns,
    )  # fmt: skip
    rows["value"], rows["end_ns"] = value, end_ns
    joined = asked.merge(rows, how="left", on=["symbol_id", "tf", "ts_ns"], validate="one_to_one")
    return {
        "value": joined["value"].to_numpy(np.float64), "end_ns": joined["end_ns"].to_numpy(np.int64),
        "vol": joined["meta_realized_vol"].to_numpy(np.float64),
        "spread_bp": joined["meta_spread_bp"].to_numpy(np.float64),
    }  # fmt: skip


def _lock(run: JobRun, file: Path, evidence: str, days: int) -> dict[str, Any]:
    """Put scores, returns and report under object lock, and write down the receipt."""
    from dataclasses import asdict

    from offline.lake.evidence import EvidenceStore
    from offline.lake.store import LakeStore

    store = EvidenceStore.at(LakeStore.at(evidence))
    receipt = store.put([file, run.out / RETURNS, run.out / REPORT], days=days, under=run.record.run)
    told = json.loads(json.dumps(asdict(receipt)))
    write_json(run.out / RECEIPT, told)
    return {"bucket": receipt.bucket, "keep_until": receipt.keep_until, "files": len(receipt.files)}
