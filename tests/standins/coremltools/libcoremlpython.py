"""What the binding to Core ML does, in Python: compile, load, predict.

A model computes each of its outputs from one input: ``of`` names it, ``scale`` and ``shift`` are applied, and
``how`` may be ``sum``, ``nonzero``, ``count`` (with state: how many inferences there were), ``picture`` or ``number``.
``off`` is added by compute unit, as where one computes wrongly. ``fault`` makes it fail: ``compile``, ``load`` or
``predict`` with a text, or ``lost`` for an output that does not come.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from coremltools.specification import START, content_of, macos_version
from PIL import Image

NEWEST_SPECIFICATION = 9
TAKEN = (np.float32, np.float64, np.int32, np.int8)


class _MLModelProxy:
    def __init__(self, path: str, unit: str, function: str, hints: dict[str, str], asset: Any) -> None:
        del function, hints, asset
        if unit == "CPU_AND_NE" and macos_version() < (13, 0):
            raise RuntimeError("CPU_AND_NE is only available on macOS >= 13.0")
        self._unit = unit
        self._made = ""
        self._kept: list[Any] = []
        self._compiled = path if path.endswith(".mlmodelc") else self._compile(path)
        self._content = content_of(self._compiled)
        if "load" in self._content.get("fault", {}):
            raise RuntimeError(self._content["fault"]["load"])

    def _compile(self, path: str) -> str:
        source = Path(path)
        if source.suffix != (".mlpackage" if source.is_dir() else ".mlmodel"):
            raise RuntimeError(f'Error compiling model: "{source.name} is not a valid .mlmodel file".')
        content = content_of(path)
        if "compile" in content.get("fault", {}):
            raise RuntimeError(f'Error compiling model: "{content["fault"]["compile"]}".')
        self._made = tempfile.mkdtemp()
        compiled = Path(self._made) / "model.mlmodelc"
        compiled.mkdir()
        (compiled / "model.bin").write_bytes(START + json.dumps(content).encode())
        return str(compiled)

    def __del__(self) -> None:
        shutil.rmtree(getattr(self, "_made", ""), ignore_errors=True)

    def get_compiled_model_path(self) -> str:
        return self._compiled

    def newState(self) -> dict[str, int]:  # noqa: N802 - the binding's name
        return {"inferences": 0}

    def predict(self, data: dict[str, Any], state: dict[str, int] | None) -> dict[str, Any]:
        fault = self._content.get("fault", {})
        if "predict" in fault:
            raise RuntimeError(fault["predict"])
        if self._content.get("state") and state is None:
            raise RuntimeError('{\n    NSLocalizedDescription = "The model needs a state";\n}')
        values = {name: _taken(value) for name, value in data.items()}
        for told in self._content["inputs"]:
            _check(told, values)
        self._kept.append(data)  # Core ML keeps its inputs bound for a while
        del self._kept[:-4]
        if state is not None:
            state["inferences"] += 1
        outputs = [one for one in self._content["outputs"] if one["name"] != fault.get("lost")]
        off = self._content.get("off", {}).get(self._unit, 0)
        return {one["name"]: _made({**one, "shift": one.get("shift", 0) + off}, values, state) for one in outputs}


def _taken(value: Any) -> Any:
    if isinstance(value, Image.Image):
        return np.asarray(value)
    if isinstance(value, int | float):
        return value
    if isinstance(value, np.ndarray) and value.dtype in TAKEN and value.flags.writeable:
        return value
    raise RuntimeError("value type not convertible")


def _check(told: dict[str, Any], values: dict[str, Any]) -> None:
    if told["name"] not in values:
        raise RuntimeError(
            f'{{\n    NSLocalizedDescription = "Feature {told["name"]} is required but not specified.";\n}}'
        )
    if told.get("kind", "multiArrayType") != "multiArrayType":
        return
    shape = np.shape(values[told["name"]])
    ranges = told.get("range") or [(size, size) for size in told["shape"]]
    fits = len(shape) == len(ranges) and all(
        low <= size <= high for size, (low, high) in zip(shape, ranges, strict=False)
    )
    if not fits and list(shape) not in [list(one) for one in told.get("enumerated", [])]:
        sizes = " x ".join(map(str, shape))
        raise RuntimeError(
            '{\n    NSLocalizedDescription = "MultiArray shape (' + sizes + ") does not match the shape "
            'specified in the model description";\n}'
        )


def _made(told: dict[str, Any], values: dict[str, Any], state: dict[str, int] | None) -> Any:
    if told.get("how") == "count":
        return np.full((1,), (state or {"inferences": 0})["inferences"], told["dtype"])
    value = np.asarray(values[told["of"]])
    found = value.astype(np.float64) * told.get("scale", 1) + told.get("shift", 0)
    how = told.get("how", "")
    if how == "picture":
        return _picture(np.clip(found, 0, 255), told["colour"])
    if how == "number":
        return int(found.sum()) if told["kind"] == "int64Type" else float(found.sum())
    if how == "sum":
        found = np.asarray(found.sum())
    if how == "nonzero":
        found = np.argwhere(found)
    half = told["dtype"] == "float16"
    array = found.astype(told["dtype"]).astype("float32" if half else told["dtype"])
    return _with_gaps(array.reshape(told.get("as", array.shape)))


def _with_gaps(array: Any) -> Any:
    """The array in rows that are rounded up, as the Neural Engine's are."""
    if not array.ndim:
        return array
    room = np.full((*array.shape[:-1], array.shape[-1] + 5), 77, array.dtype)
    room[..., : array.shape[-1]] = array
    return room[..., : array.shape[-1]]


def _picture(pixels: Any, colour: str) -> Any:
    if colour == "GRAYSCALE_FLOAT16":
        return Image.fromarray(pixels.astype(np.float32))
    if colour == "GRAYSCALE":
        return Image.fromarray(pixels.astype(np.uint8))
    opaque = np.full((*pixels.shape[:2], 1), 255)
    return Image.fromarray(np.concatenate([pixels, opaque], axis=2).astype(np.uint8))
