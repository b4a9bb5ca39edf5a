"""How far the outputs of one way to run a model are from those of another."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_edgedevice.metrics.closeness import compare

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_edgedevice.values import Outputs


@dataclass(frozen=True, slots=True)
class Deviation:
    """All outputs against a reference's; the worst of them.

    Attributes:
        absolute: Largest difference of a real number, in the output's own unit; None without such outputs.
        relative: The largest of those as a share of the greatest magnitude in the reference's same output.
        steps: Largest difference of a whole number, which in a quantised output is a step; None without such.
        problem: Why numbers say nothing, e.g. NaN; empty where they do.
        outputs: By name the largest difference; None where it cannot be told.
    """

    absolute: float | None
    relative: float | None
    steps: int | None
    problem: str
    outputs: Mapping[str, float | None]

    @property
    def equal(self) -> bool:
        """Whether every number is the same."""
        return not (self.problem or self.absolute or self.steps)


def deviation(outputs: Outputs, reference: Outputs) -> Deviation:
    """Compare outputs of the same inputs by name; empty ones of both are equal."""
    absolute: list[float] = []
    relative: list[float] = []
    steps: list[int] = []
    problems = [] if set(outputs) == set(reference) else ["the outputs have other names"]
    told: dict[str, float | None] = {}
    for name in outputs.keys() & reference.keys():
        found = compare(outputs[name], reference[name], atol=0, rtol=0)
        magnitude, whole, empty = _scale(reference[name])
        told[name] = None
        if found.structure and not (empty and _scale(outputs[name])[2]):
            problems.append(f"{name}: {found.structure[0]}")
        elif found.nonfinite:
            counts = found.actual_nonfinite.count, found.reference_nonfinite.count
            problems.append(f"{name}: {counts[0]} NaN or Inf here, {counts[1]} in the reference")
        else:
            told[name] = error = found.max_abs_error if not found.structure else 0.0
            (steps.append(round(error)) if whole else absolute.append(error))
            if not whole and magnitude:
                relative.append(error / magnitude)
    return Deviation(
        absolute=max(absolute, default=None),
        relative=max(relative, default=None),
        steps=max(steps, default=None),
        problem="; ".join(sorted(problems)),
        outputs=told,
    )


def _scale(values: Any) -> tuple[float, bool, bool]:
    """Greatest finite magnitude of an output, whether it holds whole numbers, and whether it is empty."""
    parts = [np.asarray(part) for part in (values if isinstance(values, list | tuple) else [values])]
    whole = all(part.dtype.kind in "iub" for part in parts)
    if whole or not any(part.size for part in parts):
        return 0.0, whole, not any(part.size for part in parts)
    greatest = max(float(np.abs(part).max()) for part in parts if part.size)
    return (greatest if math.isfinite(greatest) else 0.0), False, False
