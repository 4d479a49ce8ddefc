"""Where files live is said once."""

from deploy.local.paths import SHIPPED_TICKS
from tests.contract.test_layers import modules_of


def test_the_folder_of_shipped_ticks_is_spelt_in_one_file():
    """Whoever reads the recordings of the repository imports their place, which holds some."""
    modules = modules_of("bench", "cli", "deploy", "offline", "processors", "serving")
    spelt = [name for name, text in modules.items() if '"demo" / "market"' in text]
    assert spelt == ["deploy.local.paths"]
    assert list(SHIPPED_TICKS.glob("*.parquet"))
