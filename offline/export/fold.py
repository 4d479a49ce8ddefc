"""Graph, head and card into ONE file: what the score stage reads, in one call of one session."""

import onnx
from onnx import TensorProto, helper

from offline.export.errors import ExportError
from offline.export.head import Head, Nodes
from processors.score.model import FORMAT_1, FORMAT_2, GRAPH_SHA256, ModelCard
from processors.score.wire import graph_sha256

OPSET_MIN = 13
"""From it on axes are inputs, as the head writes them."""
_RAW = {"logit": "raw_logit", "quantiles": "raw_quantiles"}


def fold(graph: onnx.ModelProto, head: Head, card: ModelCard) -> bytes:
    """Return the ONNX file; the same graph, head and card give the same bytes.

    Parameters
    ----------
    graph
        Of a fitted model: ``x`` -> ``logit`` (n, 1), ``quantiles`` (n, 3), float32.
    head
        Calibration and conformal offsets.
    card
        Of format 2 or 3.

    Raises
    ------
    ExportError
        The graph is of another form than the card says, or its operators are too old.
    """
    if card.format == FORMAT_1:
        raise ExportError(f"card of format {FORMAT_1}: a folded file has format {FORMAT_2} or later: name its kind")
    _check_form(graph, card)
    model = onnx.ModelProto()
    model.CopyFrom(graph)
    _rename(model.graph, _RAW)
    nodes = Nodes()
    head.write(nodes, "raw_logit", "raw_quantiles")
    model.graph.node.extend(nodes.nodes)
    model.graph.initializer.extend(nodes.constants)
    model.graph.name = card.name
    # What a shape inference left of the inner outputs would now be said of the outer ones.
    del model.graph.value_info[:]
    del model.graph.output[:]
    for name, width in (("logit", 1), ("quantiles", 3), ("bounds", 2)):
        model.graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", width]))
    properties = card.to_properties()
    properties[GRAPH_SHA256] = graph_sha256(model.SerializeToString(deterministic=True))
    helper.set_model_props(model, dict(sorted(properties.items())))
    onnx.checker.check_model(model, full_check=True)
    raw: bytes = model.SerializeToString(deterministic=True)
    return raw


def _check_form(model: onnx.ModelProto, card: ModelCard) -> None:
    """Refuse a graph that is no model of the card."""
    opset = next((o.version for o in model.opset_import if o.domain in {"", "ai.onnx"}), 0)
    if opset < OPSET_MIN:
        raise ExportError(f"graph has operators of opset {opset}: at least {OPSET_MIN} is needed")
    outputs = sorted(o.name for o in model.graph.output)
    inputs = [i for i in model.graph.input if i.name not in {t.name for t in model.graph.initializer}]
    if [i.name for i in inputs] != ["x"] or outputs != sorted(_RAW):
        names = ", ".join(i.name for i in inputs)
        raise ExportError(f"graph maps {names} to {', '.join(outputs)}: it must map x to logit and quantiles")
    found = [d.dim_value for d in inputs[0].type.tensor_type.shape.dim][1:]
    wanted = [len(card.inputs)] if card.window_bars == 1 else [card.window_bars, len(card.inputs)]
    if found != wanted:
        raise ExportError(
            f"graph reads rows of {found}, card names {card.window_bars} bars of {len(card.inputs)} inputs"
        )
    taken = [
        n for node in model.graph.node for n in node.output if n.startswith("head_") or n in {*_RAW.values(), "bounds"}
    ]
    if taken:
        raise ExportError(f"graph has values named {', '.join(taken)}: the head needs these names")


def _rename(graph: onnx.GraphProto, names: dict[str, str]) -> None:
    """Rename values of a graph wherever they are made or read, in the bodies of loops too."""
    for node in graph.node:
        for side in (node.input, node.output):
            for i, name in enumerate(side):
                side[i] = names.get(name, name)
        for attribute in node.attribute:
            for inner in (attribute.g, *attribute.graphs) if attribute.type in {5, 10} else ():
                _rename(inner, names)
