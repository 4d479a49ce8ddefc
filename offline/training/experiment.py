"""The experiment that a recipe's run is a trial of: all that try to predict the same thing."""

from offline.recipes.recipe import ModelRecipe, digest


def experiment_of(recipe: ModelRecipe) -> str:
    """Return the name of what a recipe predicts, such as ``1m_15bars_forward_return_2symbols_0d2f6f1e``.

    Recipes that differ in model, features, validation or seed share it, since each of them is a try at the same target;
    the digest is that of what universe and label mean, as the recipe's hash has it, but for the history that a symbol
    must have.
    """
    u, label, meaning = recipe.universe, recipe.label, recipe.meaning()
    universe = {key: value for key, value in meaning["universe"].items() if key != "min_history_bars"}
    told = digest([universe, meaning["label"]])[:8]
    named = [f"{len(found)}{what}" for what, found in (
        ("symbols", u.symbols), ("classes", u.asset_classes), ("roots", u.roots)) if found]  # fmt: skip
    whose = "_".join(named) or "all"
    return f"{u.timeframe}_{label.horizon_bars}bars_{label.target}_{whose}_{told}"
