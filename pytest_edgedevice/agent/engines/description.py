"""The interpreter's tensor details as the wire describes tensors."""

from __future__ import annotations

from typing import Any, Dict, List

import numpy as np

from pytest_edgedevice.agent.engines.base import check_dtype, check_name


def unique(indices: List[int], named: Dict[int, str], details: Dict[int, str], fallback: str) -> List[str]:
    """A name for each tensor: the signature's, else the tensor's own, else its position; told apart where equal."""
    names: List[str] = []
    for position, index in enumerate(indices):
        name = named.get(index) or details.get(index) or f"{fallback}_{position}"
        while name in names:
            name = f"{name}:{position}"
        names.append(name)
    return names


def described_tensor(detail: Dict[str, Any], name: str) -> Dict[str, Any]:
    """Name, dtype, shape (-1 where it varies) and quantisation.

    Raises:
        EngineError: Its type cannot be sent as plain bytes, or its name is too long to be one.
    """
    check_name(name)
    dtype = check_dtype(name, np.dtype(detail["dtype"]).name if detail["dtype"] is not np.bytes_ else "bytes_")
    signature = detail.get("shape_signature")
    shape = [int(size) for size in detail["shape"]]
    if signature is not None and len(signature) == len(shape):  # it tells what varies; the graph tells the rest
        shape = [-1 if varies == -1 else size for varies, size in zip(signature, shape)]
    described: Dict[str, Any] = {
        "name": name,
        "dtype": dtype,
        "shape": shape,
        "quantization": None,
    }
    parameters = detail.get("quantization_parameters") or {}
    if len(parameters.get("scales", ())):
        described["quantization"] = {
            "scales": [float(scale) for scale in parameters["scales"]],
            "zero_points": [int(point) for point in parameters["zero_points"]],
            "axis": int(parameters["quantized_dimension"]) if len(parameters["scales"]) > 1 else None,
        }
    return described
