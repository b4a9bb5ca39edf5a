"""A data set's inputs as the model takes them, and its outputs as a metric does: names, and quantisation both ways."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_edgedevice.errors import GoldenError, InputError
from pytest_edgedevice.evaluation import columns
from pytest_edgedevice.goldens.quantization import dequantize, quantize

if TYPE_CHECKING:
    from pytest_edgedevice.evaluation.columns import Column
    from pytest_edgedevice.values import ModelInfo, Run, TensorSpec


def fitted(inputs: Column, info: ModelInfo) -> Column:
    """Inputs by the model's names; floats become integers by its own scales where it takes those.

    A single input of a model with a single input may have any name. Everything else is handed on unchanged, for the
    runner to judge.

    Raises:
        InputError: Values cannot be quantised.
    """
    specs = {spec.name: spec for spec in info.inputs}
    if not isinstance(inputs, Mapping):
        inputs = {next(iter(specs)): inputs} if len(specs) == 1 else inputs
    elif len(inputs) == 1 and len(specs) == 1:
        inputs = dict(zip(specs, inputs.values(), strict=True))
    if not isinstance(inputs, Mapping):
        return inputs
    return {name: _steps(value, specs[name]) if name in specs else value for name, value in inputs.items()}


def _steps(values: Any, spec: TensorSpec) -> Any:
    wanted = spec.quantization is not None and not spec.dtype.startswith("float")
    try:
        if isinstance(values, list):
            return [_steps(one, spec) for one in values] if wanted else values
        floats = isinstance(values, np.ndarray) and values.dtype.kind == "f"
        return quantize(values, spec) if wanted and floats else values
    except GoldenError as error:
        raise InputError(error.message, hint=error.hint) from error


def presented(run: Run, output: str | None) -> Column:
    """Outputs of a run for a metric: real numbers, and only the one that was named or that there is.

    Raises:
        InputError: There is none of that name, or one is quantised per channel.
    """
    specs = {spec.name: spec for spec in run.model.outputs}
    if output is not None and output not in specs:
        raise InputError(f"the model has no output {output!r}; its outputs are {list(specs)}")
    chosen = list(specs) if output is None else [output]
    found = {name: _real(run.outputs[name], specs[name]) for name in chosen}
    return found if len(found) > 1 else found[chosen[0]]


def _real(values: Any, spec: TensorSpec) -> Any:
    if spec.quantization is None or spec.dtype.startswith("float"):
        return values
    try:
        return [dequantize(one, spec) for one in values] if isinstance(values, list) else dequantize(values, spec)
    except GoldenError as error:
        raise InputError(error.message, hint=error.hint) from error


def labels_of(labels: Column, info: ModelInfo, output: str | None) -> Column:
    """Labels by output name as those of the one output that a metric is given; others unchanged."""
    name = output if output is not None else info.outputs[0].name if len(info.outputs) == 1 else None
    return labels[name] if isinstance(labels, Mapping) and name in labels else labels


def chosen(inputs: Column, places: list[int], samples: int) -> Column:
    """The inputs of some samples; unchanged where that is all of them."""
    return inputs if len(places) == samples else columns.rows(inputs, places)
