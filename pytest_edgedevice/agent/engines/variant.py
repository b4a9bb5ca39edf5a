"""A label for how a model is quantised, read off its tensors and operators."""

from __future__ import annotations

from typing import Any, Dict, Sequence

import numpy as np

INTEGERS = (np.int8, np.uint8)


def label(
    tensors: Sequence[Dict[str, Any]],
    nodes: Sequence[Dict[str, Any]],
    inputs: Sequence[Dict[str, Any]],
    outputs: Sequence[Dict[str, Any]],
) -> str:
    """One of ``float32``, ``float16``, ``weight_int8``, ``dynamic_int8``, ``int8``, ``int16x8``, or an element type.

    A label for tables, not a claim about numerics: full integer models are
    recognised by quantised inputs, outputs or QUANTIZE operators, weights-only
    ones by int8 constants that are dequantised before use.
    """
    operators = {node["op_name"] for node in nodes}
    dtypes = {tensor["dtype"] for tensor in tensors}
    quantized = {tensor["dtype"] for tensor in tensors if len(tensor["quantization_parameters"]["scales"])}
    edges = {detail["dtype"] for detail in [*inputs, *outputs] if len(detail["quantization_parameters"]["scales"])}
    has_int8 = any(kind in quantized for kind in INTEGERS)
    if np.int16 in quantized and has_int8:
        return "int16x8"
    if has_int8 and (edges or "QUANTIZE" in operators):
        return "int8"
    if has_int8:
        return "weight_int8" if "DEQUANTIZE" in operators else "dynamic_int8"
    if np.float16 in dtypes:
        return "float16"
    if np.float32 in dtypes and np.float64 not in dtypes:
        return "float32"
    return str(np.dtype(inputs[0]["dtype"]).name) if inputs else "unknown"
