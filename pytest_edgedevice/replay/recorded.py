"""What a recording holds: devices, the models that were loaded there, and their answers by the hash of each sample.

Plain values with their form in JSON; arrays are named here and lie in the archive.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_edgedevice import errors

# read when a recording is rebuilt, by the annotations below
from pytest_edgedevice.findings import Profile, Resources, Stages, Stream  # noqa: TC001
from pytest_edgedevice.values import Fact, ModelInfo, Placement, Timing  # noqa: TC001

if TYPE_CHECKING:
    from pytest_edgedevice.errors import ModelError
    from pytest_edgedevice.runners.samples import Batch
    from pytest_edgedevice.values import TensorSpec

KIND = "edgedevice-recording"
REFUSALS: dict[str, type[ModelError]] = {
    kind.__name__: kind for kind in (errors.ModelError, errors.DelegateError, errors.DelegateImpossibleError)
}
"""What may keep a model from being loaded and is no fault of the world."""
Packed = Mapping[str, Any]
"""A series of whole numbers; see ``records.unpack``."""


@dataclass(frozen=True, slots=True)
class Asking:
    """How a model was loaded; see ``Device.load``."""

    sha256: str
    delegate: str = "default"
    threads: int = 1
    engine: str = ""
    fallback: str = "fail"
    options: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why it could not be loaded."""

    type: str
    message: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Block:
    """The answers to one ``run``.

    Attributes:
        samples: Hash of each sample's inputs.
        outputs: Output name to an array's name, or to one a sample where shapes vary.
        inference_ns: Packed.
    """

    samples: tuple[str, ...]
    outputs: Mapping[str, str | tuple[str, ...]]
    inference_ns: Packed


@dataclass(frozen=True, slots=True)
class Measured:
    """One ``measure``: its result without the series, and the series packed."""

    timing: Timing
    samples_ns: Packed


@dataclass(frozen=True, slots=True)
class Loading:
    """A model as it was loaded with one delegate, and everything that it told.

    Attributes:
        asked: How.
        name: The file's name.
        info, placement, load_ms: What it told of itself; nothing where it was refused.
        refusal: Why it was not loaded.
        blocks: Its answers.
        measured: Its latencies.
        resources, streams, profiles, stages: What else was measured.
    """

    asked: Asking
    name: str
    info: ModelInfo | None = None
    placement: Placement | None = None
    load_ms: float = 0.0
    refusal: Refusal | None = None
    blocks: tuple[Block, ...] = ()
    measured: tuple[Measured, ...] = ()
    resources: tuple[Resources, ...] = ()
    streams: tuple[Stream, ...] = ()
    profiles: tuple[Profile, ...] = ()
    stages: tuple[Stages, ...] = ()


@dataclass(frozen=True, slots=True)
class RecordedDevice:
    """One device and all that was loaded there."""

    name: str
    facts: Mapping[str, Fact]
    conditions: Mapping[str, Fact]
    loadings: tuple[Loading, ...]


def hashes_of(parts: Sequence[Batch], specs: Sequence[TensorSpec]) -> Iterator[str]:
    """A hash of each sample's inputs: names, dtypes, shapes and bytes."""
    for part in parts:
        for at in range(part.samples):
            digest = hashlib.sha256()
            for spec in specs:
                array = np.ascontiguousarray(part.arrays[spec.name][at])
                digest.update(f"{spec.name}\0{array.dtype.str}\0{array.shape}\0".encode())
                digest.update(array.tobytes())
            yield digest.hexdigest()
