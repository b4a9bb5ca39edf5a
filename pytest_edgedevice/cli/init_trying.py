"""What a model does on this machine: outputs to compare with, a tolerance and a budget that hold here."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pytest_edgedevice.errors import GoldenError
from pytest_edgedevice.opening import open_device
from pytest_edgedevice.runners.samples import has_batch_axis, random_sample

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pytest_edgedevice.runners.loaded import LoadedModel
    from pytest_edgedevice.values import Array, ModelInfo, Outputs, Run

SAMPLES, TRIES = 4, 32
LEAST_BUDGET_MS = 100.0
ROOM = 5
"""The budget is so many times what this machine takes, and the tolerance so many times what its kernels differ by."""
LEAST_ATOL = 1e-5


@dataclass(frozen=True, slots=True)
class Tried:
    """What the model did on this machine.

    Attributes:
        info: The model.
        inputs: Input name to samples.
        outputs: What the built-in kernels made of them.
        constant: Outputs that are the same for every sample.
        atol: A tolerance that holds here between delegates; 0 where all outputs are whole numbers.
        budget_ms: A budget that holds here.
    """

    info: ModelInfo
    inputs: Mapping[str, Array]
    outputs: Outputs
    constant: tuple[str, ...]
    atol: float
    budget_ms: float


def try_out(path: Path, wait_s: float) -> Tried:
    """Run a model a few times.

    Raises:
        EdgeDeviceError: It cannot be loaded or run, or gives nothing to compare.
    """
    with open_device("local", wait_s=wait_s) as device:
        model = device.load(path, delegate="cpu")
        inputs = _inputs(model.info)
        run = model.run(inputs)
        constant = _constant(run)
        others = device.load(path).run(inputs)
        atol = _atol(run, others)
        return Tried(model.info, inputs, run.outputs, constant, atol, _budget(device.load(path)))


def _inputs(info: ModelInfo) -> dict[str, Array]:
    """Random samples that differ, by input; fewer where the inputs have no room for more."""
    found: dict[bytes, dict[str, Array]] = {}
    for turn in range(TRIES):
        seeds = range(turn * len(info.inputs), (turn + 1) * len(info.inputs))  # or two inputs would be equal
        sample = {
            spec.name: _sample(random_sample(spec, seed=seed), batch=has_batch_axis(spec))
            for spec, seed in zip(info.inputs, seeds, strict=True)
        }
        found.setdefault(b"".join(array.tobytes() for array in sample.values()), sample)
        if len(found) == SAMPLES:
            break
    samples = list(found.values())
    return {name: np.concatenate([sample[name] for sample in samples]) for name in samples[0]}


def _sample(sample: Array, *, batch: bool) -> Array:
    return sample[:, 0] if batch else sample


def _constant(run: Run) -> tuple[str, ...]:
    """Outputs that do not depend on the input; the golden has to say so."""
    alike = tuple(
        name
        for name, samples in run.outputs.items()
        if all(np.array_equal(np.asarray(samples[0]), np.asarray(one)) for one in samples)
    )
    if len(alike) == len(run.outputs):
        raise GoldenError(
            f"{run.model.name} answers the same to {run.samples} random inputs, so a golden of them could show nothing",
            hint="record real inputs: edgedevice record NAME --from SOURCE --inputs FILES",
        )
    return alike


def _atol(run: Run, other: Run) -> float:
    """Several times what this machine's default kernels differ by from the built-in ones."""
    floats = [name for name, samples in run.outputs.items() if np.asarray(samples[0]).dtype.kind == "f"]
    differences = [0.0]
    for name in floats:
        for one, another in zip(run.outputs[name], other.outputs[name], strict=True):
            pair = (np.asarray(samples, np.float64) for samples in (one, another))
            differences += np.abs(np.subtract(*pair)).ravel().tolist()
    if not all(map(math.isfinite, differences)):
        raise GoldenError(
            f"{run.model.name} gives values that are not finite for random inputs",
            hint="record real inputs: edgedevice record NAME --from SOURCE --inputs FILES",
        )
    worst = max(differences)
    return rounded_up(max(worst * ROOM, LEAST_ATOL)) if floats else 0.0


def _budget(model: LoadedModel) -> float:
    timing = model.measure(max_s=1.0)
    return rounded_up(max(timing.p95_ms * ROOM, LEAST_BUDGET_MS))


def rounded_up(value: float) -> float:
    """To one digit."""
    unit = 10.0 ** math.floor(math.log10(value))
    return float(f"{math.ceil(value / unit - 1e-9) * unit:.1g}")
