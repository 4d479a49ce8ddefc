"""What ``mps train`` and the flow ``train`` are asked for: the recipes of files, and the rows of each."""

import hashlib
import json
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from offline.datasets import leakage
from offline.datasets.build import build
from offline.datasets.sources import NO_PROGRESS, GoldRows, GoldSource, Progress, Wanted
from offline.datasets.training_set import TrainingSet
from offline.recipes.reading import read_file
from offline.recipes.recipe import ModelRecipe, check_servable
from processors.errors import ConfigError, Gathered
from processors.score.config import ScoreConfig

Tell = Callable[[str, float | None], None]


@dataclass(frozen=True, slots=True)
class Asked:
    """A model that is to be trained.

    Parameters
    ----------
    path
        The file that asks for it.
    costs
        Those of its strategy; None for a recipe, which is judged by those of the environment.
    """

    path: Path
    recipe: ModelRecipe
    costs: ScoreConfig | None = None

    @property
    def hash(self) -> str:
        """Return the digest of what is asked: of the recipe, and of the costs, which are no part of what a model is."""
        told = [self.recipe.hash, None if self.costs is None else asdict(self.costs)]
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def asked_for(paths: Iterable[Path]) -> tuple[Asked, ...]:
    """Return the models that files ask for: a recipe for one, a strategy for each of its members.

    Raises
    ------
    ConfigError
        A file is wrong, a model could not be served, or two have one id.
    """
    found: list[Asked] = []
    wrong = Gathered()
    for path, read in [(path, wrong.of(read_file, path)) for path in paths]:
        if read is None:
            continue
        if isinstance(read, ModelRecipe):
            found.append(Asked(path, read))
        else:
            found += [Asked(path, recipe, read.score_config()) for recipe in read.recipes()]
    wrong.tell()
    names = [one.recipe.recipe_id for one in found]
    for one in found:
        # Before rows are read, which takes longer.
        check_servable(one.recipe)
        if names.count(one.recipe.recipe_id) > 1:
            raise ConfigError(str(one.path), "id", one.recipe.recipe_id, "an id of its own: another recipe has it too")
    return tuple(found)


class ReadOnce:
    """A source whose rows are read once for all recipes that want the same of it.

    Parameters
    ----------
    source
        Of the rows; what was read of it is held as long as this is.
    """

    def __init__(self, source: GoldSource) -> None:
        self._source = source
        self._found: dict[Wanted, GoldRows] = {}

    def rows(self, wanted: Wanted, progress: Progress = NO_PROGRESS) -> GoldRows:
        """Return the rows; see ``GoldSource``."""
        if wanted not in self._found:
            self._found[wanted] = self._source.rows(wanted, progress)
        return self._found[wanted]


def rows_of(recipe: ModelRecipe, source: GoldSource, tell: Tell) -> tuple[TrainingSet, dict[str, int]]:
    """Return the training set of a recipe, and reason -> samples that were left out.

    Parameters
    ----------
    tell
        Called with each step, and with what was read so far.

    Raises
    ------
    ConfigError
        The source gives no row, or no sample is left.
    LeakageError
        An input knows the label, or what comes after its row.
    """
    seen = 0

    def count(what: str, n: int) -> None:
        nonlocal seen
        seen += n
        tell(f"gold rows, {seen:,} {what}", None)

    data, report = build(recipe, source, count, lambda step: tell(step, None))
    leakage.check_features(data)
    return data, report.samples_left_out
