"""Simulated vendors: the faults are really there, and a seed decides everything."""

from dataclasses import replace

import numpy as np
import pytest

from bench.reconciliation.known_truth import generator
from bench.reconciliation.scenarios import FAULTS, SCENARIOS
from bench.reconciliation.truth import QUOTES, SECOND_NS, START_NS, Truth, draw_truth
from bench.reconciliation.vendors import Ticks, Vendor, draw_vendors, simulate

SECONDS = 600.0
TRUTH = draw_truth(QUOTES, SECONDS, generator("truth"))
SOUND = Vendor("A", rate_hz=5.0, noise_bps=0.1, network_ms=10.0)


def published(vendor: Vendor, truth: Truth = TRUTH, seed: int = 0) -> Ticks:
    """Return the ticks of one vendor."""
    return simulate(QUOTES, [vendor], truth, SECONDS, generator("vendor", seed))


def off_bps(ticks: Ticks, lag_ms: float = 0.0) -> np.ndarray:
    """Return how far each tick is from the truth, as it was some time before."""
    return (ticks.value / TRUTH.at(ticks.ts_event - int(lag_ms * 1e6)) - 1.0) * 1e4


def test_a_seed_decides_everything() -> None:
    """The same parts give the same path, vendors and ticks; another seed gives others."""
    one, same, other = (
        simulate(QUOTES, draw_vendors(QUOTES, 3, generator(seed)), TRUTH, 60.0, generator(seed)) for seed in (1, 1, 2)
    )
    for name in Ticks.__slots__:
        assert np.array_equal(getattr(one, name), getattr(same, name))
    assert not np.array_equal(one.value[:100], other.value[:100])


def test_the_truth_moves_as_its_market_says() -> None:
    """The variance of one second is that of diffusion and jumps, and its kurtosis shows the jumps."""
    truth = draw_truth(QUOTES, 100_000.0, generator("long"))
    moves = np.diff(np.log(truth.price[::100])) * 1e4
    expected = QUOTES.vol_bps**2 + QUOTES.jump_bps**2 / QUOTES.jump_every_s
    assert moves.var() == pytest.approx(expected, rel=0.1)
    assert (np.abs(moves) > 6 * QUOTES.vol_bps).sum() > 100


def test_a_sound_vendor_is_near_the_truth_and_on_the_tick() -> None:
    """Noise and rounding, nothing else; receipt after the stamp, in order."""
    ticks = published(SOUND)
    rounding = QUOTES.tick_size / QUOTES.start * 1e4
    assert np.abs(np.mean(off_bps(ticks))) < 0.02
    assert np.std(off_bps(ticks)) < 0.1 + rounding
    for side in (ticks.bid, ticks.ask):
        assert np.allclose(side / QUOTES.tick_size, np.rint(side / QUOTES.tick_size), atol=1e-6)
    assert (ticks.ts_recv > ticks.ts_event).all()
    assert (np.diff(ticks.ts_recv) >= 0).all()
    assert len(ticks) == pytest.approx(5.0 * SECONDS, rel=0.1)


def test_bias_is_there() -> None:
    """The mean is off by it."""
    assert np.mean(off_bps(published(replace(SOUND, bias_bps=3.0)))) == pytest.approx(3.0, abs=0.05)


def test_lag_is_there_and_hidden() -> None:
    """The values are those of a second ago, and the receive times do not tell."""
    ticks = published(replace(SOUND, lag_ms=1000.0))
    assert np.std(off_bps(ticks, 1000.0)) < 0.2 < np.std(off_bps(ticks))
    assert np.median(ticks.ts_recv - ticks.ts_event) < 15e6


def test_network_is_there_and_shows() -> None:
    """The median delay is that of the line or a little more, since nothing overtakes, and the stamps are honest."""
    ticks = published(replace(SOUND, network_ms=500.0))
    assert np.median(ticks.ts_recv - ticks.ts_event) == pytest.approx(550e6, rel=0.1)
    assert np.std(off_bps(ticks)) < 0.2


def test_stale_repeats_are_there() -> None:
    """The share of repeated values is near the share of stuck time."""
    repeats = [
        np.mean([np.mean(np.diff(published(replace(SOUND, stuck_share=s), seed=k).value) == 0) for k in range(10)])
        for s in (0.0, 0.3)
    ]
    # What is stuck would have been equal by chance as often as the rest.
    assert repeats[1] - repeats[0] == pytest.approx(0.3 * (1 - repeats[0]), abs=0.05)


def test_spikes_are_there() -> None:
    """A share of ticks is off by 20 bp or more, both ways; without the fault none is."""
    off = off_bps(published(replace(SOUND, spike_share=0.02)))
    assert np.mean(np.abs(off) > 18.0) == pytest.approx(0.02, abs=0.008)
    assert np.abs(off).max() < 205.0
    assert off.min() < -18.0
    assert off.max() > 18.0
    assert np.abs(off_bps(published(SOUND))).max() < 2.0


def test_an_outage_is_there() -> None:
    """One silence as long as its share of the time."""
    gaps = np.diff(published(replace(SOUND, outage_share=0.2)).ts_event) / SECOND_NS
    assert gaps.max() == pytest.approx(0.2 * SECONDS, rel=0.05)
    assert np.sort(gaps)[-2] < 5.0


def test_noise_is_there() -> None:
    """The deviation grows as said."""
    assert np.std(off_bps(published(replace(SOUND, noise_bps=2.0)))) == pytest.approx(2.0, rel=0.05)


@pytest.mark.parametrize("n", [3, 5, 7])
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda s: s.name)
def test_a_scenario_has_its_faults_in_so_many_vendors(scenario, n: int) -> None:
    """A minority has all of them, or every vendor has one of its own."""
    sound = draw_vendors(QUOTES, n, generator("s"))
    vendors = scenario.vendors(QUOTES, n, generator("s"))
    faulty = [a for a, b in zip(vendors, sound, strict=True) if a != b]
    assert len(faulty) == (0 if not scenario.faults else n if scenario.everyone else (n - 1) // 2)
    assert len({v.name for v in vendors}) == n
    if scenario.everyone:
        assert len(set(scenario.faults)) == len(FAULTS) == 7


def test_time_starts_where_the_truth_starts() -> None:
    """No tick before, none after the end."""
    ticks = published(SOUND)
    assert ticks.ts_event.min() >= START_NS
    assert ticks.ts_event.max() < START_NS + SECONDS * SECOND_NS
