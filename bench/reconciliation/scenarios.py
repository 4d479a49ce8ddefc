"""Which faults are simulated: each alone in a minority of vendors, all in that minority, and one in every vendor."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from bench.reconciliation.truth import Market
from bench.reconciliation.vendors import Vendor, draw_vendors

Fault = Callable[[Vendor, np.random.Generator], Vendor]


def bias(v: Vendor, rng: np.random.Generator) -> Vendor:
    """Return the vendor 5 to 10 of its noises off."""
    return replace(v, bias_bps=float(rng.choice((-1.0, 1.0)) * rng.uniform(5.0, 10.0)) * v.noise_bps)


def lag(v: Vendor, rng: np.random.Generator) -> Vendor:
    """Return the vendor stamping what is 0.3 to 1.5 s old."""
    return replace(v, lag_ms=float(rng.uniform(300.0, 1500.0)))


def network(v: Vendor, rng: np.random.Generator) -> Vendor:
    """Return the vendor on a line of 200 to 800 ms that jitters."""
    return replace(v, network_ms=float(rng.uniform(200.0, 800.0)), jitter=0.5)


def stale(v: Vendor, rng: np.random.Generator) -> Vendor:
    """Return the vendor repeating itself in 20 to 40 % of the time."""
    return replace(v, stuck_share=float(rng.uniform(0.2, 0.4)))


def spikes(v: Vendor, rng: np.random.Generator) -> Vendor:
    """Return the vendor with 0.5 to 2 % bad prints."""
    return replace(v, spike_share=float(rng.uniform(0.005, 0.02)))


def outage(v: Vendor, rng: np.random.Generator) -> Vendor:
    """Return the vendor silent for 10 to 30 % of the time."""
    return replace(v, outage_share=float(rng.uniform(0.1, 0.3)))


def noise(v: Vendor, rng: np.random.Generator) -> Vendor:
    """Return the vendor three to six times as noisy."""
    return replace(v, noise_bps=v.noise_bps * float(rng.uniform(3.0, 6.0)))


FAULTS: dict[str, Fault] = {
    "bias": bias, "lag": lag, "network": network, "stale": stale, "spikes": spikes, "outage": outage, "noise": noise,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Scenario:
    """Vendors of one row of the table.

    Parameters
    ----------
    faults
        Names of ``FAULTS``.
    everyone
        Every vendor has one of them, instead of a minority that has all.
    """

    name: str
    faults: tuple[str, ...]
    everyone: bool = False

    def vendors(self, market: Market, n: int, rng: np.random.Generator) -> list[Vendor]:
        """Return n vendors; which of them are faulty is drawn."""
        vendors = draw_vendors(market, n, rng)
        if self.everyone:
            for i, at in enumerate(rng.permutation(len(self.faults))[:n].tolist()):
                vendors[i] = FAULTS[self.faults[at]](vendors[i], rng)
            return vendors
        if self.faults:
            for i in rng.permutation(n)[: (n - 1) // 2].tolist():
                for name in self.faults:
                    vendors[i] = FAULTS[name](vendors[i], rng)
        return vendors


SCENARIOS = (
    Scenario("no fault", ()),
    *(Scenario(name, (name,)) for name in FAULTS),
    Scenario("all faults in a minority", tuple(FAULTS)),
    Scenario("one fault in every vendor", tuple(FAULTS), everyone=True),
)
