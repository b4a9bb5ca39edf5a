"""What a user's own program is told: its arguments, its inputs as files, its manifest. See COMMAND.md."""

from __future__ import annotations

import io
import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_edgedevice.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_edgedevice.runners.backend import LoadRequest
    from pytest_edgedevice.values import Array

CONTRACT = 1
MANIFEST, RESULT = "manifest.json", "result.json"
INPUTS, OUTPUTS = "inputs", "outputs"
FORMATS = ("npy", "raw")
PLACEHOLDERS = ("folder", "manifest", "model", "inputs", "outputs", "delegate", "threads", "runs")
DEFAULT_ARGUMENTS = ("{manifest}",)
_PART = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")


class ArgumentTemplate:
    """Arguments with placeholders, each of them one argument whatever it is filled with.

    Args:
        arguments: ``{manifest}`` and the like; doubled braces stand for themselves. The manifest alone by default.

    Raises:
        ConfigError: A placeholder is unknown, or a brace stands alone.
    """

    def __init__(self, arguments: Sequence[str]) -> None:
        self._arguments = tuple(arguments) or DEFAULT_ARGUMENTS
        for argument in self._arguments:
            for match in _PART.finditer(argument):
                _check(match, argument)

    def filled(self, values: Mapping[str, str]) -> list[str]:
        """The arguments; ``values`` has one for each placeholder."""

        def value(match: re.Match[str]) -> str:
            return values[match[1]] if match[1] is not None else match[0][0]

        return [_PART.sub(value, argument) for argument in self._arguments]


def _check(match: re.Match[str], argument: str) -> None:
    if match[0] in ("{{", "}}") or match[1] in PLACEHOLDERS:
        return
    known = " ".join(f"{{{name}}}" for name in PLACEHOLDERS)
    what = f"the placeholder {match[0]!r}, which is unknown" if match[1] is not None else "a brace alone"
    raise ConfigError(f"the argument {argument[:80]!r} has {what}", hint=f"known are {known}; write {{{{ for a brace")


@dataclass(frozen=True, slots=True)
class Order:
    """What a program shall do once.

    Attributes:
        op: ``describe``, ``run`` or ``measure``.
        arrays: Input name to array (samples, *shape of one sample in the model).
        samples: How many.
        runs: Entries of the series that ``measure`` takes.
        warmup: Inferences before it.
        batch: Inferences averaged in one entry.
        max_ns: No entry begins later than this after the first, nanoseconds; 0 for no limit.
        stages: Whether it shall time what comes before and after each inference, too.
    """

    op: str
    arrays: Mapping[str, Array] = field(default_factory=dict)
    samples: int = 0
    runs: int = 0
    warmup: int = 0
    batch: int = 1
    max_ns: int = 0
    stages: bool = False


def manifest(
    order: Order, request: LoadRequest, *, folder: str, model: Mapping[str, Any], nonce: str, format_: str
) -> dict[str, Any]:
    """The manifest of one process, all paths absolute.

    Args:
        order: What it shall do.
        request: How the model was loaded.
        folder: The folder of this process.
        model: ``path``, ``name``, ``sha256``, ``size_bytes``.
        nonce: What the result must repeat.
        format_: Format of the input files, and the one that outputs should have: ``npy`` or ``raw``.
    """
    return {
        "contract": CONTRACT,
        "nonce": nonce,
        "op": order.op,
        "model": dict(model),
        "delegate": request.delegate,
        "delegate_options": dict(request.options or {}),
        "allow_fallback": request.allow_fallback,
        "threads": request.threads,
        "samples": order.samples,
        "runs": order.runs,
        "warmup": order.warmup,
        "batch": order.batch,
        "max_ns": order.max_ns,
        "stages": order.stages,
        "format": format_,
        "inputs": [
            {"name": name, "dtype": array.dtype.name, "shape": list(array.shape), "file": f"{folder}/{INPUTS}/{file}"}
            for (name, array), file in zip(order.arrays.items(), _names(order.arrays, format_), strict=True)
        ],
        "outputs": f"{folder}/{OUTPUTS}",
        "result": f"{folder}/{RESULT}",
    }


def files(order: Order, told: Mapping[str, Any]) -> dict[str, bytes]:
    """Content of the files that a process finds, by their names in its folder; the manifest is among them."""
    as_file = _npy if told["format"] == "npy" else _raw
    found = {
        f"{INPUTS}/{name}": as_file(array)
        for name, array in zip(_names(order.arrays, told["format"]), order.arrays.values(), strict=True)
    }
    return {**found, MANIFEST: json.dumps(told, indent=1, allow_nan=False).encode()}


def _names(arrays: Mapping[str, Array], format_: str) -> list[str]:
    """File names by position: a tensor's own name may hold anything."""
    return [f"{position}.{format_}" for position in range(len(arrays))]


def _npy(array: Array) -> bytes:
    made = io.BytesIO()
    np.lib.format.write_array(made, np.ascontiguousarray(array), version=(1, 0), allow_pickle=False)
    return made.getvalue()


def _raw(array: Array) -> bytes:
    return np.ascontiguousarray(array).tobytes()
