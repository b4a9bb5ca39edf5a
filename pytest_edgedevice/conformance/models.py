"""The models that agents are given, and inputs made from what a load announces."""

from __future__ import annotations

import hashlib
import math
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_edgedevice.agent.wire import ITEM_BYTES, describe
from pytest_edgedevice.runners.model_content import look_into

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_edgedevice.agent.wire import Header
    from pytest_edgedevice.values import TensorSpec

MODELS = Path(__file__).parent / "models"
COREML_ENGINE = "coreml"
TFLITE_ENGINES = frozenset({"litert", "tflite"})
CODES = {
    "bool": "?", "int8": "b", "uint8": "B", "int16": "h", "uint16": "H", "int32": "i", "uint32": "I", "int64": "q",
    "uint64": "Q", "float16": "e", "float32": "f", "float64": "d", "complex64": "f", "complex128": "d",
}  # fmt: skip
LARGEST = {"e": 65504.0, "f": 3.4028234663852886e38, "d": 1.7976931348623157e308}
MOST_INPUT_BYTES = 256 << 20


@dataclass(frozen=True, slots=True)
class Model:
    """A model as it is sent.

    Attributes:
        name: For people.
        content: What its hash is of: the file's, or the manifest of a folder.
        folder: Whether it is a folder.
        files: What is in that folder.
    """

    name: str
    content: bytes
    folder: bool = False
    files: tuple[bytes, ...] = ()

    @property
    def sha256(self) -> str:
        """Its name as a blob."""
        return hashlib.sha256(self.content).hexdigest()

    @property
    def blobs(self) -> tuple[bytes, ...]:
        """All that has to be there."""
        return (*dict.fromkeys(self.files), self.content)


def read_model(path: Path) -> Model:
    """A model of the caller's, a file or a folder.

    Raises:
        ModelError: A folder that cannot be sent.
        OSError: It cannot be read.
    """
    if not path.is_dir():
        return Model(path.name, path.read_bytes())
    found = look_into(path)
    files = tuple(part.file.read_bytes() for part in found.parts)
    manifest = found.manifest([(hashlib.sha256(content).hexdigest(), len(content)) for content in files])
    return Model(path.name, manifest, folder=True, files=files)


def built_in(name: str) -> Model:
    """One of the models that come with this package, by its stem."""
    return Model(f"{name}.tflite", (MODELS / f"{name}.tflite").read_bytes())


def built_in_package(name: str) -> Model:
    """One of the Core ML packages that come with this package, by its stem."""
    return read_model(MODELS / f"{name}.mlpackage")


def pack(dtype: str, values: Sequence[float]) -> bytes:
    """Numbers as the bytes of a tensor; complex ones as pairs."""
    return struct.pack(f"<{len(values)}{CODES[dtype]}", *values)


def corners(dtype: str) -> bytes:
    """Four elements that a careless conversion changes: the ends of the range, -0.0, what is below a byte."""
    code = CODES[dtype]
    if code == "?":
        return bytes([1, 0, 1, 1])
    if code in LARGEST:
        values = [-0.0, LARGEST[code], -LARGEST[code], 1 / 3]
        return pack(dtype, values * 2 if dtype.startswith("complex") else values)
    bits = 8 * ITEM_BYTES[dtype]
    low = 0 if dtype.startswith("u") else -(1 << bits - 1)
    return pack(dtype, [low, low + (1 << bits) - 1, 1, 100])


def announced_inputs(specs: Sequence[TensorSpec], samples: int) -> tuple[list[Header], list[bytes]]:
    """Entries and bytes for every input of a model: small numbers, 1 where a dimension varies.

    Raises:
        ValueError: They would be larger than any request may be.
    """
    entries, buffers = [], []
    for spec in specs:
        shape = (samples, *(1 if size == -1 else size for size in spec.shape))
        count = math.prod(shape)
        if count * ITEM_BYTES[spec.dtype] > MOST_INPUT_BYTES:
            raise ValueError(f"input {spec.name!r} of shape {list(shape)}, over {MOST_INPUT_BYTES >> 20} MiB")
        entries.append(describe(spec.name, spec.dtype, shape))
        buffers.append(_small_numbers(spec.dtype, count))
    return entries, buffers


def _small_numbers(dtype: str, count: int) -> bytes:
    code = CODES[dtype]
    values = [at % 2 if code == "?" else at / 8 if code in LARGEST else at for at in range(8)]
    period = pack(dtype, values * 2 if dtype.startswith("complex") else values)
    return (period * (count * ITEM_BYTES[dtype] // len(period) + 1))[: count * ITEM_BYTES[dtype]]
