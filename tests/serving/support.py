"""A tiny model, gold rows, a store without Redis, and the service on a free port: for the tests of serving."""

import asyncio
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

import fastavro
import grpc
import numpy as np
import onnx
from onnx import TensorProto, helper

from offline.features.service import FeatureService
from processors.errors import RetryableError
from processors.runtime.codec import wire_record
from processors.score.config import ScoreConfig
from processors.score.inputs import Input
from processors.score.model import Model, ModelCard
from processors.sinks.redis_store import FreshnessState
from schemas.registry import load_registry
from serving.config import ServeConfig
from serving.engine import ScoreEngine
from serving.grpc_server import ScoreServer

MINUTE_NS = 60_000_000_000
TS0_NS = int(np.datetime64("2014-05-05T12:00:00", "ns").astype(np.int64))
TRAINED_UNTIL_NS = TS0_NS - 10 * MINUTE_NS
PACK = ("core_v1", "c0ffee" * 8)


def model_bytes(trained_until_ns: int = TRAINED_UNTIL_NS) -> bytes:
    """Return the file of a linear model of the close and the spread that knows 1m and 5m."""
    card = ModelCard(
        name="tiny",
        inputs=(Input("meta.close", "raw"), Input("meta.spread_bp", "raw")),
        required=("meta.close",),
        pack_id=PACK[0],
        pack_hash=PACK[1],
        horizon_bars={"1m": 5, "5m": 3},
        regimes=("trend", "meanrev", "stress"),
        gain_vols={"1m": (1.9, 1.7, 2.3), "5m": (1.8, 1.6, 2.2)},
        loss_vols={"1m": (1.1, 1.2, 1.3), "5m": (1.0, 1.15, 1.25)},
        residual_quantiles={"1m": (-1.5, 1.6), "5m": (-1.4, 1.45)},
        coverage=0.9,
        calibration=(0.8, 0.01),
        trained_until_ns=trained_until_ns,
        seed=7,
        dataset_sha256="ab" * 32,
        versions={"test": "1"},
        regime_model="bocpd",
    )
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 2])
    logit = helper.make_tensor_value_info("logit", TensorProto.FLOAT, [None, 1])
    weights = helper.make_tensor("w", TensorProto.FLOAT, [2, 1], [0.6, 0.03])
    graph = helper.make_graph([helper.make_node("MatMul", ["x", "w"], ["logit"])], "tiny", [x], [logit], [weights])
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    helper.set_model_props(made, card.to_properties())
    onnx.checker.check_model(made)
    raw: bytes = made.SerializeToString()
    return raw


def make_model(trained_until_ns: int = TRAINED_UNTIL_NS) -> Model:
    """Return that model, loaded."""
    return Model(model_bytes(trained_until_ns), "tiny.onnx")


def gold_record(i: int = 0, symbol_id: str = "EURUSD:FX", tf: str = "1m", **changes) -> dict:
    """Return gold row number i of a symbol, every field different from the row before."""
    features = load_registry().current("gold.v1").schema["fields"][3]["type"]["fields"]
    record = {
        "ts": TS0_NS + i * MINUTE_NS,
        "symbol_id": symbol_id,
        "tf": tf,
        "features": {f["name"]: (j + 1) * 1e-3 + i * 1e-5 for j, f in enumerate(features)},
        "regime": {
            "label": ("trend", "meanrev", "stress")[i % 3],
            "p_trend": 0.5 + i * 1e-3,
            "p_meanrev": 0.3 - i * 1e-3,
            "p_stress": 0.2,
            "change_prob": 0.01 + i * 1e-3,
            "run_length": 40.0 + i,
            "hazard": 0.02 + i * 1e-4,
        },
        "warm": True,
        "meta": {
            "close": 1.3871 + i * 1e-4,
            "volume": 0.0,
            "spread_bp": 0.4 + i * 0.01,
            "adv_pct": None,
            "realized_vol": 1.2e-3 + i * 1e-6,
        },
        "quality": {"stale": False, "outlier_frac": 0.01 * (i % 5), "n_src": 1.9, "lat_ms": 3.5 + i, "gap": False},
        "pack_id": PACK[0],
        "pack_hash": PACK[1],
        "raw_offset": 1000 + i,
    }
    for path, value in changes.items():
        *parents, leaf = path.split("__")
        into = record
        for parent in parents:
            into = into[parent]
        into[leaf] = value
    return record


def wire(topic: str, record: dict, version: int = -1) -> bytes:
    """Return a record as it travels; as an earlier released version where one is named, without what came later."""
    entry = load_registry().versions(f"{topic}-value")[version]
    return wire_record(entry.id, fastavro.parse_schema(entry.schema), record)


@dataclass
class FakeStore:
    """Gold rows in memory, with the reader's calls; may be away or slow."""

    rows: dict[tuple[str, str], list[tuple[int, bytes]]] = field(default_factory=dict)
    away: bool = False
    hold: threading.Event | None = None
    asked: list = field(default_factory=list)
    states: dict[tuple[str, str], FreshnessState] = field(default_factory=dict)

    def put(self, record: dict, version: int = -1) -> None:
        """Keep a row."""
        kept = self.rows.setdefault((record["symbol_id"], record["tf"]), [])
        kept.append((record["ts"], wire("gold.v1", record, version)))

    def gold_as_of(self, symbol_id: str, tf: str, as_of_ns: int) -> bytes | None:
        """Return the newest row at or before a time."""
        self._answer((symbol_id, tf, as_of_ns))
        found = [row for ts, row in self.rows.get((symbol_id, tf), []) if ts <= as_of_ns]
        return found[-1] if found else None

    def latest_gold_many(self, wanted: Sequence[tuple[str, str]]) -> list[bytes | None]:
        """Return the newest rows."""
        for one in wanted:
            self._answer(one)
        return [self.rows[one][-1][1] if one in self.rows else None for one in wanted]

    def gold_rows_many(self, wanted, rows: int) -> list[list[tuple[int, int, bytes]]]:
        """Return the newest rows, each at the offset of its place among those that were put."""
        for one in wanted:
            self._answer(one)
        out = []
        for symbol_id, tf, as_of_ns in wanted:
            placed = [(ts, i, row) for i, (ts, row) in enumerate(self.rows.get((symbol_id, tf), []))]
            known = sorted(row for row in placed if as_of_ns is None or row[0] <= as_of_ns)
            out.append(known[-rows:])
        return out

    def consensus_many(self, wanted: Sequence[tuple[str, str]]) -> list[FreshnessState | None]:
        """Return the newest freshness of each consensus."""
        if self.away:
            raise RetryableError("Redis: connection refused")
        return [self.states.get(one) for one in wanted]

    def _answer(self, one) -> None:
        if self.away:
            raise RetryableError("Redis: connection refused")
        if one[0]:
            self.asked.append(one)
            if self.hold is not None:
                self.hold.wait(10)


def make_engine(store, load, now_ns=None) -> ScoreEngine:
    return ScoreEngine(store, load, ScoreConfig(), now_ns)


def config(**changes) -> ServeConfig:
    return ServeConfig(
        **{"redis_url": "redis://127.0.0.1:9/0", "bootstrap_servers": "127.0.0.1:9", "port": 0, "grace_s": 2.0}
        | changes
    )


class Served:
    """A service in a thread of its own, with a channel to it."""

    def __init__(self, engine: ScoreEngine, features: FeatureService | None = None, **changes) -> None:
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()

        async def made() -> ScoreServer:
            server = ScoreServer(config(**changes), engine, features)
            await server.start()
            return server

        self.server = self.run(made())
        self.channel = grpc.insecure_channel(self.server.address)

    def run(self, coroutine):
        """Return the result of a coroutine on the service's loop."""
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(20)

    def close(self) -> None:
        """Stop the service and its thread."""
        self.channel.close()
        self.run(self.server.stop())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(10)
        self.loop.close()
