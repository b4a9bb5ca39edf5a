"""Read what an agent says of a loaded model, trusting none of it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_edgedevice.agent.wire import ITEM_BYTES, MAX_DIMENSIONS, MAX_NAME_CHARS
from pytest_edgedevice.runners.conditions import plain_conditions
from pytest_edgedevice.values import ModelInfo, Placement, Quantization, TensorSpec

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_edgedevice.runners.client import AgentClient
    from pytest_edgedevice.transports.base import Pushed
    from pytest_edgedevice.values import Fact

MAX_SIZE = 1 << 48
MOST_COUNT = (1 << 64) - 1
MOST_PLANNED = 8
DEVICE = re.compile(r"[a-z_]{1,24}")
"""What a plan calls a device: ``cpu``, ``gpu``, ``neural_engine``."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """The reply to ``load``."""

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    placement: Placement
    engine: str
    engine_version: str
    variant: str
    load_ms: float

    def info(self, name: str, pushed: Pushed, threads: int) -> ModelInfo:
        """The model's identity, with what the host knows of the file."""
        return ModelInfo(
            name=name,
            sha256=pushed.sha256,
            size_bytes=pushed.size_bytes,
            variant=self.variant,
            inputs=self.inputs,
            outputs=self.outputs,
            engine=self.engine,
            engine_version=self.engine_version,
            threads=threads,
        )


def read_load(client: AgentClient, header: Mapping[str, Any], *, requested: str) -> Loaded:
    """Check the reply to ``load`` field by field.

    Raises:
        ProtocolError: Something is missing or malformed; the agent is ended.
    """
    try:
        return Loaded(
            inputs=read_specs(header["inputs"]),
            outputs=read_specs(header["outputs"]),
            placement=read_placement(header["placement"], requested),
            engine=short_text(header["engine"]),
            engine_version=short_text(header["engine_version"]),
            variant=short_text(header["variant"]),
            load_ms=count_of(header["load_ns"]) / 1e6,
        )
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise client.broken(f"is malformed ({type(error).__name__}: {str(error)[:200]})") from error


def read_conditions(client: AgentClient, header: Mapping[str, Any]) -> dict[str, Fact]:
    """Check the conditions in a reply to ``facts``: names and plain values.

    Raises:
        ProtocolError: Something else is there; the agent is ended.
    """
    try:
        return plain_conditions(header.get("conditions"))
    except ValueError as error:
        raise client.broken(f"has {error}") from None


def read_specs(entries: Any) -> tuple[TensorSpec, ...]:
    """Check the tensors that were told; what is wrong raises KeyError, TypeError or ValueError."""
    specs = tuple(_spec(entry) for entry in entries)
    if len({spec.name for spec in specs}) != len(specs):
        raise ValueError("two tensors of one name")
    return specs


def _spec(entry: Mapping[str, Any]) -> TensorSpec:
    name, dtype, shape = short_text(entry["name"]), entry["dtype"], entry["shape"]
    if dtype not in ITEM_BYTES:
        raise ValueError(f"dtype {str(dtype)[:40]!r}")
    if (
        not isinstance(shape, list)
        or len(shape) > MAX_DIMENSIONS
        or any(type(n) is not int or not -1 <= n < MAX_SIZE for n in shape)
    ):
        raise ValueError(f"shape {str(shape)[:80]}")
    return TensorSpec(name, dtype, tuple(shape), _quantization(entry.get("quantization")))


def _quantization(entry: Mapping[str, Any] | None) -> Quantization | None:
    if entry is None:
        return None
    axis = entry.get("axis")
    if axis is not None and type(axis) is not int:
        raise ValueError("quantisation axis")
    scales, points = entry["scales"], entry["zero_points"]
    if not isinstance(scales, list) or not isinstance(points, list) or len(scales) != len(points):
        raise ValueError("quantisation scales and zero points")
    return Quantization(tuple(float(scale) for scale in scales), tuple(_integer(point) for point in points), axis)


def read_placement(entry: Mapping[str, Any], requested: str) -> Placement:
    """Check the placement that was told; raises as ``read_specs`` does."""
    requested_only, plan = entry.get("requested_only", False), entry.get("plan", {})
    if type(requested_only) is not bool:
        raise ValueError("requested_only is not a boolean")
    if (plan and not requested_only) or len(plan) > MOST_PLANNED or not all(map(DEVICE.fullmatch, plan)):
        raise ValueError("plan")
    left = {short_text(name): count_of(count) for name, count in entry["left_over"].items()}
    return Placement(
        requested=requested,
        proven=short_text(entry["proven"]),
        nodes=count_of(entry["nodes"]),
        delegated=count_of(entry["delegated"]),
        partitions=count_of(entry["partitions"]),
        left_over=left,
        evidence=short_text(entry["evidence"]),
        requested_only=requested_only,
        plan={name: count_of(count) for name, count in plan.items()},
    )


def short_text(value: Any) -> str:
    """Check a name or a phrase; raises ValueError."""
    if not isinstance(value, str) or len(value) > MAX_NAME_CHARS:
        raise ValueError("not a short string")
    value.encode()  # half a character raises UnicodeEncodeError, a ValueError
    return value


def _integer(value: Any) -> int:
    if type(value) is not int:
        raise ValueError(f"not a whole number: {str(value)[:40]}")
    return value


def count_of(value: Any) -> int:
    """Check a whole number from 0 on; raises ValueError."""
    if _integer(value) < 0:
        raise ValueError(f"negative: {str(value)[:40]}")
    if value > MOST_COUNT:
        raise ValueError(f"too large: {str(value)[:40]}")
    return int(value)
