"""Forests as ONNX writes them: one ``TreeEnsembleRegressor`` whose splits decide every float32 as the trainer does."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper

F32 = NDArray[np.float32]

OPSET, OPSET_ML, IR_VERSION = 17, 3, 8
"""Read by every onnxruntime since 1.12."""
AT_MOST, BELOW = "BRANCH_LEQ", "BRANCH_LT"
"""Which values go to the true branch of a split: ``x <= t``, or ``x < t``."""
LEAF = -1


@dataclass(slots=True)
class Tree:
    """One tree in pre-order; entry i of each list is node i, node 0 the root.

    Parameters
    ----------
    feature
        Column of the input; ``LEAF`` where the node is a leaf.
    threshold
        Of the split, a float32; 0.0 at a leaf.
    left, right
        Children of the split, the left one where the comparison holds; 0 at a leaf.
    null_goes_left
        Which way a null goes.
    value
        Of the leaf; 0.0 at a split.
    """

    feature: list[int] = field(default_factory=list)
    threshold: list[float] = field(default_factory=list)
    left: list[int] = field(default_factory=list)
    right: list[int] = field(default_factory=list)
    null_goes_left: list[bool] = field(default_factory=list)
    value: list[float] = field(default_factory=list)

    def add_split(self, feature: int, threshold: float, *, null_goes_left: bool) -> int:
        """Append a split whose children are not known yet; return its number."""
        return self._add(feature, threshold, null_goes_left, 0.0)

    def add_leaf(self, value: float) -> int:
        """Append a leaf; return its number."""
        return self._add(LEAF, 0.0, False, value)

    def _add(self, feature: int, threshold: float, null_goes_left: bool, value: float) -> int:
        self.feature.append(feature)
        self.threshold.append(threshold)
        self.null_goes_left.append(null_goes_left)
        self.value.append(value)
        self.left.append(0)
        self.right.append(0)
        return len(self.feature) - 1

    def link(self, parent: int, branch: str, child: int) -> None:
        """Set the ``left`` or ``right`` child of a split; a parent of -1 is none."""
        if parent >= 0:
            (self.left if branch == "left" else self.right)[parent] = child


@dataclass(frozen=True, slots=True)
class Forest:
    """The sum of trees and a base.

    Parameters
    ----------
    mode
        ``AT_MOST`` or ``BELOW``.
    base
        What is added to the leaves.
    """

    mode: str
    trees: list[Tree]
    base: float = 0.0


def ensemble_node(forest: Forest, output: str, slope: float = 1.0, intercept: float = 0.0) -> onnx.NodeProto:
    """Return the node that maps ``x`` to intercept + slope * (base + sum of leaves), shape (n, 1)."""
    return helper.make_node(
        "TreeEnsembleRegressor", ["x"], [output], domain="ai.onnx.ml", n_targets=1, aggregate_function="SUM",
        post_transform="NONE", base_values=[slope * forest.base + intercept], **_attributes(forest, slope),
    )  # fmt: skip


def _attributes(forest: Forest, slope: float) -> dict[str, Any]:
    """Return the trees as attributes of the node, leaves times ``slope``."""
    a: dict[str, list[Any]] = {
        "nodes_" + k: [] for k in ("treeids", "nodeids", "featureids", "modes", "values", "truenodeids",
                                   "falsenodeids", "missing_value_tracks_true")
    }  # fmt: skip
    a |= {"target_" + k: [] for k in ("treeids", "nodeids", "ids", "weights")}
    for number, tree in enumerate(forest.trees):
        n = len(tree.feature)
        leaves = [i for i in range(n) if tree.feature[i] == LEAF]
        a["nodes_treeids"] += [number] * n
        a["nodes_nodeids"] += range(n)
        a["nodes_featureids"] += [max(f, 0) for f in tree.feature]
        a["nodes_modes"] += ["LEAF" if f == LEAF else forest.mode for f in tree.feature]
        a["nodes_values"] += tree.threshold
        a["nodes_truenodeids"] += tree.left
        a["nodes_falsenodeids"] += tree.right
        a["nodes_missing_value_tracks_true"] += map(int, tree.null_goes_left)
        a["target_treeids"] += [number] * len(leaves)
        a["target_nodeids"] += leaves
        a["target_ids"] += [0] * len(leaves)
        a["target_weights"] += [slope * tree.value[i] for i in leaves]
    return dict(a)


def forests_graph(n_inputs: int, logit: Forest, quantiles: tuple[Forest, Forest, Forest]) -> onnx.ModelProto:
    """Return the graph ``x`` -> ``logit`` (n, 1), ``quantiles`` (n, 3) of four forests."""
    names = ["low", "middle", "high"]
    nodes = [ensemble_node(logit, "logit")]
    nodes += [ensemble_node(forest, name) for forest, name in zip(quantiles, names, strict=True)]
    nodes.append(helper.make_node("Concat", names, ["quantiles"], axis=1))
    return table_graph(nodes, n_inputs)


def table_graph(nodes: list[onnx.NodeProto], n_inputs: int, constants: list[onnx.TensorProto] | None = None,
                name: str = "model") -> onnx.ModelProto:  # fmt: skip
    """Return the graph of nodes that map ``x`` (n, n_inputs) to ``logit`` (n, 1) and ``quantiles`` (n, 3)."""
    graph = helper.make_graph(
        nodes,
        name,
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", n_inputs])],
        [
            helper.make_tensor_value_info("logit", TensorProto.FLOAT, ["n", 1]),
            helper.make_tensor_value_info("quantiles", TensorProto.FLOAT, ["n", 3]),
        ],
        constants or [],
    )
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid("ai.onnx.ml", OPSET_ML)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION, producer_name="mps")


def edge_rows(forests: tuple[Forest, ...], base: F32) -> F32:
    """Return rows that reach every split and stand on it: one float32 below, at it, one above, and null there.

    Parameters
    ----------
    base
        Shape (m, n_inputs), real rows to take the inputs from that lead nowhere else, in turn.

    Returns
    -------
    Shape (4 * number of splits, n_inputs).
    """
    found: list[F32] = []
    for forest in forests:
        for tree in forest.trees:
            found += _edges_of(tree, forest.mode, base, 4 * len(found))
    rows = np.concatenate(found) if found else np.empty((0, base.shape[1]), np.float32)
    return np.ascontiguousarray(rows, np.float32)


def _edges_of(tree: Tree, mode: str, base: F32, first: int) -> list[F32]:
    """Return four rows for each split of a tree."""
    found: list[F32] = []
    # Node, and the way to it: column -> (above, up to), both float32.
    stack: list[tuple[int, dict[int, tuple[np.float32, np.float32]]]] = [(0, {})]
    while stack:
        node, way = stack.pop()
        column = tree.feature[node]
        if column == LEAF:
            continue
        at = np.float32(tree.threshold[node])
        if mode == BELOW:
            at = np.nextafter(at, np.float32(-np.inf))
        rows = np.tile(base[(first + len(found)) % len(base)], (4, 1))
        for j, (low, high) in way.items():
            # Inputs that would turn off before the split is reached; a null takes either way, so it may not stay.
            if not low < rows[0, j] <= high:
                rows[:, j] = high if np.isfinite(high) else np.nextafter(low, np.float32(np.inf))
        with np.errstate(over="ignore"):
            rows[:, column] = (
                np.nextafter(at, np.float32(-np.inf)), at, np.nextafter(at, np.float32(np.inf)), np.float32(np.nan)
            )  # fmt: skip
        found.append(rows)
        low, high = way.get(column, (np.float32(-np.inf), np.float32(np.inf)))
        stack.append((tree.right[node], {**way, column: (max(low, at), high)}))
        stack.append((tree.left[node], {**way, column: (low, min(high, at))}))
    return found
