"""``mps recipe``: check a recipe or a strategy file, and show what it means."""

import json
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from processors.errors import ConfigError, Gathered


@click.group()
def recipe() -> None:
    """Check recipes of models and strategy files.

    \b
    mps recipe check offline/recipes/examples/fx_lgbm.yaml
    mps recipe check offline/recipes/examples/strategy.yaml
    """


@recipe.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print what they mean as JSON; of several a list.")
def check(*, files: tuple[Path, ...], as_json: bool) -> None:
    """Read FILES strictly and show what they mean: columns, packs, hash; of a strategy its models too.

    All wrong keys and values are told with file, line and what is allowed (exit code 2). What is right but cannot be
    used yet is a note: symbols that are not among the instruments, and what keeps a model from being served.

    \b
    mps recipe check offline/recipes/examples/strategy.yaml
    mps recipe check offline/recipes/examples/*.yaml
    """
    wrong = Gathered()
    told = [one for file in files if (one := wrong.of(_meaning, file)) is not None]
    if as_json:
        click.echo(json.dumps(told[0] if len(files) == len(told) == 1 else told))
    else:
        console = Console(highlight=False, soft_wrap=True)
        for one in told:
            _print(console, one)
    wrong.tell()


def _meaning(file: Path) -> dict[str, Any]:
    from offline.recipes.reading import read_file
    from offline.recipes.recipe import ModelRecipe

    found = read_file(file)
    recipes = (found,) if isinstance(found, ModelRecipe) else found.recipes()
    return {
        "file": str(file), "kind": "recipe" if isinstance(found, ModelRecipe) else "strategy", "hash": found.hash,
        "recipes": [_told(r) for r in recipes],
    }  # fmt: skip


def _print(console: Console, told: dict[str, Any]) -> None:
    console.print(f"{told['kind']} {told['file']} {told['hash'][:16]}: as it should be")
    for one in told["recipes"]:
        console.print(f"\n{one['recipe_id']}  {one['model']}  {one['timeframe']}, {one['horizon_bars']} bars ahead, "
                      f"target {one['target']}")  # fmt: skip
        console.print(f"  hash     {one['hash'][:16]}")
        console.print(f"  packs    {', '.join(one['packs'])}")
        console.print(f"  {len(one['inputs'])} inputs  {', '.join(n.removeprefix('features.') for n in one['inputs'])}")
        for note in one["notes"]:
            console.print(f"  note     {note}")
    console.print()


def _told(one: Any) -> dict[str, Any]:
    from offline.recipes.recipe import check_servable
    from offline.recipes.strategy import unknown

    resolved = one.resolved()
    packs = [p.pack_id for p in (*resolved.packs, *([resolved.cross_pack] if resolved.cross_pack else []))]
    notes = unknown(one.universe)
    try:
        check_servable(one)
    except ConfigError as e:
        notes.append(f"for research only: {e.remedy}")
    return {
        "recipe_id": one.recipe_id, "hash": one.hash, "model": one.model.kind, "timeframe": one.universe.timeframe,
        "horizon_bars": one.label.horizon_bars, "target": one.label.target, "packs": packs,
        "inputs": [i.name for i in one.inputs()], "notes": notes,
    }  # fmt: skip
