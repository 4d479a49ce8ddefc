"""Scores into returns net of costs: a yardstick, as training has it, on rows that the model has not seen.

A horizon's outcome is looked up in the same snapshot that was scored. Splits and dividends that were known
(``MPS_FACTS``) are no moves; what runs over one that was not has no outcome, as in training. A row whose signal has a
gate that its data has earned is left out; the gates of cost are asked anew, of the costs that training judged by.
"""

import io
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from offline.jobs.files import write_json
from offline.jobs.flows.inputs import digest_of, files_in_force, lake_at
from offline.jobs.flows.score import FILE, GATES, read_scores
from offline.jobs.run import JobRun, find
from processors.errors import ConfigError
from processors.whole_file import write_whole

if TYPE_CHECKING:
    import pyarrow as pa

    from offline.training.returns import Market, Said
    from processors.score.config import ScoreConfig

RETURNS, REPORT, RECEIPT = "returns.parquet", "report.json", "receipt.json"
FORMAT = 2
"""To be raised with whatever changes what the same scores earn: a finished run of before is no answer then."""
BARRED = ("stale", "gap", "drift", "low_validity")
"""Gates of the row itself; of several the first one counts. Those of cost are no_spread, no_adv and no_edge."""
NO_OUTCOME = "no_outcome"
"""Why a row is left out whose horizon has not ended, or is void."""


@dataclass(frozen=True, slots=True)
class Judged:
    """What is judged.

    Parameters
    ----------
    market, said
        Rows of the snapshot, and what the scores said of those that count.
    made_by
        What made the scores.
    left_out
        Reason -> scored rows that do not count.
    costs
        Those that training judged the version by; None where it took the environment's, or is older and does not say.
    """

    market: "Market"
    said: "Said"
    made_by: dict[str, Any]
    left_out: dict[str, int]
    costs: "ScoreConfig | None"


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
    """Return the digests of the scores, which name model and snapshot, and of files that tell of splits and costs."""
    return {**digest_of([file_of(scores)]), **files_in_force(), "format": FORMAT}


def file_of(scores: str) -> Path:
    """Return a file of scores by its path, or by the run that made it."""
    path = Path(scores)
    return path if path.suffix == ".parquet" else find(scores).folder / "out" / FILE


def _returns(out: Path, file: Path, lake: str | None) -> dict[str, Any]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    from offline.training.returns import net_returns
    from offline.training.run import sharpe_of

    judged = scored_market(file, lake)
    returns, made_by = net_returns(judged.market, judged.said, judged.costs), judged.made_by
    columns = {"ts_ns": returns.ts_ns, "value": returns.value}
    content = io.BytesIO()
    pq.write_table(pa.table(columns).replace_schema_metadata({"mps.backtest": json.dumps(made_by, sort_keys=True)}),
                   content)  # fmt: skip
    write_whole(out / RETURNS, content.getvalue())
    report = {
        **made_by, "rows": len(judged.said.begin), "left_out": judged.left_out,
        "costs_of": "environment" if judged.costs is None else "strategy",
        "periods": len(returns.value), "periods_a_year": returns.periods_a_year,
        "sharpe": sharpe_of(returns), "return": float(returns.value.sum()),
    }  # fmt: skip
    write_json(out / REPORT, report)
    return report


def scored_market(file: Path, lake: str | None) -> Judged:
    """Return the rows of the snapshot, what the scores said of them, and what became of the others.

    Raises
    ------
    ConfigError
        The scores are another model's than the registry's, or no scored row without a gate has a horizon that has
        ended by the snapshot.
    """
    from offline.datasets.horizons import horizons_of
    from offline.datasets.shares import actions_by_zone, events_of, known_files
    from offline.labels import STRETCH_MAX
    from offline.registry.registry import Registry
    from offline.training.returns import Said
    from processors.score.adaptive import runs_over_closed_hours

    scores, made_by = read_scores(file)
    registry = Registry()
    version = registry.find(made_by["model"], str(made_by["version"]))
    model = registry.load(version.name, str(version.version))
    if model.sha256 != made_by["model_sha256"]:
        raise ConfigError(str(file), "model_sha256", made_by["model_sha256"], f"{model.sha256}, that of {model.where}")
    card = model.card
    ((tf, horizon),) = card.horizon_bars.items()
    ts_ns, probability = (scores.column(n).to_numpy() for n in ("ts_ns", "prob_up"))
    assert not len(ts_ns) or int(ts_ns.min()) > made_by["trained_until_ns"], "a scored row was seen in training"
    symbols = tuple(sorted(scores.column("symbol_id").unique().to_pylist()))
    market, vol = _market(symbols, tf, made_by["snapshot"], lake)
    ahead = horizons_of(
        market.ts_ns, market.symbol, symbols, market.close, tf, horizon,
        stretch_max=card.label_stretch_max or STRETCH_MAX, actions=actions_by_zone(events_of(known_files())),
    )  # fmt: skip
    market, end = replace(market, value=ahead.value), ahead.end
    has_outcome = ahead.has_outcome(runs_over_closed_hours(card))
    row = {key: i for i, key in enumerate(zip(market.symbol.tolist(), market.ts_ns.tolist(), strict=True))}
    code = {s: i for i, s in enumerate(symbols)}
    asked = zip(scores.column("symbol_id").to_pylist(), ts_ns.tolist(), strict=True)
    begin = np.array([row[code[symbol], at] for symbol, at in asked], np.int64)
    why = _why_not(scores, has_outcome[begin])
    left_out = {reason: n for reason in (*BARRED, NO_OUTCOME) if (n := why.count(reason))}
    known = np.flatnonzero([not reason for reason in why])
    if not len(known):
        remedy = f"scores of rows without such a gate, with later rows behind them (left out: {left_out})"
        raise ConfigError(str(file), "rows to judge", 0, remedy)
    known = known[np.lexsort((market.symbol[begin[known]], ts_ns[known]))]
    at = begin[known]
    regime = np.array(
        [card.regimes.index(label) for label in scores.column("regime").take(known).to_pylist()], np.int64
    )
    said = Said(at, end[at], probability[known], vol[at] * np.sqrt(horizon), np.array(card.gain_vols[tf])[regime],
                np.array(card.loss_vols[tf])[regime], np.zeros(len(at), np.int64))  # fmt: skip
    return Judged(market, said, made_by, left_out, registry.evidence(version).costs)


def _why_not(scores: "pa.Table", has_outcome: np.ndarray) -> list[str]:
    """Return of each score why it is left out; an empty text where it is not."""
    gates = scores.column(GATES).to_pylist()
    return [
        next((gate for gate in BARRED if gate in own), "" if ended else NO_OUTCOME)
        for own, ended in zip(gates, has_outcome.tolist(), strict=True)
    ]


def _market(symbols: tuple[str, ...], tf: str, snapshot: str, lake: str | None) -> "tuple[Market, np.ndarray]":
    """Return the rows of a snapshot by symbol and time, and the volatility of a bar at each."""
    from offline.lake.reading import Wanted, read
    from offline.training.returns import Market

    names = ("symbol_id", "tf", "ts_ns", "meta_close", "meta_realized_vol", "meta_spread_bp", "meta_volume",
             "meta_adv_pct")  # fmt: skip
    rows = read(lake_at(lake), "gold", Wanted(list(symbols), [tf], columns=names), snapshot).to_pandas()
    # Of two records of one time the last one in the log: the order that they come in.
    rows = rows.drop_duplicates(["symbol_id", "ts_ns"], keep="last").sort_values(["symbol_id", "ts_ns"])
    symbol = np.searchsorted(np.array(symbols), rows["symbol_id"].to_numpy(str)).astype(np.int64)
    close, vol, spread, volume, adv = (rows[name].to_numpy(np.float64) for name in names[3:])
    return Market(tf, symbols, symbol, rows["ts_ns"].to_numpy(np.int64), close, volume, adv, spread), vol


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
