"""All scenarios, markets, numbers of vendors and seeds: the error of each method against the truth."""

import zlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from bench.reconciliation.candidate import candidate, knobs_of
from bench.reconciliation.driver import reconciled
from bench.reconciliation.errors import as_array, as_of, error_of, grid, methods
from bench.reconciliation.scenarios import SCENARIOS, Scenario
from bench.reconciliation.truth import F64, QUOTES, TRADES, Market, draw_truth
from bench.reconciliation.vendors import Ticks, simulate
from processors.reconcile.config import ReconcileConfig

MARKETS = (QUOTES, TRADES)
COUNTS = (3, 5, 7)
CONSENSUS, CANDIDATE = "consensus", "variant"


@dataclass(frozen=True, slots=True)
class Row:
    """Errors of one scenario with one number of vendors.

    Parameters
    ----------
    errors
        Method -> shape (n_seeds, 4), basis points, columns as ``errors.NAMES``.
    """

    market: str
    scenario: str
    n: int
    errors: dict[str, F64]

    def mean(self, method: str, column: int = 0) -> float:
        """Return the mean over the seeds."""
        return float(self.errors[method][:, column].mean())

    def standard_error(self, method: str, column: int = 0) -> float:
        """Return the standard error of that mean."""
        x = self.errors[method][:, column]
        return float(x.std(ddof=1) / np.sqrt(len(x))) if len(x) > 1 else 0.0

    def against(self, method: str, of: str = CONSENSUS) -> tuple[float, float]:
        """Return mean and standard error over the seeds of one method's RMSE less that of another.

        Of pairs: both saw the same ticks, so what a seed does to both drops out.
        """
        d = self.errors[of][:, 0] - self.errors[method][:, 0]
        return float(d.mean()), float(d.std(ddof=1) / np.sqrt(len(d))) if len(d) > 1 else 0.0


def generator(*parts: object) -> np.random.Generator:
    """Return a generator whose seed is made of the parts, the same in every process."""
    return np.random.default_rng(zlib.crc32(repr(parts).encode()))


def candidate_prices(market: Market, n: int, ticks: Ticks) -> F64:
    """Return the candidate's price after each tick, with the knobs that the stage has for the asset class."""
    knobs = knobs_of(ReconcileConfig(), market.asset_class, market.kind)
    return candidate(ticks.vendor, ticks.ts_event, ticks.value, n, market.tick_size, knobs)


def run_one(market: Market, scenario: Scenario, n: int, seed: int, seconds: float) -> dict[str, F64]:
    """Return the errors of every method in one simulation, method -> shape (4,)."""
    # The same truth for every scenario and number of vendors: differences are of the vendors.
    truth = draw_truth(market, seconds, generator("truth", market.kind, seed))
    rng = generator("vendors", market.kind, scenario.name, n, seed)
    vendors = scenario.vendors(market, n, rng)
    ticks = simulate(market, vendors, truth, seconds, rng)
    at = grid(seconds)
    known, price, _ = reconciled(market, vendors, ticks)
    out = {
        CONSENSUS: error_of(as_of(known, price, at), truth, at),
        CANDIDATE: error_of(as_of(ticks.ts_recv, candidate_prices(market, n, ticks), at), truth, at),
    }
    return {name: as_array(e) for name, e in (out | methods(ticks, n, truth, at)).items()}


def run_all(seeds: int, seconds: float, done: Callable[[], object]) -> list[Row]:
    """Return all rows; ``done`` is called after each simulation."""
    rows = []
    for market in MARKETS:
        for scenario in SCENARIOS:
            for n in COUNTS:
                runs = []
                for seed in range(seeds):
                    runs.append(run_one(market, scenario, n, seed, seconds))
                    done()
                rows.append(Row(market.kind, scenario.name, n, {m: np.stack([r[m] for r in runs]) for m in runs[0]}))
    return rows
