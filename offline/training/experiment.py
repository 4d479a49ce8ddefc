"""The experiment that a recipe's run is a trial of: all that try to predict the same thing."""

import hashlib
import json
from dataclasses import asdict

from offline.recipes.recipe import ModelRecipe


def experiment_of(recipe: ModelRecipe) -> str:
    """Return the name of what a recipe predicts, such as ``1m_15bars_forward_return_2symbols_0d2f6f1e``.

    Recipes that differ in model, features, validation or seed share it, since each of them is a try at the same target;
    the digest is that of universe and label, but for the history that a symbol must have.
    """
    u, label = recipe.universe, recipe.label
    told = [u.timeframe, sorted(u.symbols), sorted(u.asset_classes), sorted(u.roots), asdict(label)]
    digest = hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:8]
    named = [f"{len(found)}{what}" for what, found in (
        ("symbols", u.symbols), ("classes", u.asset_classes), ("roots", u.roots)) if found]  # fmt: skip
    whose = "_".join(named) or "all"
    return f"{u.timeframe}_{label.horizon_bars}bars_{label.target}_{whose}_{digest}"
