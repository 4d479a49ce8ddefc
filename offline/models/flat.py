"""A model of the direction alone: its quantiles are those of all moves, the same for every row."""

from dataclasses import dataclass

import numpy as np
import onnx
from onnx import helper, numpy_helper

from offline.models.estimator import F32, F64, Fitted, Raw

_ZERO, _QUANTILES = "flat_zero", "flat_quantiles"


@dataclass(frozen=True, slots=True)
class FlatFitted:
    """See ``offline.models.estimator.Fitted``.

    Parameters
    ----------
    fitted
        Whose log-odds are told; its quantiles are not.
    quantiles
        Shape (3,): low, middle and high quantile of the moves that it was fitted on.
    """

    fitted: Fitted
    quantiles: F32

    @property
    def batch_rows(self) -> int:
        """Return how many rows are to be scored together; see ``processors.score.batches``."""
        return int(getattr(self.fitted, "batch_rows", 0))

    def predict(self, x: F32) -> Raw:
        """Return the log-odds of the model, and the same quantiles for every row."""
        found = self.fitted.predict(x)
        return Raw(found.logit, np.tile(self.quantiles.astype(np.float64), (len(x), 1)))

    def graph(self) -> onnx.ModelProto:
        """Return the graph of the log-odds, the quantiles as constants, and no node that only made the others."""
        model = onnx.ModelProto()
        model.CopyFrom(self.fitted.graph())
        graph = model.graph
        # The output may have been made of others: what makes it goes by another name, and then altogether.
        nodes = [node for node in graph.node if "quantiles" not in node.output or len(node.output) > 1]
        for node in nodes:
            for i, name in enumerate(node.output):
                node.output[i] = "unread" if name == "quantiles" else name
        needed, kept = {"logit"}, []
        for node in reversed(nodes):
            if needed & set(node.output):
                kept.append(node)
                needed |= set(node.input)
        constants = [c for c in graph.initializer if c.name in needed]
        constants.append(numpy_helper.from_array(np.zeros((), np.float32), _ZERO))
        constants.append(numpy_helper.from_array(self.quantiles[None].astype(np.float32), _QUANTILES))
        # As many rows as there are: log-odds are finite.
        kept = [
            *reversed(kept), helper.make_node("Mul", ["logit", _ZERO], ["flat_rows"]),
            helper.make_node("Add", ["flat_rows", _QUANTILES], ["quantiles"]),
        ]  # fmt: skip
        del graph.node[:], graph.initializer[:], graph.value_info[:]
        graph.node.extend(kept)
        graph.initializer.extend(constants)
        onnx.checker.check_model(model, full_check=True)
        return model

    def edge_rows(self, base: F32) -> F32:
        """Return the edge rows of the model."""
        return self.fitted.edge_rows(base)

    def importance(self, x: F32) -> F64:
        """Return the importance of the model: it is that of the log-odds."""
        return self.fitted.importance(x)
