"""The notebook of docs/ runs from its first cell to its last against a small warehouse, and draws its plots."""

import base64
from pathlib import Path

import pytest

from offline.warehouse.client import Warehouse
from tests.offline.warehouse.small import fill

ROOT = Path(__file__).parents[3]
NOTEBOOK = ROOT / "docs/notebooks/signals.ipynb"


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_every_cell_runs_and_every_plot_is_drawn(tmp_path, monkeypatch):
    """No cell fails, the table has the timeframes, and each plot is a picture that is not empty."""
    nbformat = pytest.importorskip("nbformat")
    nbclient = pytest.importorskip("nbclient")
    pytest.importorskip("matplotlib")
    warehouse = Warehouse.embedded(tmp_path / "clickhouse")
    fill(warehouse)
    # The notebook opens the folder itself: one process may have it.
    warehouse.close()
    for name in ("MPS_WAREHOUSE_URL", "MPS_CLICKHOUSE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MPS_CLICKHOUSE_PATH", str(tmp_path / "clickhouse"))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    assert not any(cell.get("outputs") for cell in notebook.cells), "outputs are not kept: they are someone's data"
    client = nbclient.NotebookClient(notebook, timeout=300, kernel_name="python3",
                                     resources={"metadata": {"path": str(NOTEBOOK.parent)}})  # fmt: skip
    client.execute()
    outputs = [out for cell in notebook.cells for out in cell.get("outputs", [])]
    pictures = [base64.b64decode(out["data"]["image/png"]) for out in outputs if "image/png" in out.get("data", {})]
    assert len(pictures) == sum("plt.show()" in cell.source for cell in notebook.cells) == 5
    assert all(len(picture) > 5_000 for picture in pictures)
    tables = "".join(out["data"]["text/plain"] for out in outputs if "text/html" in out.get("data", {}))
    assert all(tf in tables for tf in ("1m", "5m", "15m"))
