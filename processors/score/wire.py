"""The graph inside of an ONNX file, found without ONNX: protobuf's outermost layer is enough to take its digest.

Metadata and graph are two fields of one message. A card that was put on another graph is told by the digest of the
graph that it carries.
"""

import hashlib

_GRAPH_FIELD = 7
"""``ModelProto.graph`` in onnx.proto."""
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


def graph_sha256(raw: bytes) -> str:
    """Return the digest of the serialised graph of an ONNX file; that of nothing where there is none.

    Raises
    ------
    ValueError
        The bytes are no protobuf message.
    """
    digest, at = hashlib.sha256(), 0
    while at < len(raw):
        tag, at = _varint(raw, at)
        kind = tag & 7
        if kind == _VARINT:
            _, at = _varint(raw, at)
            continue
        if kind == _BYTES:
            length, at = _varint(raw, at)
        elif kind in {_FIXED32, _FIXED64}:
            length = 4 if kind == _FIXED32 else 8
        else:
            raise ValueError(f"wire type {kind} at byte {at} is none of ONNX")
        if at + length > len(raw):
            raise ValueError(f"field {tag >> 3} ends at byte {at + length} of {len(raw)}")
        if tag >> 3 == _GRAPH_FIELD:
            digest.update(raw[at : at + length])
        at += length
    return digest.hexdigest()


def _varint(raw: bytes, at: int) -> tuple[int, int]:
    """Return a number and the place after it."""
    value, shift = 0, 0
    while at < len(raw) and shift < 64:
        byte = raw[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at
    raise ValueError(f"a number does not end at byte {at}")
