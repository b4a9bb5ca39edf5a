"""A model whose tensors nobody can tell before it runs: inputs go there as they are given, outputs come as told."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_edgedevice.agent.wire import ITEM_BYTES
from pytest_edgedevice.errors import InputError
from pytest_edgedevice.runners.loaded import LoadedModel
from pytest_edgedevice.runners.samples import Batch, join, refuse_nan
from pytest_edgedevice.values import Run, TensorSpec

if TYPE_CHECKING:
    from pytest_edgedevice.runners.samples import Inputs
    from pytest_edgedevice.values import Array


class UntypedModel(LoadedModel):
    """A loaded model that takes any inputs; each run says in its own ``model`` which tensors went in and out."""

    def run(self, inputs: Inputs, *, allow_nan: bool = False, timeout_s: float | None = None) -> Run:
        """See the base class; inputs are a mapping of name to array, samples along the first axis."""
        part, specs = _taken(inputs)
        if not allow_nan:
            refuse_nan(part.arrays, specs, first=0)
        timeout = self._site.timeout_s if timeout_s is None else timeout_s
        with self._alone():
            done = self._backend.run([part], timeout_s=timeout, allow_nan=allow_nan)
        self._last_sample = _first(part)
        outputs = {}
        told = []
        for name, pieces in done.outputs.items():
            shapes = {piece.shape[1:] for piece in pieces}
            spec = TensorSpec(name, pieces[0].dtype.name, _common(shapes))
            told.append(spec)
            outputs[name] = join(pieces, spec, batch_varies=False)
        info = dataclasses.replace(self.info, inputs=specs, outputs=tuple(told))
        return Run(outputs, len(done.inference_ns), done.inference_ns, info, self.placement, self.device_name)

    def _sample(self, inputs: Inputs | None) -> Batch:
        if inputs is not None:
            part, specs = _taken(inputs)
            refuse_nan(part.arrays, specs, first=0)
            return _first(part)
        if self._last_sample is None:
            raise InputError(
                f"nobody tells the inputs of {self.info.name!r}, so that none can be made up to measure it",
                hint="run it first, or give measure one sample",
            )
        return self._last_sample


def _taken(inputs: Any) -> tuple[Batch, tuple[TensorSpec, ...]]:
    """The arrays as they are, and the specs that they imply.

    Raises:
        InputError: They are no arrays of numbers with the same number of samples.
    """
    if not isinstance(inputs, Mapping) or not inputs:
        raise InputError("nobody tells the model's inputs: give a mapping of input name to array")
    arrays: dict[str, Array] = {}
    for name, value in inputs.items():
        try:
            array: Array = np.asarray(value)
        except Exception as error:  # an object's own __array__ may raise anything
            raise InputError(f"input {name!r} is not an array: {error}") from error
        if array.dtype.name not in ITEM_BYTES or not array.dtype.isnative or array.ndim == 0:
            raise InputError(f"input {name!r} is no array of numbers with samples along its first axis")
        arrays[str(name)] = array
    counts = {name: len(array) for name, array in arrays.items()}
    if len(set(counts.values())) != 1 or 0 in counts.values():
        raise InputError(f"inputs have different numbers of samples, or none: {counts}")
    specs = tuple(TensorSpec(name, array.dtype.name, array.shape[1:]) for name, array in arrays.items())
    return Batch(arrays, next(iter(counts.values()))), specs


def _first(part: Batch) -> Batch:
    return Batch({name: array[:1].copy() for name, array in part.arrays.items()}, 1)


def _common(shapes: set[tuple[int, ...]]) -> tuple[int, ...]:
    """One shape for all, -1 where they differ; no dimensions where even their number does."""
    if len({len(shape) for shape in shapes}) != 1:
        return ()
    return tuple(sizes[0] if len(set(sizes)) == 1 else -1 for sizes in zip(*shapes, strict=True))
