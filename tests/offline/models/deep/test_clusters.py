"""Clusters of instruments, and one refined network for each."""

import numpy as np
import pytest

from offline.models.deep.clusters import NO_CLUSTER, read_clusters
from offline.models.deep.fine_tuning import fine_tune
from offline.models.estimator import no_progress
from processors.errors import ConfigError
from schemas.instruments import load_instruments
from tests.offline.models.deep.support import make, make_samples


def test_instruments_belong_to_clusters_by_class_and_root():
    """Shares and index futures are equities, gold in any form is a metal; contracts of one root share a cluster."""
    clusters, instruments = read_clusters(), load_instruments()
    symbols = ("SPY:US", "ESZ13:CME", "GCZ13:CMX", "XAUUSD:CFD", "EURUSD:FX", "BTC-USD:CRYPTO")
    found = [clusters.names[i] for i in clusters.of_symbols(symbols, instruments)]
    assert found == ["equities", "equities", "metals", "metals", "currencies", "crypto"]
    assert {"equities", "commodities", "energy", "metals"} <= set(clusters.names)
    assert (clusters.of_symbols(list(instruments.by_symbol), instruments) != NO_CLUSTER).all()
    with pytest.raises(ConfigError, match="NO:SUCH"):
        clusters.of_symbols(["NO:SUCH"], instruments)


@pytest.mark.parametrize(
    "text",
    [
        "a: {roots: [CL]}\nb: {roots: [CL]}", "a: {asset_classes: [bond]}", "a: {root: [CL]}", "a: {roots: [6]}",
        "a: {roots: CL}", "a: [CL]", "- a", "1: {roots: [CL]}", "a: {", "",
    ],
)  # fmt: skip
def test_a_wrong_file_of_clusters_is_refused(text, tmp_path):
    """A root in two clusters, an unknown class or key, a root that is no text, and no mapping of lists are refused."""
    path = tmp_path / "clusters.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"clusters\.yaml"):
        read_clusters(path)


def test_each_cluster_with_samples_enough_gets_a_network_of_its_own(tmp_path):
    """Clusters with samples enough are refined from the base, each to its own; the others are left to the base."""
    estimator = make("nbeats", epochs_max=1)
    train, valid = make_samples(300), make_samples(90, seed=1)
    base = estimator.fit(train, valid, seed=1, progress=no_progress, checkpoint=None)
    shares = []
    tuned = fine_tune(
        estimator, base, train, valid, np.array([0, 1, -1]), ("equities", "energy", "metals"), seed=1,
        progress=lambda _, share: shares.append(share), checkpoint=tmp_path / "tune", frozen=("mix.",), samples_min=50,
    )  # fmt: skip
    assert set(tuned) == {"equities", "energy"}
    assert shares == sorted(shares)
    for fitted in tuned.values():
        assert np.array_equal(fitted.params["mix.w"], base.params["mix.w"])
        assert not np.array_equal(fitted.params["stack0.block0.ahead"], base.params["stack0.block0.ahead"])
    assert (tmp_path / "tune.energy").is_file()
    none = fine_tune(
        estimator, base, train, valid, np.array([0, 1, -1]), ("energy",), seed=1, progress=no_progress, checkpoint=None
    )
    assert none == {}
