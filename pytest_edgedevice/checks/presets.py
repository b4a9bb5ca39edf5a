"""Tolerances for when a test names none: by how the model is quantised and by what ran it.

Owns the table and the choice. Each row's reason is in ``metrics/ACCURACY.md``; whoever
changes a number changes it there as well.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pytest_edgedevice.errors import UsageError
from pytest_edgedevice.given import shown
from pytest_edgedevice.metrics.elementwise import Within
from pytest_edgedevice.metrics.quantised import Steps
from pytest_edgedevice.metrics.structure import kind_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_edgedevice.metrics.metric import Affine, Metric
    from pytest_edgedevice.metrics.structure import Array, Samples
    from pytest_edgedevice.values import ModelInfo, Placement

FAMILIES = ("cpu", "xnnpack", "gpu", "npu")

OF_PEAK: Mapping[str, tuple[float, float, float, float]] = {
    "float32": (1e-4, 1e-4, 5e-3, 1e-2),
    "float16": (2e-3, 2e-3, 1e-2, 1e-2),
    "dynamic_int8": (0.1, 0.1, 0.1, 0.1),
    "int8": (0.1, 0.1, 0.1, 0.1),
    "int16x8": (0.1, 0.1, 0.1, 0.1),
}
"""Real numbers: largest error as a share of the reference's largest magnitude, for each of ``FAMILIES``."""

STEPS: tuple[int, int, int, int] = (3, 3, 4, 4)
"""Quantised values: largest distance in steps, for each of ``FAMILIES``."""

_ALIASES = {"weight_int8": "dynamic_int8"}
_LATTICE = 1e-3  # of a step: further than float32 rounds, far less than chance leaves in several elements


@dataclass(frozen=True, slots=True)
class Preset:
    """A tolerance that the test did not name.

    Attributes:
        metric: What is applied.
        text: Where it is from and what it allows, for people.
    """

    metric: Metric
    text: str


def check_name(name: str | None) -> None:
    """Refuse a preset that there is not.

    Raises:
        UsageError: There is none of this name.
    """
    given: object = name
    if name is not None and not (isinstance(given, str) and name in {*OF_PEAK, *_ALIASES}):
        raise UsageError(f"there is no preset {shown(name)}", hint=f"presets are {', '.join((*OF_PEAK, *_ALIASES))}")


def choose(
    info: ModelInfo,
    placement: Placement,
    *,
    actual: Samples,
    reference: Samples,
    affine: Affine | None,
    name: str | None = None,
) -> Preset:
    """The tolerance for one output.

    Quantised values are judged in steps: integers of 8 and 16 bits, and real numbers of a quantised
    tensor where every reference is a multiple of its scale, so that it came from the same tensor.
    Other real numbers are judged by the model's variant; wider integers and booleans exactly.

    Args:
        info: The model that ran.
        placement: Where it ran.
        actual: Device output.
        reference: Its reference.
        affine: How the output's tensor is quantised, where it is.
        name: Preset that the test named; the model's own variant by default.
    """
    variant = name or info.variant
    variant = _ALIASES.get(variant, variant)
    known = variant in OF_PEAK
    label = variant if known else "float32"
    family = family_of(placement)
    at = FAMILIES.index(family)
    kind, metric = kind_of(actual), _exact(actual)
    if metric is not None:
        return Preset(metric, f"{kind} values: equal")
    if kind == "integer" or (affine is not None and _on_lattice(reference, affine)):
        label = label if label in {"int8", "int16x8"} else "int8"
        steps = Steps(STEPS[at])
        return Preset(steps if affine is None else steps.fitted(affine), f"{label} on {family}: {steps.bound}")
    within = Within(of_peak=OF_PEAK[label][at])
    told = label if known else f"{label} (the variant {variant!r} has no preset)"
    return Preset(within, f"{told} on {family}: {within.bound}")


def family_of(placement: Placement) -> str:
    """Which column of the table a proven delegate is in; accelerators that are not known count as ``npu``."""
    proven = placement.proven or placement.requested
    proven = {"cpu_only": "cpu", "cpu_and_gpu": "gpu"}.get(proven, proven)
    if proven in FAMILIES:
        return proven
    return "cpu" if proven in {"", "default", "reference"} else "npu"


def _exact(samples: Samples) -> Metric | None:
    first = next(iter(samples), None) if isinstance(samples, tuple) else samples
    if first is None:
        return None
    wide = first.dtype.kind in "iu" and first.dtype.itemsize > 2
    return Within() if wide or first.dtype.kind == "b" else None


def _on_lattice(reference: Samples, affine: Affine) -> bool:
    parts = reference if isinstance(reference, tuple) else (reference,)
    return all(part.dtype.kind == "f" and part.ndim and _multiples(part, affine.scale) for part in parts)


def _multiples(values: Array, scale: float) -> bool:
    flat = values.reshape(-1)
    for start in range(0, flat.size, 65_536):
        with np.errstate(all="ignore"):
            steps = flat[start : start + 65_536].astype(np.float64) / scale
            if not (np.abs(steps - np.rint(steps)) <= _LATTICE).all():
                return False
    return True
