"""A model that an agent has loaded: requests for it, and replies held against what was announced."""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_edgedevice.agent.wire import (
    ITEM_BYTES,
    MAX_PAYLOAD_BYTES,
    Buffer,
    Header,
    TensorPart,
    WireError,
    split_tensors,
)
from pytest_edgedevice.conformance.check import PromiseError
from pytest_edgedevice.conformance.models import announced_inputs
from pytest_edgedevice.conformance.talk import shown
from pytest_edgedevice.runners.replies import count_of, read_placement, read_specs, short_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_edgedevice.agent.wire import Frame
    from pytest_edgedevice.conformance.models import Model
    from pytest_edgedevice.conformance.talk import Talk
    from pytest_edgedevice.values import TensorSpec

MOST_VARYING_BYTES = 64 << 20


@dataclass(frozen=True, slots=True)
class Loaded:
    """One loaded model and the conversation that it is loaded in."""

    talk: Talk
    model: Model
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]

    def request(self, samples: int) -> tuple[list[Header], list[bytes]]:
        """Entries and bytes of a request that fits.

        Raises:
            PromiseError: What was announced cannot be sent.
        """
        try:
            return announced_inputs(self.inputs, samples)
        except ValueError as error:
            raise PromiseError(f"in the reply to load, {error}") from None

    def run(self, samples: int, entries: Sequence[Header], buffers: Sequence[Buffer]) -> dict[str, TensorPart]:
        """Run; outputs by name, each in one piece.

        Raises:
            PromiseError: The reply is not what was announced.
        """
        return self.outputs_of(self.send(samples, entries, buffers), samples)

    def send(self, samples: int, entries: Sequence[Header], buffers: Sequence[Buffer]) -> int:
        """Ask for a run without waiting; its number."""
        return self.talk.send("run", *buffers, samples=samples, tensors=list(entries))

    def outputs_of(self, number: int, samples: int) -> dict[str, TensorPart]:
        """What came of a run; as ``run``."""
        frame = self.talk.reply("run", number, max_reply_bytes=self.most_bytes(samples))
        if frame.header.get("samples") != samples:
            raise PromiseError(f"samples {shown(frame.header.get('samples'))} in the reply")
        parts = read_parts(frame)
        if not parts or parts[-1].name != "inference_ns" or parts[-1].role != "timing":
            raise PromiseError(f"tensors {_names(parts)}, of which the last is no timing inference_ns")
        times = timing(parts[-1])
        if len(times) != samples or min(times) < 0:
            raise PromiseError(f"inference_ns {shown(times)} for {samples} samples")
        return self._outputs(parts[:-1], samples)

    def _outputs(self, parts: Sequence[TensorPart], samples: int) -> dict[str, TensorPart]:
        found = {part.name: part for part in parts}
        if set(found) != {spec.name for spec in self.outputs}:
            raise PromiseError(f"outputs {_names(parts)}, announced were {_names(self.outputs)}")
        for spec in self.outputs:
            for part in (part for part in parts if part.name == spec.name):
                lead = () if part.role == "sample" else (samples,)
                shape = (*lead, *(None if size == -1 else size for size in spec.shape))
                fits = len(shape) == len(part.shape) and all(
                    want in (None, size) for want, size in zip(shape, part.shape, strict=True)
                )
                if part.dtype != spec.dtype or part.role == "timing" or not fits:
                    raise PromiseError(
                        f"{part.name!r} as {part.role} {part.dtype} {list(part.shape)}, announced {spec}"
                    )
        return found

    def most_bytes(self, samples: int) -> int:
        """Payload that the reply to a run may have."""
        if any(-1 in spec.shape for spec in self.outputs):
            return MOST_VARYING_BYTES
        sizes = (math.prod(spec.shape) * ITEM_BYTES[spec.dtype] for spec in self.outputs)
        return min(samples * (8 + sum(sizes)), MAX_PAYLOAD_BYTES)

    def series(self, operation: str, *buffers: Buffer, most: int, **fields: Any) -> tuple[Header, dict[str, list[int]]]:
        """Ask for series of nanoseconds; the reply's header, and the series by name."""
        number = self.talk.send(operation, *buffers, **fields)
        frame = self.talk.reply(operation, number, max_reply_bytes=most * 8)
        return frame.header, {part.name: timing(part) for part in read_parts(frame)}


def read_loaded(talk: Talk, model: Model, header: Header) -> Loaded:
    """Check the reply to ``load``.

    Raises:
        PromiseError: A field is missing or malformed.
    """
    field = "inputs"
    try:
        inputs = read_specs(header["inputs"])
        field = "outputs"
        outputs = read_specs(header["outputs"])
        field = "placement"
        read_placement(header["placement"], "")
        for field in ("engine", "engine_version", "variant"):
            short_text(header[field])
        field = "load_ns"
        count_of(header["load_ns"])
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise PromiseError(f"{field!r} in the reply is {shown(header.get(field))} ({str(error)[:100]})") from None
    if not outputs:
        raise PromiseError("a model without outputs")
    return Loaded(talk, model, inputs, outputs)


def read_parts(frame: Frame) -> list[TensorPart]:
    """The tensors of a reply.

    Raises:
        PromiseError: Header and payload disagree.
    """
    try:
        return split_tensors(frame.header, frame.payload)
    except WireError as error:
        raise PromiseError(f"{shown(frame.header)}: {error}") from None


def timing(part: TensorPart) -> list[int]:
    """A series of nanoseconds.

    Raises:
        PromiseError: It is none.
    """
    if part.role != "timing" or part.dtype != "int64" or len(part.shape) != 1:
        raise PromiseError(f"{part.name!r} as {part.role} {part.dtype} {list(part.shape)}, not timing int64 [n]")
    return list(struct.unpack(f"<{part.shape[0]}q", part.data))


def _names(parts: Sequence[TensorPart | TensorSpec]) -> str:
    return shown([part.name for part in parts])
