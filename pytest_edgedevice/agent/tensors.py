"""Tensors of a request and of its reply: checked on the way in, laid out on the way out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, List, Tuple

from pytest_edgedevice.agent.wire import Buffer, Header, describe, split_tensors

if TYPE_CHECKING:
    from pytest_edgedevice.agent.engines.base import Engine

SMALL_BYTES = 4096

Reply = Tuple[Header, List[Buffer]]


class RequestError(Exception):
    """A request that cannot be served; ``kind`` says whose fault it is."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


def whole(header: Header, name: str, low: int, high: int) -> int:
    """A field that must be a whole number.

    Raises:
        RequestError: It is none, or out of range.
    """
    value = header.get(name)
    if type(value) is not int or not low <= value <= high:
        raise RequestError("protocol", f"'{name}' must be a whole number from {low} to {high}, not {value!r}")
    return value


def read_inputs(engine: Engine, header: Header, payload: memoryview) -> Tuple[int, List[Any]]:
    """The request's tensors as arrays of shape (samples, *model shape), in the engine's order of inputs.

    Raises:
        RequestError: They do not fit the model.
        WireError: They do not fit the payload.
    """
    import numpy as np

    samples = whole(header, "samples", 1, 1 << 32)
    parts = {part.name: part for part in split_tensors(header, payload)}
    if sorted(parts) != sorted(spec["name"] for spec in engine.inputs) or len(parts) != len(header["tensors"]):
        raise RequestError("input", f"inputs are {[spec['name'] for spec in engine.inputs]}, got {sorted(parts)}")
    columns = []
    for spec in engine.inputs:
        part = parts[spec["name"]]
        shape = part.shape
        if part.dtype != spec["dtype"]:
            raise RequestError("input", f"input {part.name!r} has dtype {spec['dtype']}, got {part.dtype}")
        if len(shape) != len(spec["shape"]) + 1 or shape[0] != samples or not _fits(shape[1:], spec["shape"]):
            raise RequestError("input", f"input {part.name!r} has shape {spec['shape']} a sample, got {list(shape)}")
        columns.append(np.frombuffer(part.data, dtype=part.dtype).reshape(shape))
    return samples, columns


def _fits(shape: Tuple[int, ...], pattern: List[int]) -> bool:
    return all(want in (-1, size) for size, want in zip(shape, pattern))


def write_outputs(engine: Engine, collected: List[List[Any]], elapsed: List[int]) -> Reply:
    """Outputs stacked along a new first axis; one entry a sample where the shapes vary.

    Stacking is left to the order of the bytes, but for arrays so small that a
    buffer each would cost more than the copy.
    """
    import numpy as np

    tensors: List[Header] = []
    buffers: List[Buffer] = []
    for spec, arrays in zip(engine.outputs, collected):
        first = arrays[0]
        if any(array.shape != first.shape for array in arrays):
            tensors += [describe(spec["name"], spec["dtype"], array.shape, "sample") for array in arrays]
        else:
            tensors.append(describe(spec["name"], spec["dtype"], (len(arrays), *first.shape)))
        small = first.nbytes < SMALL_BYTES and "role" not in tensors[-1]
        buffers += [_bytes(array) for array in ([np.stack(arrays)] if small else arrays)]
    times = np.asarray(elapsed, dtype=np.int64)
    tensors.append(describe("inference_ns", "int64", times.shape, "timing"))
    buffers.append(_bytes(times))
    return {"op": "run", "samples": len(elapsed), "tensors": tensors}, buffers


def _bytes(array: Any) -> memoryview:
    import numpy as np

    # a view as bytes, because memoryview cannot cast every dtype (float16, complex) nor empty arrays
    flat: Any = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
    return memoryview(flat)
