"""Models for the stand-in of coremltools, written as the real ones lie on disk."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
"""To be put on a path of Python's; what lies there is not imported as part of the tests."""
START, PACKAGED = b"\x08\x04\x12", "Data/com.apple.CoreML/model.mlmodel"
"""As in the stand-in's ``specification``."""


def array(name: str, dtype: str = "float32", shape: tuple[int, ...] | None = (1, 4), **more: Any) -> dict[str, Any]:
    """A feature that is an array."""
    told = {"name": name, "dtype": dtype, **more}
    return told if shape is None else {**told, "shape": list(shape)}


def content(inputs: Any = None, outputs: Any = None, **more: Any) -> dict[str, Any]:
    """A model of one input and one output, ``y = 2 x + 1``, unless told otherwise."""
    return {
        "inputs": inputs if inputs is not None else [array("x")],
        "outputs": outputs if outputs is not None else [array("y", of="x", scale=2, shift=1)],
        "devices": ["neural_engine", "neural_engine", "cpu", "", "const"],
        **more,
    }


def package(folder: Path, told: dict[str, Any] | None = None, *, name: str = "model") -> Path:
    """A model package."""
    path = folder / f"{name}.mlpackage"
    inner = path / PACKAGED
    inner.parent.mkdir(parents=True)
    inner.write_bytes(_bytes(told))
    (path / "Manifest.json").write_text('{"fileFormatVersion": "1.0.0"}', encoding="utf-8")
    return path


def single(folder: Path, told: dict[str, Any] | None = None, *, name: str = "model") -> Path:
    """A model in one file."""
    path = folder / f"{name}.mlmodel"
    path.write_bytes(_bytes(told))
    return path


def compiled(folder: Path, metadata: Any, told: dict[str, Any] | None = None, *, name: str = "model") -> Path:
    """A compiled model; ``metadata`` as in its ``metadata.json``, None for one without."""
    path = folder / f"{name}.mlmodelc"
    path.mkdir()
    (path / "coremldata.bin").write_bytes(b"compiled")
    (path / "model.bin").write_bytes(_bytes(told))
    if metadata is not None:
        (path / "metadata.json").write_text(json.dumps([metadata]), encoding="utf-8")
    return path


def _bytes(told: dict[str, Any] | None) -> bytes:
    return START + json.dumps(content() if told is None else told).encode()
