"""Categories of instruments as the mean target of their rows, fitted on the rows that a fold learns from.

A category is a column of ``x`` that holds a code (``category(root)``). What a model reads in its place: of a row that
it learns from, the mean by the labels that were known then; of any other row, the mean of all rows that it learnt from.
"""

from dataclasses import dataclass

import numpy as np
import onnx
from numpy.typing import NDArray

from offline.datasets.encoders import FittedTargetEncoder, TargetEncoder
from offline.datasets.leakage import check_fitted
from offline.datasets.training_set import F32, F64, I64, TrainingSet
from offline.export.errors import ExportError
from offline.models.estimator import Fitted, Raw
from offline.recipes.recipe import ModelRecipe


@dataclass(frozen=True, slots=True)
class Encoding:
    """The encoders of a recipe, fitted.

    Parameters
    ----------
    columns
        Of ``x``, one for each encoder.
    fitted
        The encoders.
    rows, values
        Samples that it was fitted on, ascending, and what each is learnt with, shape (n_rows, n_encoders).
    """

    columns: tuple[int, ...]
    fitted: tuple[FittedTargetEncoder, ...]
    rows: I64
    values: F64

    def apply(self, x: F32) -> F32:
        """Return inputs with values in place of codes; rows, or windows of rows."""
        out = x.copy()
        for column, encoder in zip(self.columns, self.fitted, strict=True):
            out[..., column] = encoder.transform(x[..., column].astype(np.int64).ravel()).reshape(x.shape[:-1])
        return out

    def learnt(self, x: F32, samples: I64) -> F32:
        """Return inputs of samples as they are learnt from: those that it was fitted on see no label but known ones."""
        out = self.apply(x)
        at = np.minimum(np.searchsorted(self.rows, samples), len(self.rows) - 1)
        own = np.flatnonzero(self.rows[at] == samples)
        for j, column in enumerate(self.columns):
            value = self.values[at[own], j].astype(np.float32)
            out[own, ..., column] = value if x.ndim == 2 else value[:, None]
        return out


def fit_encoding(recipe: ModelRecipe, data: TrainingSet, rows: I64) -> Encoding | None:
    """Return the encoders of a recipe by the samples that a fold learns from; None where the recipe has none.

    Raises
    ------
    LeakageError
        An encoder has seen other rows.
    """
    if not recipe.encoders:
        return None
    names, rows = [i.name for i in data.inputs], np.sort(rows)
    at, columns, fitted, values = data.at[rows], [], [], []
    for spec in recipe.encoders:
        column, encoder = names.index(spec.input), TargetEncoder(spec.smoothing)
        category = data.x[data.at, column].astype(np.int64)
        one = encoder.fit(category[rows], data.target[rows])

        def learn(category: I64, target: F64, encoder: TargetEncoder = encoder) -> F64:
            return encoder.fit(category, target).statistics()

        check_fitted(spec.input, one.statistics(), learn, rows, category, data.target)
        columns.append(column)
        fitted.append(one)
        values.append(encoder.expanding(category[rows], data.target[rows], data.ts_ns[at], data.end_ns[rows]))
    return Encoding(tuple(columns), tuple(fitted), rows, np.column_stack(values))


@dataclass(frozen=True, slots=True)
class EncodedFitted:
    """A model of encoded categories; see ``offline.models.estimator.Fitted``."""

    fitted: Fitted
    encoding: Encoding

    def predict(self, x: F32) -> Raw:
        """Return the prediction of rows with codes."""
        return self.fitted.predict(self.encoding.apply(x))

    def graph(self) -> onnx.ModelProto:
        """Refuse: a gold row has no category that a graph could read; raises ExportError."""
        raise ExportError("a model with encoders has no graph: a gold row has no column of the category")

    def edge_rows(self, base: F32) -> NDArray[np.float32]:
        """Return the edge rows of the model, which has values in place of codes."""
        return self.fitted.edge_rows(self.encoding.apply(base))

    def importance(self, x: F32) -> F64:
        """Return the importance of rows with codes."""
        return self.fitted.importance(self.encoding.apply(x))
