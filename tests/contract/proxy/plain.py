"""Values on their way between two hosts: dataclasses as JSON, arrays as tensors, errors by name.

Nothing is executed or looked up by what a peer says: values are rebuilt from
the fields of a class that the reader chose, errors from a closed list.
"""

from __future__ import annotations

import contextlib
import dataclasses
import types
import typing
from collections.abc import Mapping
from typing import Any, TypeVar

import numpy as np

from pytest_edgedevice import errors
from pytest_edgedevice.agent.wire import ITEM_BYTES, Frame, FrameReader, WireError, describe, encode, split_tensors
from pytest_edgedevice.errors import EdgeDeviceError, InfraError
from pytest_edgedevice.values import Disturbance, Fact, ModelInfo, Placement

if typing.TYPE_CHECKING:
    from pytest_edgedevice.values import Array

T = TypeVar("T")


@dataclasses.dataclass(frozen=True, slots=True)
class Opened:
    """What the far side tells of a device that it has opened."""

    name: str
    identity: str
    facts: Mapping[str, Fact]
    shared: bool


@dataclasses.dataclass(frozen=True, slots=True)
class Loaded:
    """What the far side tells of a model; ``number`` is its name from now on."""

    number: int
    info: ModelInfo
    placement: Placement
    load_ms: float


KINDS = {
    kind.__name__: kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, EdgeDeviceError)
}


def error_fields(error: Exception) -> dict[str, Any]:
    """An error as JSON; one that is not of ours is the world's."""
    if isinstance(error, EdgeDeviceError):
        return {"type": type(error).__name__, "message": error.message, "hint": error.hint}
    return {"type": "InfraError", "message": f"the other side failed: {type(error).__name__}: {error}", "hint": ""}


def error_of(header: Mapping[str, Any]) -> EdgeDeviceError:
    """The error that a peer tells; an unknown one is the world's."""
    kind = KINDS.get(str(header.get("type")), InfraError)
    return kind(str(header.get("message"))[:20_000], hint=str(header.get("hint", ""))[:2000])


def read(kind: type[T], value: Any) -> T:
    """Rebuild a dataclass from what ``dataclasses.asdict`` and JSON made of it.

    Raises:
        WireError: A field is missing, unknown or of another type.
    """
    found: T = _read(kind, value)
    return found


def _read(kind: Any, value: Any) -> Any:
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if dataclasses.is_dataclass(kind):
        hints = typing.get_type_hints(kind, localns={"Mapping": Mapping, "Fact": Fact, "Disturbance": Disturbance})
        if isinstance(value, dict) and value.keys() == {field.name for field in dataclasses.fields(kind)}:
            return kind(**{name: _read(hints[name], item) for name, item in value.items()})  # type: ignore[operator]
    elif origin is tuple and isinstance(value, list):
        return tuple(_read(arguments[0], item) for item in value)
    elif origin is Mapping and isinstance(value, dict):
        return {name: _read(arguments[1], item) for name, item in value.items()}
    elif origin is typing.Literal and value in arguments:
        return value
    elif origin in (typing.Union, types.UnionType):
        for one in arguments:
            with contextlib.suppress(WireError):
                return _read(one, value)
    elif type(value) in {kind, int if kind is float else kind}:
        return float(value) if kind is float else value
    raise WireError(f"{str(value)[:80]!r} is no {kind}")


class Tensors:
    """Arrays of one frame, in order."""

    def __init__(self) -> None:
        self.entries: list[dict[str, Any]] = []
        self.buffers: list[memoryview] = []

    def add(self, name: str, array: Array, *, role: str = "tensor") -> None:
        """Put one more behind the others."""
        if array.dtype.name not in ITEM_BYTES:
            raise WireError(f"{name!r} has dtype {array.dtype}, which has no form on the wire")
        whole = np.ascontiguousarray(array)
        self.entries.append(describe(name, whole.dtype.name, array.shape, role))
        octets: Any = whole.reshape(-1).view(np.uint8)
        self.buffers.append(memoryview(octets))


def arrays_of(frame: Frame) -> list[tuple[str, str, Array]]:
    """Role, name and array of each tensor in a frame.

    Raises:
        WireError: They are not what the header says.
    """
    return [
        (part.role, part.name, np.frombuffer(part.data, part.dtype).reshape(part.shape))
        for part in split_tensors(frame.header, frame.payload)
    ]


__all__ = [
    "FrameReader",
    "Loaded",
    "Opened",
    "Tensors",
    "WireError",
    "arrays_of",
    "encode",
    "error_fields",
    "error_of",
    "read",
]
