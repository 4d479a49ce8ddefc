"""The configuration in force, and where it differs from the defaults. Called by ``mps config`` and ``mps doctor``."""

import os
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from processors.bars.config import BarsConfig
from processors.configuration import VARIABLE, configured
from processors.reconcile.config import ReconcileConfig
from processors.score.config import ScoreConfig


def in_force() -> dict[str, Any]:
    """Return the blocks of the file that ``MPS_CONFIG`` names, with the defaults for what it leaves out.

    Raises
    ------
    ConfigError
        Names the file, the key, the value and what is allowed.
    """
    reconcile, bars = configured("reconcile", ReconcileConfig()), configured("bars", BarsConfig())
    return _blocks(reconcile, bars, ScoreConfig.from_environment())


def differences() -> dict[str, tuple[Any, Any]]:
    """Return key -> (value in force, default) of each knob that is not at its default."""
    defaults = dict(_leaves(_blocks(ReconcileConfig(), BarsConfig(), ScoreConfig())))
    return {key: (value, defaults[key]) for key, value in _leaves(in_force()) if value != defaults[key]}


def source() -> str:
    """Return where the configuration comes from."""
    return os.environ.get(VARIABLE) or f"the defaults ({VARIABLE} names no file)"


def _blocks(reconcile: ReconcileConfig, bars: BarsConfig, score: ScoreConfig) -> dict[str, Any]:
    return {"reconcile": asdict(reconcile), "bars": asdict(bars), "score": score.blocks()}


def _leaves(tree: dict[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in tree.items():
        if isinstance(value, dict):
            yield from _leaves(value, f"{above}{key}.")
        else:
            yield f"{above}{key}", value
